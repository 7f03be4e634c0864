"""The least rights: what `mendctl rbac` prints, what `mendctl check --cluster` and a starting mendd find missing, and that nobody
works around it.
"""
import json
import subprocess

import granted
import harness as h

PLAYBOOK = """playbooks:
- name: restart
  matchers: ['alertname="Broken"', 'namespace="shop"']
  target: {kind: Deployment, namespace: "{{ labels.namespace }}", name: web}
  mode: auto
  steps: [{action: rollout.restart}]
  verify: {timeout: 5s, interval: 200ms, for: 400ms, checks: [{check: rollout.complete}]}
"""


def mendctl(*args):
    return subprocess.run([str(h.BIN / "mendctl"), *map(str, args)], capture_output=True, text=True)


OPERATOR = """
playbooks:
- name: turn
  matchers: ['alertname="Broken"', 'namespace="shop"']
  target: {kind: Deployment, namespace: "{{ labels.namespace }}", name: web}
  mode: auto
  steps: [{action: rollout.restart}]
  verify: {timeout: 5s, for: 1s, checks: [{check: condition, with: {apiVersion: example.com/v1, kind: Widget, name: w, type: Ready}}]}
"""


def without(items, verb, resource):
    """The same roles, with one thing less that they allow."""
    items = json.loads(json.dumps(items))
    for m in items:
        for rule in m.get("rules", []):
            if resource in rule["resources"]:
                rule["verbs"] = [v for v in rule["verbs"] if v != verb]
        if "rules" in m:
            m["rules"] = [r for r in m["rules"] if r["verbs"]]
    return items


