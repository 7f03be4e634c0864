"""deploy/k8s on a real API server: what kustomize and Helm make of it is accepted, says nothing that the server does not know, obeys
Pod Security's level `restricted`, and comes to the same on both ways.

Accepted means a server-side dry run (`?dryRun=All`) of each object: validation, defaults, admission, nothing stored. A server of
1.20 drops a field that it does not know without a word, so its answer must hold all that was sent. The Prometheus operator's kinds
are played by small CRDs, pruned as the operator's own are. PodDisruptionBudgets are policy/v1 from 1.21 on: this server has them as
v1beta1, with the same fields; and it has no Pod Security admission, so that is judged here.

KUBECONFIG and MENDD_REAL_DIR as in test_real.py.
"""
import copy
import functools
import pathlib
import re
import sys
import tempfile
import unittest

import harness as h
import manifests as m

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from test_real import cluster  # noqa: E402

OBSERVE, MONITORING = m.DEPLOY / "overlays" / "observe", m.DEPLOY / "overlays" / "monitoring"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
EVERYTHING = m.CHART / "ci" / "everything-values.yaml"
NAMESPACES = ("mendd", "ops", "shop")
TEXT, TEXTS = {"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}
SELECTOR = {"type": "object", "properties": {"matchLabels": TEXTS}}
CREDENTIALS = {"type": "object", "required": ["key"], "properties": {"name": TEXT, "key": TEXT, "optional": {"type": "boolean"}}}
ENDPOINT = {"type": "object", "properties": {
    "tlsConfig": {"type": "object", "properties": {
        "serverName": TEXT, "ca": {"type": "object", "properties": {"secret": CREDENTIALS}}}},
    "port": TEXT, "path": TEXT, "scheme": {"type": "string", "enum": ["http", "https"]}, "interval": TEXT,
    "authorization": {"type": "object", "properties": {"type": TEXT, "credentials": CREDENTIALS}}}}
RULE = {"type": "object", "required": ["expr"], "properties": {
    "alert": TEXT, "record": TEXT, "expr": {"x-kubernetes-int-or-string": True}, "for": TEXT, "labels": TEXTS, "annotations": TEXTS}}
SPECS = {  # as far as deploy/k8s goes, by the operator's API reference
    "ServiceMonitor": {"required": ["endpoints", "selector"], "properties": {
        "jobLabel": TEXT, "selector": SELECTOR, "endpoints": {"type": "array", "items": ENDPOINT}}},
    "PodMonitor": {"required": ["podMetricsEndpoints", "selector"], "properties": {
        "jobLabel": TEXT, "selector": SELECTOR, "podMetricsEndpoints": {"type": "array", "items": ENDPOINT}}},
    "PrometheusRule": {"properties": {"groups": {"type": "array", "items": {
        "type": "object", "required": ["name"],
        "properties": {"name": TEXT, "interval": TEXT, "rules": {"type": "array", "items": RULE}}}}}},
}


def definition(kind):
    group, plural = "monitoring.coreos.com", kind.lower() + "s"
    schema = {"type": "object", "properties": {"spec": {"type": "object", **SPECS[kind]}}}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"{plural}.{group}"},
            "spec": {"group": group, "scope": "Namespaced",
                     "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": kind + "List"},
                     "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]}}


def lost(sent, got, path=""):
    """What was sent and is not in the answer; what is empty may be left out of it."""
    if isinstance(sent, dict):
        have = got if isinstance(got, dict) else {}
        return [x for k, v in sent.items() for x in
                (lost(v, have[k], f"{path}.{k}") if k in have else [] if v in ({}, [], None, "") else [f"{path}.{k}"])]
    if isinstance(sent, list):
        return [f"{path}: {sent} became {got}"] if not isinstance(got, list) or len(got) != len(sent) else [
            x for i, v in enumerate(sent) for x in lost(v, got[i], f"{path}[{i}]")]
    return [] if sent == got else [f"{path}: {sent!r} became {got!r}"]


