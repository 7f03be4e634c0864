"""The API server is away, is another one than it says, or says no: the run tells it in plain words, with verb and resource."""
import subprocess
import time

import harness as h


class Faults(h.Scene):
    def begin(self, kubeconfig=None, sim=None, name="mendd"):
        mendd = self.new_mendd(name)
        mendd.configure(kubeconfig or sim.kubeconfig(mendd.folder / "kubeconfig"))
        mendd.with_playbooks(h.restart_playbook()).start()
        body = h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api"}})
        self.assertEqual(mendd.webhook(body).status, 200)
        return mendd, mendd.run_of("Broken")["id"]

    def fire(self, kubeconfig=None, sim=None, until="done"):
        mendd, run = self.begin(kubeconfig, sim)
        return mendd.wait_run(run, state=until)

    def shop(self, **options):
        sim = self.kubesim(**options)
        sim.create(h.namespace("shop"))
        sim.create(h.deployment("shop", "api", 1, {"sim/unready-until-restarted": "true"}))
        return sim

    def words(self, record):
        steps = [s.get("error") or "" for s in record["steps"]]
        return " ".join([record.get("message") or "", *steps, *(e["message"] for e in record["escalations"])])

    def says(self, record, *parts, outcome="failed"):
        self.assertEqual((record["outcome"], record["escalated"]), (outcome, True), h.json.dumps(h.brief(record), indent=1))
        for part in parts:
            self.assertRegex(self.words(record), part)

    def test_expired_token(self):
        sim = self.shop()
        kubeconfig = sim.kubeconfig(self.folder / "kubeconfig", token="expired")
        self.says(self.fire(kubeconfig), "GET deployments", "(?i)401|unauthorized", outcome="skipped")

    def other_ca(self):
        """A kubeconfig whose CA did not sign the server's certificate."""
        for name in ("server", "other"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=" + name, "-addext",
                            "subjectAltName=IP:127.0.0.1", "-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.crt"],
                           check=True, capture_output=True)
        sim = self.add(h.Kubesim(self.folder))
        sim.url, sim.tls = sim.url.replace("http:", "https:"), (self.folder / "server.crt", self.folder / "server.key")
        sim.start()
        sim.create(h.namespace("shop"))
        sim.create(h.deployment("shop", "api", 1))
        return sim.kubeconfig(self.folder / "kubeconfig-other", ca=self.folder / "other.crt")

    def test_away_or_somebody_else_is_told_at_once_and_given_up_after_a_minute(self):
        away = h.Cluster(f"http://127.0.0.1:{h.free_port()}", "t").kubeconfig(self.folder / "kubeconfig-away")
        begun = {"away": (self.begin(away, name="away"), "refused"),
                 "wrong CA": (self.begin(self.other_ca(), name="wrong-ca"), "certificate")}
        for name, ((mendd, run), why) in begun.items():
            with self.subTest(name + ", at once"):
                told = h.until("the timeline says so", lambda: mendd.record(run)["timeline"], 10)[0]["event"]
                self.assertRegex(told, "GET deployments.*" + why)
        for name, ((mendd, run), why) in begun.items():
            with self.subTest(name + ", in the end"):
                self.says(mendd.wait_done(run, 75), "GET deployments", why)

    def test_forbidden(self):
        sim = self.shop()
        sim.faults({"method": "PATCH", "path": "/deployments/", "kind": "error", "code": 403, "count": 0})
        record = self.fire(sim=sim)
        self.says(record, "PATCH Deployment shop/api", "(?i)forbidden.*403")
        self.assertEqual(record["reason"], "forbidden")

    def test_server_errors_end_as_a_failed_action(self):
        sim = self.shop()
        sim.faults({"method": "PATCH", "path": "/deployments/", "kind": "error", "code": 500, "count": 0})
        record = self.fire(sim=sim)
        self.says(record, "PATCH Deployment shop/api", "500")
        self.assertEqual(record["reason"], "action_failed")

    def test_a_truncated_answer_is_no_answer(self):
        sim = self.shop()
        sim.faults({"method": "PATCH", "path": "/deployments/", "kind": "truncate"})
        self.fire(sim=sim, until="settling")
        self.assertEqual(len(sim.writes("PATCH")), 1)

    def test_a_slow_api_server_does_not_hold_up_the_webhook(self):
        sim = self.shop()
        sim.faults({"method": "GET", "path": "/deployments/", "kind": "slow", "ms": 1500, "count": 2})
        mendd, run = self.begin(sim=sim)
        begun = time.monotonic()
        self.assertEqual(mendd.webhook(h.payload({"labels": {"alertname": "Meanwhile"}})).status, 200)
        self.assertLess(time.monotonic() - begun, 0.5)
        self.assertEqual(mendd.wait_run(run, state="settling")["rung"], 0)
