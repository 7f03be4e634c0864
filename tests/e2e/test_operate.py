"""What an operator does with a running daemon: reload, look at metrics, start it wrongly."""
import json
import signal
import subprocess

import harness as h


class Operate(h.Scene):
    def setUp(self):
        super().setUp()
        self.sim, self.mendd = self.kubesim(), self.new_mendd()
        self.sim.create(h.namespace("shop"))
        self.mendd.configure(self.sim.kubeconfig(self.mendd.folder / "kubeconfig"))
        self.mendd.with_playbooks(h.restart_playbook())

    def names(self):
        return [p["name"] for p in self.mendd.get("/playbooks").json["playbooks"]]

    def metric(self, name):
        for line in self.mendd.metrics().splitlines():
            if line.split("{")[0].split(" ")[0] == name:
                return float(line.rsplit(" ", 1)[1])
        return None

    def reload(self):
        return h.request(self.mendd.url + "/-/reload", "POST", b"")

    def test_reload_takes_what_is_right_and_keeps_the_old_on_a_fault(self):
        self.mendd.start()
        self.assertEqual(self.names(), ["restart"])
        self.mendd.with_playbooks(h.restart_playbook(), h.restart_playbook("second", "Other"))
        self.assertEqual(self.reload().status, 200)
        self.assertEqual(self.names(), ["restart", "second"])

        file = self.mendd.playbooks[0]
        file.write_text(file.read_text().replace('"rollout.restart"', '"rollout.restrat"'))
        answer = self.reload()
        self.assertGreaterEqual(answer.status, 400)
        self.assertRegex(answer.body.decode(), r"playbooks\.yaml:\d+:\d+: .*did you mean")
        self.assertEqual(self.names(), ["restart", "second"])
        self.assertEqual(self.metric("mendd_config_last_reload_successful"), 0)

        self.mendd.with_playbooks(h.restart_playbook("third"))
        self.mendd.process.send_signal(signal.SIGHUP)
        h.until("SIGHUP reloads too", lambda: self.names() == ["third"])
        self.assertEqual(self.metric("mendd_config_last_reload_successful"), 1)

    def test_plan_says_what_stands_in_the_way_of_a_daemon_that_is_named(self):
        self.mendd.start()
        self.sim.create(h.deployment("shop", "web"))
        alert = json.dumps({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "web"}})

        def now(*flags):
            r = subprocess.run([h.BIN / "mendctl", *flags, "plan", "--alert", "-", "-o", "json",
                                "--playbooks", self.mendd.playbooks[0], "--config.file", self.mendd.config_file],
                               input=alert, capture_output=True, text=True)
            return json.loads(r.stdout)["plans"][0].get("now") if r.stdout else r.returncode

        pause = {"reason": "freeze", "scope": {"namespace": "shop"}}
        self.assertEqual(now("--url", self.mendd.url), [])
        self.assertEqual(h.request(self.mendd.url + "/-/pause", "POST", json.dumps(pause).encode()).status, 200)
        [words] = now("--url", self.mendd.url)
        self.assertRegex(words, r"^paused by .*: freeze$")
        self.assertIsNone(now(), "no daemon was named: none is asked")
        self.mendd.stop()
        self.assertEqual(now("--url", self.mendd.url), 3)

    def test_metrics_pass_promtool(self):
        self.mendd.start()
        self.assertEqual(self.mendd.webhook(h.payload({"labels": {"alertname": "X"}})).status, 200)
        self.mendd.wait_done(self.mendd.run_of("X")["id"])
        r = subprocess.run(["promtool", "check", "metrics"], input=self.mendd.metrics(), capture_output=True, text=True)
        self.assertEqual((r.returncode, r.stdout + r.stderr), (0, ""))
        self.assertEqual(self.metric("mendd_build_info"), 1)

    def test_a_port_that_is_taken_is_worth_another_try(self):
        self.mendd.start()
        other = self.new_mendd("other")
        other.configure(self.mendd.folder / "kubeconfig").with_playbooks(h.restart_playbook())
        other.port = self.mendd.port
        other.start(wait=False)
        self.assertEqual(h.until("it has given up", lambda: not other.running() and (other.process.returncode,), 10)[0], 1)

    def test_an_end_counts_once_however_often_its_alert_comes(self):
        self.mendd.start()
        for seen in range(1, 4):
            self.assertEqual(self.mendd.webhook(h.payload({"labels": {"alertname": "Again"}})).status, 200)
            h.until(f"it was seen {seen} times", lambda: self.mendd.run_of("Again")["seen"] == seen)
        self.assertIn('\nmendd_decisions_total{reason="no_playbook"} 1\n', self.mendd.metrics())
        self.assertIn('\nmendd_outcomes_total{outcome="skipped"} 1\n', self.mendd.metrics())

    def test_head_and_get_of_healthy_and_ready(self):
        self.mendd.start()
        for path in ("/-/healthy", "/-/ready"):
            for method in ("GET", "HEAD"):
                a = h.request(self.mendd.url + path, method)
                self.assertEqual((a.status, bool(a.body)), (200, method == "GET"))
        self.assertEqual(h.request(self.mendd.url + "/-/healthy", "POST", b"").status, 405)

    def test_a_start_with_faults_names_each_with_its_place(self):
        file = self.mendd.playbooks[0]
        file.write_text('playbooks:\n- name: x\n  matchers: ["alertname=X"]\n  mode: auto\n  stepps: []\n  limits: {cooldwn: 5m}\n')
        self.mendd.start(wait=False)
        code = h.until("it has given up", lambda: not self.mendd.running() and (self.mendd.process.returncode,), 10)[0]
        self.assertEqual(code, 2, "a service manager must not try again")
        self.assertRegex(self.mendd.text(), r"playbooks\.yaml:5:3: .*stepps.*did you mean.*steps")
        self.assertRegex(self.mendd.text(), r"playbooks\.yaml:6:\d+: .*cooldwn")

    def test_status_and_pages(self):
        self.mendd.start()
        status = self.mendd.get("/status").json
        self.assertIn("version", json.dumps(status))
        for i in range(5):
            self.assertEqual(self.mendd.webhook(h.payload({"labels": {"alertname": "Page", "i": str(i)}})).status, 200)
        h.until("five records", lambda: len(self.mendd.records()) == 5)
        seen, cursor = [], ""
        for _ in range(4):
            page = self.mendd.get("/actions?limit=2" + cursor).json
            seen += [r["id"] for r in page["actions"]]
            if not page.get("next_cursor"):
                break
            cursor = "&cursor=" + page["next_cursor"]
        self.assertEqual(len(set(seen)), 5)
        self.assertEqual(seen, sorted(seen, reverse=True), "newest first")

    def test_mendctl_knows_the_daemon(self):
        self.mendd.start()
        ctl = [str(h.BIN / "mendctl"), "--url", self.mendd.url]
        r = subprocess.run([*ctl, "fire", "ByHand", "namespace=shop"], capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        run = self.mendd.run_of("ByHand")["id"]
        for words, expected in (["status"], ""), (["actions"], run), (["actions", "show", run], "no_playbook"), (["playbooks"], "restart"):
            r = subprocess.run([*ctl, *words], capture_output=True, text=True)
            self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
            self.assertIn(expected, r.stdout)