class Applied(unittest.TestCase):
    """The operator's CRDs and the namespaces are there; objects are created, or only tried."""

    @classmethod
    def setUpClass(cls):
        cls.admin = cluster("admin")
        for kind in SPECS:
            made = definition(kind)
            h.until(f"the CRD of {kind} is new", lambda: cls.admin.call("POST", CRDS, made).status == 201, 60)
        for name in NAMESPACES:  # what is to be tried lies in them; one of an earlier run may still be going
            made = h.namespace(name)
            h.until(f"the namespace {name} is new", lambda: cls.admin.call("POST", "/api/v1/namespaces", made).status == 201, 60)
        cls.served = h.until("the CRDs are served", lambda: cls.admin.get("/apis/monitoring.coreos.com/v1"))

    @classmethod
    def tearDownClass(cls):
        for name in NAMESPACES:
            cls.admin.call("DELETE", f"/api/v1/namespaces/{name}")
        for kind in SPECS:
            cls.admin.call("DELETE", f"{CRDS}/{definition(kind)['metadata']['name']}")
        for plural in ("clusterroles", "clusterrolebindings"):
            cls.admin.call("DELETE", f"/apis/rbac.authorization.k8s.io/v1/{plural}/mendd")

    @classmethod
    @functools.cache
    def resources(cls, api):
        return {r["kind"]: r for r in (cls.admin.get(("/apis/" if "/" in api else "/api/") + api) or {"resources": []})["resources"]
                if "/" not in r["name"]}

    def collection(self, o):
        api = o["apiVersion"]
        found = h.until(f"{o['kind']} of {api} is served", lambda: self.resources(api).get(o["kind"]) or self.resources.cache_clear())
        place = f"namespaces/{o['metadata']['namespace']}/" if found["namespaced"] else ""
        return ("/apis/" if "/" in api else "/api/") + f"{api}/{place}{found['name']}"

    def apply(self, o, query=""):
        """Server-side apply; what the server did not understand is a failure."""
        o = copy.deepcopy(o)
        if o["apiVersion"] == "policy/v1" and not self.resources("policy/v1"):
            o["apiVersion"] = "policy/v1beta1"
        path = f"{self.collection(o)}/{o['metadata']['name']}?fieldManager=deploy&force=true{query}"
        a = self.admin.call("PATCH", path, o, "application/apply-patch+yaml")
        self.assertIn(a.status, (200, 201), f"{m.identity(o)}: {a.body.decode()[:2000]}")
        self.assertEqual(lost(o, a.json), [], f"{m.identity(o)}: not known to the server")
        return a.json

    def tried(self, o):
        return self.apply(o, "&dryRun=All")


class Deploy(Applied):
    def judge(self, objects, *kinds):
        """All accepted, all pods restricted, and these kinds among them."""
        self.assertEqual(set(kinds) - {o["kind"] for o in objects}, set())
        for o in objects:
            accepted = self.tried(o)
            if o["kind"] == "PrometheusRule":
                self.assertTrue(o["spec"]["groups"], "no rules")
            spec = m.pod_spec(accepted)
            if spec:
                self.assertEqual(m.restricted_faults(spec), [], m.identity(o))

    BASE = ("ClusterRole", "ClusterRoleBinding", "Deployment", "Service", "PersistentVolumeClaim", "NetworkPolicy",
            "PodDisruptionBudget", "ServiceAccount", "ConfigMap")

    def test_base(self):
        self.judge(m.kustomize(m.DEPLOY / "base"), "Namespace", *self.BASE)

    def test_observe_adds_only_the_dry_run(self):
        base, observe = ({m.identity(o): o for o in m.kustomize(f)} for f in (m.DEPLOY / "base", OBSERVE))
        self.judge(list(observe.values()))
        key = ("Deployment", "mendd", "mendd")
        args = observe[key]["spec"]["template"]["spec"]["containers"][0]["args"]
        self.assertEqual(args.pop(), "--dry-run")
        self.assertEqual(observe, base)

    def test_monitoring(self):
        self.judge(m.kustomize(MONITORING), "ServiceMonitor", "PrometheusRule", *self.BASE)

    def test_an_overlay_of_ones_own(self):
        objects = m.kustomize(m.DEPLOY / "overlays" / "own")
        self.judge(objects, "Role", "RoleBinding", *self.BASE)
        [config] = [o for o in objects if o["kind"] == "ConfigMap" and "playbooks" in o["metadata"]["name"]]
        [deployment] = [o for o in objects if o["kind"] == "Deployment"]
        pod = deployment["spec"]["template"]["spec"]
        self.assertEqual((list(config["data"]), pod["containers"][0]["image"]), (["shop.yaml"], "registry.example.com/mendd:0.1.0"))
        self.assertIn({"name": "playbooks", "configMap": {"name": config["metadata"]["name"]}}, pod["volumes"])

    def test_chart(self):
        self.judge(m.helm(), "Pod", *self.BASE)

    def test_chart_with_everything_on(self):
        objects = m.helm("rel", "ops", [EVERYTHING])
        self.judge(objects, "Ingress", "ServiceMonitor", "PodMonitor", "PrometheusRule", *self.BASE)
        self.assertEqual([m.identity(o) for o in objects if o["metadata"].get("namespace") == "mendd"], [], "left in the wrong place")

    def values(self, doc):
        file = tempfile.NamedTemporaryFile("w", suffix=".yaml")
        self.addCleanup(file.close)
        h.json.dump(doc, file)
        file.flush()
        return [file.name]

    def test_chart_with_everything_off(self):
        off = {"enabled": False}
        objects = m.helm(values=self.values({"networkPolicy": off, "podDisruptionBudget": off, "tests": off, "persistence": off,
                                             "rbac": {"create": False}, "serviceAccount": {"create": False, "name": "mine"}}))
        self.judge(objects)
        self.assertEqual(sorted(o["kind"] for o in objects), ["ConfigMap", "ConfigMap", "Deployment", "Service"])

    def test_chart_says_what_is_missing(self):
        for doc, words in (({"serviceAccount": {"create": False}}, "serviceAccount.name: which one"),
                           ({"defaultPlaybooks": False}, "mendd would have nothing to do"),
                           ({"rbac": {"manifests": "a: ["}}, "rbac.manifests: ")):
            with self.assertRaisesRegex(AssertionError, words):
                m.helm(values=self.values(doc))

    def test_chart_for_an_old_cluster(self):
        [pdb] = [o for o in m.helm(apis=()) if o["kind"] == "PodDisruptionBudget"]
        self.assertEqual(pdb["apiVersion"], "policy/v1beta1")
        self.tried(pdb)

    def test_what_is_wrong_is_seen(self):
        """The judge itself: a misspelt field, a value of the wrong type, a pod that may do too much."""
        [deployment] = [o for o in m.kustomize(m.DEPLOY / "base") if o["kind"] == "Deployment"]
        [monitor] = [o for o in m.kustomize(MONITORING) if o["kind"] == "ServiceMonitor"]

        def spoilt(o, change):
            o = copy.deepcopy(o)
            change(o["spec"])
            return o
        pod = "template"
        for o, change in ((deployment, lambda s: s[pod]["spec"].update(terminationGraceSeconds=3)),
                          (deployment, lambda s: s[pod]["spec"]["containers"][0]["resources"].update(limit={"memory": "1Gi"})),
                          (deployment, lambda s: s.update(replicas="one")),
                          (deployment, lambda s: s["selector"]["matchLabels"].update(a="b")),
                          (monitor, lambda s: s["endpoints"][0].update(intervall="30s")),
                          (monitor, lambda s: s["endpoints"][0].update(scheme="ftp")),
                          (deployment, lambda s: s[pod]["spec"]["containers"][0]["securityContext"].update(privileged=True)),
                          (deployment, lambda s: s[pod]["spec"]["containers"][0]["securityContext"].pop("capabilities")),
                          (deployment, lambda s: s[pod]["spec"]["volumes"].append({"name": "host", "hostPath": {"path": "/"}}))):
            with self.assertRaises(AssertionError):
                self.judge([spoilt(o, change)])
        self.judge([deployment, monitor])