class Printed(h.Scene):
    def setUp(self):
        super().setUp()
        (self.folder / "p.yaml").write_text(PLAYBOOK)

    def rbac(self, *args):
        return mendctl("rbac", "--playbooks", self.folder / "p.yaml", *args)

    def test_yaml_and_json_say_the_same(self):
        yaml, again, listed = self.rbac(), self.rbac(), self.rbac("-o", "json")
        self.assertEqual((yaml.returncode, yaml.stdout), (0, again.stdout))
        items = json.loads(listed.stdout)["items"]
        self.assertEqual([(m["kind"], m["metadata"]["name"], m["metadata"].get("namespace")) for m in items], [
            ("ServiceAccount", "mendd", "mendd"), ("Role", "mendd", "shop"), ("RoleBinding", "mendd", "shop")])
        self.assertEqual(items[1]["rules"], [
            {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
            {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["shop"], "verbs": ["get"]},
            {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["web"], "verbs": ["get", "patch"]}])
        read = []
        for i, part in enumerate(yaml.stdout.split("---\n")):
            (self.folder / f"{i}.yaml").write_text(part)
            r = mendctl("yaml", self.folder / f"{i}.yaml")
            self.assertEqual(r.returncode, 0, r.stderr)
            read += json.loads(r.stdout).values()
        self.assertEqual(read, items)
        self.assertIn("# restart: check rollout.complete, its target, step rollout.restart\n- apiGroups: [\"apps\"]\n", yaml.stdout)

    def test_subjects(self):
        user = json.loads(self.rbac("--subject", "user:ops@example.com", "-o", "json").stdout)["items"]
        self.assertEqual([m["kind"] for m in user], ["Role", "RoleBinding"])
        self.assertEqual(user[1]["subjects"], [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ops@example.com"}])
        for wrong in ("mendd", "serviceaccount:mendd", "serviceaccount:Mendd/x", "user:", "serviceaccount:a/b/c"):
            self.assertEqual(self.rbac("--subject", wrong).returncode, 2, wrong)
        self.assertEqual(self.rbac("--cluster", "nowhere").returncode, 2)
        self.assertEqual(mendctl("rbac").returncode, 2)

    def test_what_cannot_be_told_is_a_fault(self):
        (self.folder / "p.yaml").write_text(PLAYBOOK.replace("kind: Deployment", 'kind: "{{ labels.kind }}"'))
        r = self.rbac()
        self.assertEqual((r.returncode, r.stdout), (1, ""))
        self.assertIn("playbook restart, its target: its kind comes from the alert ({{ labels.kind }}): its rights cannot be told", r.stderr)


class Missing(h.Scene):
    def setUp(self):
        super().setUp()
        self.sim = self.kubesim()
        self.sim.create(h.namespace("shop"))
        self.sim.create(h.deployment("shop", "web", 1))
        self.sim.wait_pods("shop", "app=web", 1, ready=True)
        self.daemon = self.new_mendd()
        path = self.folder / "p.yaml"
        path.write_text(PLAYBOOK)
        self.daemon.playbooks = [path]
        self.kubeconfig = self.sim.kubeconfig(self.folder / "kubeconfig", token=granted.SIM_TOKEN)
        self.daemon.configure(self.kubeconfig, unmatched="record")
        self.items = granted.for_mendd(self.daemon.config_file, self.daemon.playbooks, self.kubeconfig, "shop")

    def check(self):
        return mendctl("check", "--cluster", "--config.file", self.daemon.config_file, "--playbooks", self.daemon.playbooks[0])

    def fire(self):
        self.daemon.webhook(h.payload({"labels": {"alertname": "Broken", "namespace": "shop"}}))
        return self.daemon.wait_run(self.daemon.run_of("Broken")["id"], state="done")

    def rights(self):
        return h.until("the reviews are done", lambda: (r := self.daemon.get("/status").json["rights"])["known"] and r)

    def test_all_is_there(self):
        granted.grant_sim(self.sim, self.items)
        r = self.check()
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertNotIn("may not", r.stderr)
        self.daemon.start()
        self.assertEqual((self.rights()["missing"], self.rights()["asked"]), ([], 5))
        self.assertIn("mendd_rights_missing 0\n", self.daemon.metrics())
        self.assertIn("mendd may do all that its playbooks need", self.daemon.text())

    def test_what_is_missing_is_named_and_a_reload_looks_again(self):
        words = ("cluster e2e: playbook restart, step rollout.restart: may not patch deployments.apps \"web\" in namespace shop")
        granted.grant_sim(self.sim, without(self.items, "patch", "deployments"))
        r = self.check()
        self.assertEqual(r.returncode, 1)
        self.assertIn(words, r.stderr)
        self.assertIn("mendctl rbac", r.stderr)
        self.daemon.start()
        rights = self.rights()
        self.assertEqual(rights["words"], [words])
        self.assertEqual((rights["missing"][0]["verb"], rights["missing"][0]["resource"]), ("patch", "deployments"))
        self.assertIn("mendd_rights_missing 1\n", self.daemon.metrics())
        self.assertIn("may not patch deployments.apps", self.daemon.text())
        granted.grant_sim(self.sim, self.items)
        self.assertEqual(h.request(self.daemon.url + "/-/reload", "POST").status, 200)
        h.until("nothing is missing", lambda: self.rights()["missing"] == [])

    def test_a_kind_that_the_cluster_does_not_have_is_named(self):
        granted.grant_sim(self.sim, self.items)
        path = self.folder / "q.yaml"
        path.write_text(OPERATOR)
        self.daemon.playbooks = [path]
        granted.grant_sim(self.sim, granted.for_mendd(self.daemon.config_file, self.daemon.playbooks, self.kubeconfig, "shop"))
        r = self.check()
        self.assertEqual(r.returncode, 1)
        self.assertIn("cluster e2e: playbook turn, check condition: it has no widgets.example.com: is the operator", r.stderr)
        self.assertNotIn("deployments", r.stderr)

    def test_a_cluster_that_is_away_is_not_known(self):
        self.sim.stop()
        r = self.check()
        self.assertEqual(r.returncode, 1)
        self.assertIn("cluster e2e: what mendd may do there is not known", r.stderr)
        self.daemon.start()
        h.until("it is said", lambda: self.daemon.get("/status").json["rights"]["unknown"])
        self.assertFalse(self.daemon.get("/status").json["rights"]["known"])
        self.assertNotIn("mendd_rights_missing", self.daemon.metrics())

    def test_who_may_have_opted_out_is_left_alone(self):
        granted.grant_sim(self.sim, without(self.items, "get", "namespaces"))
        before = self.sim.deployment("shop", "web")["metadata"]["generation"]
        self.daemon.start()
        run = self.fire()
        self.assertEqual((run["outcome"], run["reason"], run["escalated"]), ("skipped", "forbidden", True))
        self.assertIn('cannot get resource "namespaces"', run["message"])
        self.assertEqual(self.sim.deployment("shop", "web")["metadata"]["generation"], before)
