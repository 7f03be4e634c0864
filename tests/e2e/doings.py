"""What a case's setup and story may do, one verb a function: tests/real/cases/README.md lists them.

`s` is the case at work (rows.Scene). Objects without a namespace get the case's own.
"""
import json
import re
import subprocess
import threading

import harness as h
import templates

PATCHES = {"strategic": "application/strategic-merge-patch+json", "merge": "application/merge-patch+json",
           "json": "application/json-patch+json"}
BROKEN = {"until-restarted": {"sim/unready-until-restarted": "true"}, "never-ready": {"sim/ready": "never"},
          "crash-loop": {"sim/waiting": "CrashLoopBackOff"}, "image-pull": {"sim/waiting": "ImagePullBackOff"}}


class Admin(h.Cluster):
    """The runner's own hand: its requests bear a mark, so that an audit log without users tells them from mendd's."""

    def __init__(self, cluster):
        super().__init__(cluster.url, cluster.token, cluster.ca)
        self.known, self.lock = {}, threading.Lock()

    def call(self, method, path, body=None, content_type="application/json"):
        return super().call(method, path + ("&" if "?" in path else "?") + "by=runner", body, content_type)

    def resource(self, api, kind):
        """(the plural, whether it is namespaced), as the server's discovery says."""
        with self.lock:
            if (api, kind) not in self.known:
                found = self.get(("/apis/" if "/" in api else "/api/") + api) or {"resources": []}
                self.known.update({(api, r["kind"]): (r["name"], r["namespaced"]) for r in found["resources"] if "/" not in r["name"]})
            if (api, kind) not in self.known:
                raise AssertionError(f"{self.url} knows no kind {kind} of {api}")
            return self.known[(api, kind)]

    def path_of(self, obj, ns):
        """The collection's path, having put the object into the namespace if it names none."""
        plural, namespaced = self.resource(obj["apiVersion"], obj["kind"])
        base = ("/apis/" if "/" in obj["apiVersion"] else "/api/") + obj["apiVersion"]
        if not namespaced:
            return f"{base}/{plural}"
        return f"{base}/namespaces/{obj['metadata'].setdefault('namespace', ns)}/{plural}"


def do(s, what):
    (verb, args), = what.items()
    if verb not in VERBS:
        raise AssertionError(f"no such thing to do: {verb} (known: {', '.join(sorted(VERBS))})")
    try:
        return VERBS[verb](s, s.fill(args))
    except AssertionError as e:
        raise AssertionError(f"{verb}: {e}") from None


def sent(a, what):
    if a.status not in (200, 201, 202):
        raise AssertionError(f"{what}: {a}")
    return a


# ---- objects ----

def make_namespace(s, name):
    a = s.cluster.call("POST", "/api/v1/namespaces", h.namespace(name))
    if a.status not in (201, 409):
        raise AssertionError(f"namespace {name}: {a}")


def create(s, obj):
    """An object as it stands; its `status`, if there is one, is put through the subresource, as its controller would."""
    obj = json.loads(json.dumps(obj))
    state = obj.pop("status", None)
    path = s.cluster.path_of(obj, s.ns)
    made = sent(s.cluster.call("POST", path, obj), "POST " + path).json
    if state is not None:
        set_status(s, {"path": f"{path}/{made['metadata']['name']}", "status": state})


def set_status(s, args):
    a = s.cluster.call("PATCH", args["path"] + "/status", {"status": args["status"]}, PATCHES["merge"])
    if a.status == 404:  # no such subresource: an object of a kind without one
        a = s.cluster.call("PATCH", args["path"], {"status": args["status"]}, PATCHES["merge"])
    sent(a, "the status of " + args["path"])


