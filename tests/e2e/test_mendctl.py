"""mendctl's verbs that need no daemon: check, test, plan; offline, and against an API server."""
import json
import subprocess
import tempfile
import pathlib
import unittest

import harness as h

PLAYBOOK = """\
playbooks:
- name: restart
  matchers: [alertname=Broken]
  target: {kind: Deployment, namespace: "{{ labels.namespace }}", name: "{{ labels.deployment }}"}
  mode: %s
  steps: [{action: rollout.restart}]
  verify: {checks: [{check: rollout.complete}]}
"""


def mendctl(*args, stdin=""):
    return subprocess.run([h.BIN / "mendctl", *map(str, args)], input=stdin, capture_output=True, text=True, timeout=60)


class Offline(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def test_shipped_playbooks_pass_their_checks_and_tests(self):
        r = mendctl("check", h.ROOT / "playbooks")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertRegex(r.stdout, r"^ok: \d+ playbooks, \d+ warnings?\n$")
        r = mendctl("test", h.ROOT / "playbooks")
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        self.assertRegex(r.stdout.splitlines()[-1], r"^\d+ passed, 0 failed$")

    def test_check_says_every_fault_with_its_place(self):
        path = self.write("p.yaml", PLAYBOOK.replace("rollout.restart", "rollout.restrat") % "autto")
        config = self.write("c.yaml", "vars: {a: [1]}\n")
        r = mendctl("check", "--config.file", config, path)
        self.assertEqual(r.returncode, 1)
        self.assertEqual(r.stderr.splitlines(), [
            f'{config}:1:11: the var "a" must be text',
            f'{path}:5:9: "mode" must be observe, plan, approve or auto, not "autto" (did you mean "auto")',
            f'{path}:6:20: there is no action "rollout.restrat" (did you mean "rollout.restart")'])
        self.assertEqual(r.stdout, "3 faults, 0 warnings\n")
        r = mendctl("check", path, "-o", "json")
        self.assertFalse(json.loads(r.stdout)["ok"])

    def test_usage(self):
        for args in (["check"], ["plan"], ["test"], ["chekc"], ["plan", "--alert", "x"], ["check", "--frobnicate"]):
            self.assertEqual(mendctl(*args).returncode, 2, args)
        self.assertIn("did you mean check?", mendctl("chekc").stderr)

    def test_a_missed_expectation_fails(self):
        self.write("p.yaml", PLAYBOOK % "plan")
        test = self.write("p.test.yaml", "tests:\n- name: t\n  alert: {labels: {alertname: Broken, namespace: shop, deployment: web}}\n"
                          "  expect: {playbook: restart, decision: act}\n")
        r = mendctl("test", test)
        self.assertEqual(r.returncode, 1)
        self.assertEqual(r.stdout.splitlines()[:2], [f"FAIL  {test}:2: t", "    decision: expected act, got no_target"])
        self.assertEqual(r.stdout.splitlines()[-1], "0 passed, 1 failed")

    def test_mode_stands_in_for_the_dry_run(self):
        self.write("web.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop, uid: u}\n"
                   "spec: {replicas: 1, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}}}\n")
        for mode, decision in (("auto", "act"), ("plan", "plan_mode"), ("observe", "observe_mode")):
            self.write("p.yaml", PLAYBOOK % mode)
            test = self.write("p.test.yaml", "tests:\n- name: t\n  alert: {labels: {alertname: Broken, namespace: shop, deployment: web}}\n"
                              f"  objects: [web.yaml]\n  expect: {{playbook: restart, decision: {decision}}}\n")
            r = mendctl("test", test)
            self.assertEqual(r.returncode, 0, r.stdout + r.stderr)

    def test_a_fault_in_a_test_file(self):
        self.write("p.yaml", PLAYBOOK % "plan")
        test = self.write("p.test.yaml", "tests:\n- name: t\n  alert: {label: {}}\n  expect: {requets: []}\n")
        r = mendctl("test", test)
        self.assertEqual(r.returncode, 1)
        self.assertEqual(r.stderr.splitlines(), [
            f'{test}:3:10: an alert needs "labels"',
            f'{test}:4:12: unknown key "requets" in "expect" (did you mean "requests")'])


class Online(h.Scene):
    def test_plan_with_the_api_servers_opinion(self):
        cluster = self.kubesim()
        folder = cluster.folder
        cluster.create(h.namespace("shop"))
        cluster.create(h.deployment("shop", "web", 2))
        cluster.wait_pods("shop", "app=web", 2, ready=True)
        (folder / "p.yaml").write_text(PLAYBOOK % "auto")
        (folder / "c.yaml").write_text(f"clusters: [{{name: sim, kubeconfig: {cluster.kubeconfig(folder / 'kubeconfig')}}}]\n")
        alert = json.dumps({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "web"}})
        before = cluster.deployment("shop", "web")
        args = ["plan", "--alert", "-", "--playbooks", folder / "p.yaml", "--config.file", folder / "c.yaml"]
        r = mendctl(*args, "--server-dry-run", "-o", "json", stdin=alert)
        self.assertEqual(r.returncode, 0, r.stderr)
        plan = json.loads(r.stdout)["plans"][0]
        self.assertEqual((plan["playbook"], plan["decision"]), ("restart", "act"))
        [request] = plan["plan"]["requests"]
        self.assertEqual((request["method"], request["path"]), ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web"))
        self.assertEqual(request["server_dry_run"]["status"], 200, request)
        changed = request["server_dry_run"]["changes"]
        self.assertIn("restartedAt", json.dumps(changed))
        after = cluster.deployment("shop", "web")
        self.assertEqual((after["spec"], after["metadata"]["generation"]), (before["spec"], before["metadata"]["generation"]),
                         "a plan changes nothing")
        text = mendctl(*args, stdin=alert)
        self.assertIn("decision  act", text.stdout)
        gone = mendctl(*args, stdin=alert.replace('"web"', '"gone"'))
        self.assertEqual(gone.returncode, 1)
        self.assertIn("there is no Deployment shop/gone", gone.stdout)