class Same(unittest.TestCase):
    """The chart with its defaults is the base: what differs is what Helm adds to any object, and is taken away here by name."""

    HELMS = {"app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"}

    @classmethod
    def plain(cls, o):
        o = copy.deepcopy(o)
        metadata = o["metadata"]
        metadata["labels"] = {k: v for k, v in metadata.get("labels", {}).items() if k not in cls.HELMS}
        if o["kind"] in ("ConfigMap", "ServiceAccount") or "Role" in o["kind"]:
            metadata.pop("labels")  # the generators' labels are Helm's in one way and kustomize's in the other
        metadata.pop("annotations", None)
        if o["kind"] == "ConfigMap":
            metadata["name"] = re.sub(r"-[a-z0-9]{10}$", "", metadata["name"])
            o["data"] = {k: m.documents(v) for k, v in o["data"].items()}
        if o["kind"] == "Deployment":
            o["spec"]["template"]["metadata"].pop("annotations", None)
            pod = o["spec"]["template"]["spec"]
            for volume in pod["volumes"]:
                if "configMap" in volume:
                    volume["configMap"]["name"] = re.sub(r"-[a-z0-9]{10}$", "", volume["configMap"]["name"])
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                pod["containers"][0][probe]["httpGet"].setdefault("scheme", "HTTP")
        if o["kind"] == "NetworkPolicy":  # helm test's pod
            o["spec"]["ingress"] = [r for r in o["spec"]["ingress"] if "mendd-test" not in str(r)]
        return o

    def test_base_and_chart(self):
        base = {m.identity(o): o for o in map(self.plain, m.kustomize(m.DEPLOY / "base")) if o["kind"] != "Namespace"}
        chart = {m.identity(o): o for o in map(self.plain, m.helm()) if o["kind"] != "Pod"}
        self.maxDiff = None
        self.assertEqual(sorted(base), sorted(chart))
        for key, o in base.items():
            self.assertEqual(o, chart[key], key)