def workload(kind):
    def make(s, args):
        known = {"name", "namespace", "replicas", "broken", "sim", "labels", "annotations", "image", "container", "pod", "spec", "wait"}
        if set(args) - known:
            raise AssertionError(f"unknown key {sorted(set(args) - known)[0]}")
        name, n = args["name"], args.get("replicas", 2)
        sim = {**BROKEN[args["broken"]], **args.get("sim", {})} if "broken" in args else args.get("sim", {})
        obj = h.deployment(args.get("namespace", s.ns), name, n, sim, args.get("labels"), args.get("image", "registry.example/app:1"),
                           args.get("annotations"))
        obj["kind"], spec = kind, obj["spec"]
        spec["template"]["spec"]["containers"][0].update(args.get("container", {}))
        spec["template"]["spec"].update(args.get("pod", {}))
        if kind == "StatefulSet":
            spec["serviceName"] = name
        if kind == "DaemonSet":
            del spec["replicas"]
        spec.update(args.get("spec", {}))
        create(s, obj)
        if args.get("wait", True) and kind != "DaemonSet":
            selector = ",".join(f"{k}={v}" for k, v in spec["selector"]["matchLabels"].items())
            s.cluster.wait_pods(obj["metadata"]["namespace"], selector, n, ready="broken" not in args)
    return make


def service(s, args):
    obj = h.service(args.get("namespace", s.ns), args["name"], args.get("port", 80))
    obj["spec"]["selector"] = args.get("selector", obj["spec"]["selector"])
    create(s, obj)


def node(s, args):
    """A node of the case's own: ready, and tainted so that nobody else's pods come there."""
    name = args["name"]
    s.nodes.append(name)
    create(s, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {
        "kubernetes.io/hostname": name, **args.get("labels", {})}}, "spec": {"taints": args.get("taints", [
            {"key": "row", "value": s.ns, "effect": "NoSchedule"}])}})
    room = {"cpu": "8", "memory": "32Gi", "pods": "500"}
    set_status(s, {"path": "/api/v1/nodes/" + name, "status": {
        "capacity": room, "allocatable": room, "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "conditions": [{"type": "Ready", "status": args.get("ready", "True"), "reason": "KubeletReady",
                        "lastHeartbeatTime": templates.moment(), "lastTransitionTime": templates.moment()}]}})


def crd(s, args):
    """A small CustomResourceDefinition, shared by all cases: it stays."""
    group, plural = args["group"], args.get("plural", args["kind"].lower() + "s")
    any_object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    obj = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {
        "name": f"{plural}.{group}", "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"}},
           "spec": {"group": group, "scope": args.get("scope", "Namespaced"),
                    "names": {"kind": args["kind"], "plural": plural, "singular": args["kind"].lower(), "listKind": args["kind"] + "List"},
                    "versions": [{"name": args.get("version", "v1"), "served": True, "storage": True, "schema": {
                        "openAPIV3Schema": {**any_object, "properties": {"spec": any_object, "status": any_object}}},
                        **({"subresources": {"status": {}}} if args.get("status", True) else {})}]}}
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    a = s.cluster.call("POST", path, obj)
    if a.status == 404 and s.cluster.get(f"/apis/{group}/{args.get('version', 'v1')}"):
        return  # kubesim knows some kinds of others from the start
    if a.status not in (201, 409):
        raise AssertionError(f"the definition of {args['kind']}: {a} (kubesim serves only the kinds that it knows: `only: real`)")
    h.until(f"{args['kind']} is served", lambda: any(r["kind"] == args["kind"] for r in (
        s.cluster.get(f"/apis/{group}/{args.get('version', 'v1')}") or {"resources": []})["resources"]))


def spoil(s, args):
    """Makes pods of a healthy workload sick; what replaces them is healthy. `as`: the name under which the pod is known."""
    ns, n = args.get("namespace", s.ns), args.get("count", 1)
    pods = h.until(f"a pod of {args['pods']}", lambda: sorted(
        (p for p in s.cluster.pods(ns, args["pods"]) if h.is_ready(p)), key=lambda p: p["metadata"]["name"])[:n])
    annotations = {**BROKEN.get(args.get("broken"), {}), **args.get("annotations", {})}
    for p in pods:
        path = f"/api/v1/namespaces/{ns}/pods/{p['metadata']['name']}"
        sent(s.cluster.call("PATCH", path, {"metadata": {"annotations": annotations}}, PATCHES["merge"]), "PATCH " + path)
        if "broken" in args:
            h.until(f"pod {p['metadata']['name']} is not ready", lambda p=path: not h.is_ready(s.cluster.get(p)))
    s.names[args.get("as", "sick")] = pods[0]["metadata"]["name"]


