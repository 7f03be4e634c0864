"""Kubernetes Events on a real API server: what `kubectl describe` of the object would list.

KUBECONFIG and MENDD_REAL_DIR as in test_real.py.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import eventful  # noqa: E402
import test_real  # noqa: E402  (its cases are not taken over: only the classes of this module's own are run)

h = test_real.h


class RealEvents(test_real.Real):
    def run_on(self, annotations=None, more=()):
        self.admin.create(h.namespace(self.ns))
        self.admin.create(h.deployment(self.ns, "api", 2, annotations=annotations))
        self.admin.wait_pods(self.ns, "app=api", 2, ready=True)
        self.mendd = self.new_mendd()
        self.mendd.configure(self.as_mendd.kubeconfig(self.mendd.folder / "kubeconfig"))
        self.mendd.with_playbooks(h.restart_playbook(settle="1s"), *more).start()
        self.mendd.webhook(h.payload({"labels": {"alertname": "Broken", "namespace": self.ns, "deployment": "api"}}))
        return self.mendd.wait_done(self.mendd.run_of("Broken")["id"], 60)

    def deployment(self):
        return {"kind": "Deployment", **self.admin.deployment(self.ns, "api")}

    def test_the_object_tells_what_was_done_to_it(self):
        record = self.run_on()
        self.assertEqual(record["outcome"], "resolved", h.json.dumps(h.brief(record), indent=1))
        eventful.judge_repair(self, self.admin, self.deployment(), record)

    def test_a_refusal_is_told(self):
        record = self.run_on({"mendd.io/ignore": "true"})
        self.assertEqual(record["reason"], "opted_out")
        eventful.judge_refusal(self, self.admin, self.deployment())

    def test_a_node_is_told_in_the_namespace_default(self):
        name = self.admin.get("/api/v1/nodes")["items"][0]["metadata"]["name"]
        cordon = {"name": "cordon", "matchers": ['alertname="NodeBad"'], "target": {"kind": "Node", "name": "{{ labels.node }}"},
                  "mode": "auto", "steps": [{"action": "node.cordon"}], "settle": "1s",
                  "verify": {"timeout": "5s", "interval": "200ms", "for": "0s",
                             "checks": [{"check": "condition", "with": {"apiVersion": "v1", "kind": "Node", "name": "{{ target.name }}",
                                                                        "type": "Ready", "status": "True"}}]}}
        self.run_on(more=(cordon,))
        self.addCleanup(self.admin.call, "PATCH", f"/api/v1/nodes/{name}", {"spec": {"unschedulable": None}},
                        "application/merge-patch+json")
        self.mendd.webhook(h.payload({"labels": {"alertname": "NodeBad", "node": name}}))
        record = self.mendd.wait_done(self.mendd.run_of("NodeBad")["id"], 60)
        self.assertTrue(self.effects_on_nodes(name), h.json.dumps(h.brief(record), indent=1))
        node = {"kind": "Node", **self.admin.get(f"/api/v1/nodes/{name}")}
        event = h.until("the node's Event", lambda: eventful.described(self.admin, node, "Remediating"))[0]
        self.assertEqual(event["metadata"]["namespace"], "default")
        self.assertIn("node.cordon", event["message"])

    def effects_on_nodes(self, name):
        return self.admin.get(f"/api/v1/nodes/{name}")["spec"].get("unschedulable")
