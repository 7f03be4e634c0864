"""The report of a run that a running daemon has just made: Markdown, JSON, and mendctl's."""
import json
import subprocess

import harness as h

SECRET = "s3cr3t-of-the-shop"


class Report(h.Scene):
    def setUp(self):
        super().setUp()
        self.sim, self.mendd = self.kubesim(), self.new_mendd()
        self.sim.create(h.namespace("shop"))
        self.sim.create(h.deployment("shop", "web", 1))
        self.sim.wait_pods("shop", "app=web", 1, ready=True)
        self.mendd.configure(self.sim.kubeconfig(self.mendd.folder / "kubeconfig"))
        self.mendd.with_playbooks(h.restart_playbook(diagnose=[{"action": "pod.describe"}, {"action": "events.list"}]))
        self.mendd.start()

    def fire(self, status="firing"):
        alert = {"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "web"},
                 "annotations": {"summary": f"<b>[see](http://evil.example)</b>\n# not a heading, password={SECRET}"}}
        self.assertEqual(self.mendd.webhook(h.payload(alert, status=status)).status, 200)

    def repaired(self):
        self.fire()
        run = self.mendd.run_of("Broken")["id"]
        self.mendd.wait_run(run, state="settling")
        self.fire("resolved")
        self.mendd.wait_run(run, state="done", outcome="resolved")
        return run

    def report(self, run, accept=None):
        return h.request(f"{self.mendd.url}/actions/{run}/report", headers={"Accept": accept} if accept else {})

    def test_both_forms_of_a_repair(self):
        run = self.repaired()
        markdown = self.report(run)
        self.assertEqual((markdown.status, markdown.headers["Content-Type"], markdown.headers["Vary"]),
                         (200, "text/markdown; charset=utf-8", "Accept"))
        text = markdown.body.decode()
        self.assertTrue(text.startswith("# Incident report: Broken on Deployment shop/web\n"), text)
        for expected in ("the repair is proven", "## Times", "```diff\n", "kubectl.kubernetes.io~1restartedAt", "rollout.complete",
                         "- [x] Document timeline of events", "- [ ] Identify root cause", "## Evidence", "pod: web-"):
            self.assertIn(expected, text)
        self.assertEqual([line for line in text.splitlines() if line.startswith("# ")], [text.splitlines()[0]])
        self.assertNotIn("<b>", text)

        answer = self.report(run, "application/json")
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "application/json; charset=utf-8"))
        report = answer.json
        self.assertEqual((report["id"], report["outcome"], report["reason"]), (run, "resolved", "repaired"))
        record = self.mendd.record(run)
        self.assertEqual({k: report["times"][k] for k in record["times"]}, record["times"])
        self.assertGreaterEqual(report["times"]["time_to_resolve_ms"], report["times"]["time_to_act_ms"])
        [change] = report["changes"]
        self.assertEqual((change["object"], change["status"], change["undo"]), ("Deployment shop/web", "done", False))
        self.assertEqual(len(report["timeline"]), len(record["timeline"]))
        for body in (text, answer.body.decode()):
            self.assertNotIn(SECRET, body)
            self.assertIn("redacted", body)

    def test_accept_is_weighed(self):
        run = self.repaired()
        for accept, expected in (("*/*", "text/markdown"), ("text/*", "text/markdown"), ("application/*", "application/json"),
                                 ("application/json, text/plain, */*", "application/json"), ("text/plain", "text/markdown"),
                                 ("application/json, */*", "application/json"),
                                 ("text/markdown;q=0.5, application/json;q=0.6", "application/json"),
                                 ("text/markdown, application/json;q=0.9", "text/markdown"),
                                 ("application/json;q=0, */*;q=0.1", "text/markdown"),
                                 ("text/html, application/xhtml+xml, */*;q=0.8", "text/markdown")):
            answer = self.report(run, accept)
            self.assertEqual((answer.status, answer.headers["Content-Type"].split(";")[0]), (200, expected), accept)
        refused = self.report(run, "image/png")
        self.assertEqual((refused.status, refused.json["error"]["code"]), (406, "not_acceptable"))

    def test_what_there_is_no_report_of(self):
        for path, status in (("/actions/01kgbsb9z00000000000000001/report", 404), ("/actions/x/report", 404), ("/actions//report", 404),
                             ("/actions/x/reports", 404), ("/actions/01kgbsb9z00000000000000001/report?x=1", 400)):
            self.assertEqual(self.mendd.get(path).status, status, path)
        self.assertEqual(h.request(self.mendd.url + "/actions/x/report", "POST", b"").status, 405)

    def test_mendctl_prints_it(self):
        run = self.repaired()
        ctl = [str(h.BIN / "mendctl"), "--url", self.mendd.url, "actions", "report"]
        text = subprocess.run([*ctl, run[:20]], capture_output=True, text=True)
        self.assertEqual((text.returncode, text.stderr), (0, ""))
        self.assertEqual(text.stdout, self.report(run).body.decode())
        data = subprocess.run([*ctl, run, "-o", "json"], capture_output=True, text=True)
        self.assertEqual(json.loads(data.stdout), self.report(run, "application/json").json)
        gone = subprocess.run([*ctl, "01kgbsb9z00000000000000001"], capture_output=True, text=True)
        self.assertEqual((gone.returncode, "no action" in gone.stderr), (1, True), gone.stderr)
        self.assertEqual(subprocess.run(ctl, capture_output=True).returncode, 2)