def pod(s, args):
    """The name of a pod, kept for later: {pods: app=x, ready: false, as: sick}."""
    ns = args.get("namespace", s.ns)
    pods = h.until(f"a pod of {args['pods']}", lambda: [p for p in s.cluster.pods(ns, args["pods"]) if "ready" not in args or (
        p.get("status", {}).get("containerStatuses") and h.is_ready(p) == args["ready"])])
    s.names[args["as"]] = sorted(p["metadata"]["name"] for p in pods)[args.get("nth", 0)]


def reconciled(s, path):
    """Plays Flux: the object has handled the request that its annotation makes, and is Ready."""
    found = s.cluster.get(path)["metadata"]
    set_status(s, {"path": path, "status": {
        "lastHandledReconcileAt": found.get("annotations", {}).get("reconcile.fluxcd.io/requestedAt"),
        "observedGeneration": found["generation"],
        "conditions": [{"type": "Ready", "status": "True", "reason": "Succeeded", "lastTransitionTime": templates.moment()}]}})


def patch(s, args):
    sent(s.cluster.call("PATCH", args["path"], args["body"], PATCHES[args.get("type", "strategic")]), "PATCH " + args["path"])


def delete(s, path):
    sent(s.cluster.call("DELETE", path), "DELETE " + path)


def look(s, condition):
    """(whether it holds, what was seen) of {path, pointer, equals|not|matches|at_least|at_most|exists}. `path` may be short:
    deployments/redis is the case's own. A list is looked at whole: /items/0/…; `count` is its length."""
    path = short(s, condition["path"])
    cluster = s.servers[condition["on"]].admin if "on" in condition else s.cluster
    doc = cluster.get(path)
    if "count" in condition:
        seen = len((doc or {}).get("items", []))
        return templates.meets(seen, condition["count"]), seen
    seen = templates.at(doc, condition.get("pointer", "")) if doc is not None else None
    wanted = {k: v for k, v in condition.items() if k in ("equals", "not", "matches", "at_least", "at_most", "exists")}
    return templates.meets(seen, wanted or {"exists": True}), seen


GROUPS = {"deployments": "/apis/apps/v1", "statefulsets": "/apis/apps/v1", "daemonsets": "/apis/apps/v1", "replicasets": "/apis/apps/v1",
          "jobs": "/apis/batch/v1", "cronjobs": "/apis/batch/v1beta1", "networkpolicies": "/apis/networking.k8s.io/v1"}


def short(s, path):
    return path if path.startswith("/") else f"{GROUPS.get(re.split('[/?]', path)[0], '/api/v1')}/namespaces/{s.ns}/{path}"


def wait(s, condition):
    seen = None

    def there():
        nonlocal seen
        ok, seen = look(s, condition)
        return ok
    try:
        h.until("", there, condition.get("timeout", 10))
    except AssertionError:
        raise AssertionError(f"{condition}: not so; seen: {json.dumps(seen)[:1000]}") from None


# ---- servers, alerts, the operator ----

def redis(s, args):
    name, *words = args
    return s.servers[name].command(*words)


def script(s, args):
    """{web: {"GET /health": {status: 200}}}: from now on it answers so."""
    for name, routes in args.items():
        s.servers[name].script(routes)


def asked(s, args):
    """{web: [calls]}: until the server was asked these, written as in `expect.calls`."""
    for name, calls in args.items():
        h.until(f"{name} is asked {json.dumps(calls)}", lambda n=name, c=calls: not s.servers[n].missing_calls(c), 15)


def stop(s, name):
    s.servers[name].stop()


