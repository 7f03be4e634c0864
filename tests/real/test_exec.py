"""Commands in pods through a real API server to a kubelet's port (tests/real/node-sim), and whether kubesim answers the same.

KUBECONFIG and MENDD_REAL_DIR as in test_real.py.
"""
import json
import pathlib
import sys
import urllib.parse

import execs
import harness as h

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import test_real  # noqa: E402  (its cases are not taken over: only the classes of this module's own are run)


class Space(execs.World):
    """On the real server: mendd as the user `mendd`, the test as its admin."""

    def prepare(self):
        return self.admin, self.ns, self.as_mendd.kubeconfig

    audit_s = 1.5

    def sent(self, word):
        """What the API server's audit log says reached a pod; each stage of a request has a line there."""
        found = {}
        for e in h.lines(test_real.DIR / "audit.log"):
            of = e.get("objectRef") or {}
            words = urllib.parse.parse_qs(urllib.parse.urlsplit(e["requestURI"]).query).get("command", [])
            if of.get("subresource") == "exec" and of.get("namespace") == self.ns and word in words:
                found[e["auditID"]] = words
        return found


class RealExec(Space, execs.Execs, test_real.Real):
    pass


class Rights(Space, test_real.Real):
    """Only what a playbook with exec needs; the cases above run with everything allowed."""

    def grant(self, name, *rules):
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        self.admin.call("DELETE", f"{rbac}/clusterrolebindings/mendd-e2e")
        self.admin.create({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": self.ns + name},
                           "rules": [{"apiGroups": groups, "resources": resources, "verbs": verbs} for groups, resources, verbs in rules]})
        self.admin.create({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": self.ns + name},
                           "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": self.ns + name},
                           "subjects": [{"kind": "User", "name": "mendd", "apiGroup": "rbac.authorization.k8s.io"}]})
        for kind in ("clusterrolebindings", "clusterroles"):
            self.addCleanup(self.admin.call, "DELETE", f"{rbac}/{kind}/{self.ns}{name}")

    LOOK = (["", "apps", "policy", "autoscaling"], ["deployments", "replicasets", "pods", "namespaces"], ["get", "list"])

    def test_without_the_right_nothing_runs_and_the_message_says_which(self):
        self.grant("-look", self.LOOK)
        record = self.run_playbook()
        self.assertEqual((record["outcome"], record["reason"], record["escalated"]), ("failed", "forbidden", True))
        self.assertRegex(record["message"], 'User "mendd" cannot get resource "pods/exec"')
        self.assertIn("cannot get resource", record["evidence"][0]["text"])

    def test_get_and_create_on_pods_exec_are_enough(self):
        self.grant("-exec", self.LOOK, ([""], ["pods/exec"], ["get", "create"]))
        record = self.run_playbook()
        self.assertEqual({c["verdict"] for c in record["checks"]}, {"pass"}, json.dumps(h.brief(record), indent=1))


class Contract(test_real.Real):
    def world(self, cluster):
        cluster.create(h.namespace(self.ns))
        cluster.create(h.deployment(self.ns, "db", 1, {"sim/exec": json.dumps(execs.RULES)}))
        return cluster.wait_pods(self.ns, "app=db", 1, ready=True)[0]["metadata"]["name"]

    def answers(self, cluster):
        pod = self.world(cluster)
        out = {}
        for name, args in execs.scenarios(self.ns, pod):
            status, what, end = execs.ask(cluster, *args)
            if isinstance(what, dict):  # a channel on which nothing came is none
                what = {c: json.loads(data) if c == 3 else data for c, data in what.items() if data}
            out[name] = json.loads(json.dumps([status, what, end], default=lambda b: b.decode()).replace(pod, "POD"))
        return out

    def test_kubesim_answers_as_the_real_server_does(self):
        ours, real = self.answers(self.kubesim()), self.answers(self.admin)
        self.maxDiff = None
        for name, answer in real.items():
            with self.subTest(name):
                self.assertEqual(ours[name], answer)

    def test_logs_agree_too(self):
        got = []
        for cluster in (self.kubesim(), self.admin):
            pod = self.world(cluster)
            path = f"/api/v1/namespaces/{self.ns}/pods/{pod}/log"
            for query in ("", "?tailLines=1", "?previous=true", "?container=sidecar", "?tailLines=-1"):
                a = cluster.call("GET", path + query)
                got.append((query, a.status, a.body.decode().replace(pod, "POD") if a.status == 200 else a.json["message"]
                            .replace(pod, "POD").strip()))
        self.assertEqual(got[:5], got[5:])
