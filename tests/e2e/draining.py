"""Nodes of the tests' own and what is drained from them: the same cases on kubesim and on a real API server.

Two nodes take the pods of one Deployment only (a node selector), so that nothing else in the cluster is moved. `prepare()` of the
class that mixes this in answers (the cluster as admin, a namespace, how to write mendd's kubeconfig).
"""
import datetime

import harness as h

NODE = "/api/v1/nodes/"


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def playbook(steps, **more):
    return {"name": "drain", "matchers": ['alertname="NodeSick"'], "target": {"kind": "Node", "name": "{{ labels.node }}"},
            "mode": "auto", "limits": {"cooldown": "0s", "pods": 20}, "steps": steps,
            "verify": {"timeout": "20s", "interval": "200ms", "for": "0s", "checks": [{"check": "node.drained"}]},
            "resolve": "post", "settle": "30s", **more}


class Draining:
    def begin(self, steps, replicas=3):
        self.cluster, self.ns, kubeconfig = self.prepare()
        self.cluster.create(h.namespace(self.ns))
        self.nodes = [f"{self.ns}-{i}" for i in "ab"]
        for name in self.nodes:
            self.add_node(name)
        web = h.deployment(self.ns, "web", replicas)
        web["spec"]["template"]["spec"]["nodeSelector"] = {"only": self.ns}
        self.cluster.create(web)
        self.cluster.wait_pods(self.ns, "app=web", replicas, ready=True)
        self.mendd = self.new_mendd()
        self.am = self.alertmanager(self.mendd.url + "/webhook")
        self.mendd.configure(kubeconfig(self.mendd.folder / "kubeconfig"), [self.am]).with_playbooks(playbook(steps)).start()
        return max(self.nodes, key=lambda n: len(self.on(n)))  # one that has pods

    def tearDown(self):
        for name in getattr(self, "nodes", []):
            self.cluster.call("DELETE", NODE + name)
        super().tearDown()

    def add_node(self, name):
        ready = {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
                 "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}
        made = self.cluster.call("POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": {"only": self.ns}}})
        self.assertEqual(made.status, 201, made)
        self.cluster.call("PATCH", NODE + name + "/status", {"status": ready}, "application/merge-patch+json")

    def on(self, node):
        """The names of the pods there, those that are leaving too."""
        return {p["metadata"]["name"] for p in self.cluster.pods(self.ns) if p["spec"].get("nodeName") == node}

    def cordoned(self, node):
        return self.cluster.get(NODE + node)["spec"].get("unschedulable", False)

    def finish(self, node, **expected):
        self.am.fire("NodeSick", node=node)
        record = self.mendd.wait_done(self.mendd.run_of("NodeSick")["id"], 60)
        self.assertEqual({k: record.get(k) for k in expected}, expected, h.json.dumps(h.brief(record), indent=1))
        return record

    def test_a_drain_moves_the_pods_and_leaves_the_node_cordoned(self):
        node = self.begin([{"action": "node.drain", "timeout": "60s"}])
        before = self.on(node)
        record = self.finish(node, outcome="resolved", reason="repaired")
        self.assertTrue(self.cordoned(node))
        self.assertEqual(self.on(node), set())
        requests = [r for s in record["steps"] for r in s["requests"]]
        self.assertEqual([r["method"] for r in requests], ["PATCH"] + ["POST"] * len(before))
        self.assertEqual({r["object"]["name"] for r in requests[1:]}, before)
        pods = self.cluster.wait_pods(self.ns, "app=web", 3, ready=True)
        self.assertFalse(before & {p["metadata"]["name"] for p in pods})

    def test_a_drain_waits_for_the_disruption_budget(self):
        node = self.begin([{"action": "node.drain", "timeout": "60s"}], replicas=6)
        self.budget({"maxUnavailable": 1})
        self.assertGreater(len(self.on(node)), 1)
        record = self.finish(node, outcome="resolved", reason="repaired")
        self.assertEqual(self.on(node), set())
        evictions = [r for s in record["steps"] for r in s["requests"] if r["method"] == "POST"]
        waited = [(when(r["answered"]) - when(r["sent"])).total_seconds() for r in evictions]  # 429 is tried again
        self.assertGreater(max(waited), 0.5, h.json.dumps(h.brief(record), indent=1))

    def test_a_drain_that_a_budget_forbids_is_taken_back(self):
        node = self.begin([{"action": "node.drain", "timeout": "5s"}], replicas=2)
        self.budget({"minAvailable": 2})
        before = self.on(node)
        record = self.finish(node, outcome="failed", reason="action_failed", rollback="done")
        self.assertRegex(record["message"], "^node.drain: .*The disruption budget web needs 2 healthy pods and has 2 currently; "
                                            "the PodDisruptionBudget needs room: more replicas, or another budget")
        self.assertFalse(self.cordoned(node))
        self.assertEqual(self.on(node), before)

    def test_a_node_too_many_is_not_cordoned(self):
        everyone = len(self.prepare()[0].get("/api/v1/nodes")["items"])
        node = self.begin([{"action": "node.cordon", "with": {"min_ready": everyone + 2}}])
        record = self.finish(node, outcome="failed", reason="action_failed")
        self.assertIn("nodes would be Ready and schedulable, min_ready is", record["message"])
        self.assertFalse(self.cordoned(node))

    def budget(self, spec):
        spec["selector"] = {"matchLabels": {"app": "web"}}
        path = f"/apis/policy/v1beta1/namespaces/{self.ns}/poddisruptionbudgets"
        made = self.cluster.call("POST", path, {"metadata": {"name": "web"}, "spec": spec})
        self.assertEqual(made.status, 201, made)
        h.until("the budget is counted", lambda: self.cluster.get(path + "/web").get("status", {}).get("currentHealthy"))