def start(s, name):
    s.servers[name].start()


def on(s, args):
    """{west: {deployment: …}}: the same, in the cluster that a server `kubesim` plays. The case's namespace is made there."""
    (name, what), = args.items()
    here, s.cluster = s.cluster, s.servers[name].admin
    try:
        make_namespace(s, s.ns)
        do(s, what)
    finally:
        s.cluster = here


def fire(s, labels):
    labels = s.alert_labels(labels)
    s.alerts.append(labels)
    s.am.fire(labels, s.fill(s.case.get("annotations", {"summary": labels["alertname"]})))


def newest(s):
    """The run of the alert that was fired last."""
    labels = s.alerts[-1]
    return s.mendd.run_of(labels["alertname"], **{k: v for k, v in labels.items() if k != "alertname"})["id"]


def run(s, fields):
    """Until the run of the last alert (or of `alert`) has these fields: {state: awaiting_approval}."""
    fields = dict(fields)
    name = fields.pop("alert", None)
    patience = s.case.get("timeout", 40)  # a schedule's alert comes at the next full minute
    s.mendd.wait_run(s.mendd.run_of(name, patience)["id"] if name else newest(s), patience, **fields)


def clear(s, labels):
    s.am.clear(s.alert_labels(labels) if labels else s.alerts[-1])


def answer(verb):
    def say(s, args):
        args = dict(args or {})
        name = args.pop("alert", None)
        id_ = s.mendd.run_of(name)["id"] if name else newest(s)
        post(s, {"path": f"/actions/{id_}/{verb}", "body": {"by": "alice", **args}})
    return say


def post(s, args):
    a = h.request(s.mendd.url + args["path"], "POST", args.get("body", {}))
    if a.status != args.get("status", 200):
        raise AssertionError(f"POST {args['path']}: {a}")


def get(s, args):
    """What mendd itself answers: {path: /clusters, pointer: /clusters/0/status, equals: ACTIVE}."""
    seen = None

    def there():
        nonlocal seen
        seen = templates.at(s.mendd.get(args["path"]).json, args.get("pointer", ""))
        return templates.meets(seen, {k: v for k, v in args.items() if k not in ("path", "pointer", "timeout")} or {"exists": True})
    try:
        h.until("", there, args.get("timeout", 10))
    except AssertionError:
        raise AssertionError(f"{args}: not so; seen: {json.dumps(seen)[:1000]}") from None


def mendctl(s, args):
    """{args: [status], says: regex, code: 0}; {{ run }} is the run of the last alert."""
    if s.alerts:
        s.names["run"] = newest(s)
    r = subprocess.run([str(h.BIN / "mendctl"), "--url", s.mendd.url, *map(str, s.fill(args["args"]))], capture_output=True,
                       text=True, stdin=subprocess.DEVNULL, cwd=s.folder)
    if r.returncode != args.get("code", 0) or not templates.like(args.get("says", ""), r.stdout + r.stderr):
        raise AssertionError(f"mendctl {args}: {r.returncode}: {r.stdout}{r.stderr}")


def write(s, args):
    """A file in the case's folder: {file: secret, text: …}; its path is {{ folder }}/secret."""
    path = s.folder / args["file"]
    path.write_text(args["text"])
    path.chmod(0o600)


VERBS = {"object": create, "deployment": workload("Deployment"), "statefulset": workload("StatefulSet"),
         "daemonset": workload("DaemonSet"), "service": service, "node": node, "crd": crd, "spoil": spoil, "pod": pod, "patch": patch, "reconciled": reconciled,
         "status": set_status, "delete": delete, "wait": wait, "redis": redis, "script": script, "asked": asked, "stop": stop, "start": start, "on": on, "fire": fire,
         "run": run, "clear": clear, "approve": answer("approve"), "reject": answer("reject"), "cancel": answer("cancel"),
         "acknowledge": answer("acknowledge"), "post": post, "get": get, "mendctl": mendctl, "write": write,
         "namespace": make_namespace}
