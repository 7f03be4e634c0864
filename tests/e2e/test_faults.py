"""The API server is away, is another one than it says, or says no: the run tells it in plain words, with verb and resource."""
import subprocess

import harness as h


class Faults(h.Scene):
    def fire(self, kubeconfig=None, sim=None, **playbook):
        self.mendd = self.new_mendd()
        self.mendd.configure(kubeconfig or sim.kubeconfig(self.mendd.folder / "kubeconfig"))
        self.mendd.with_playbooks(h.restart_playbook(**playbook)).start()
        body = h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api"}})
        self.assertEqual(self.mendd.webhook(body).status, 200)
        return self.mendd.wait_done(self.mendd.run_of("Broken")["id"])

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

    def test_api_server_away(self):
        folder = self.folder / "away"
        folder.mkdir()
        away = h.Cluster(f"http://127.0.0.1:{h.free_port()}", "t")
        self.says(self.fire(away.kubeconfig(folder / "kubeconfig")), "(?i)GET|get|read", "deployments", "refused|connect")

    def test_expired_token(self):
        sim = self.shop()
        kubeconfig = sim.kubeconfig(self.folder / "kubeconfig", token="expired")
        self.says(self.fire(kubeconfig), "deployments", "(?i)401|unauthorized")

    def test_wrong_ca(self):
        for name in ("server", "other"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=" + name, "-addext",
                            "subjectAltName=IP:127.0.0.1", "-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.crt"],
                           check=True, capture_output=True)
        sim = self.add(h.Kubesim(self.folder))
        sim.url, sim.tls = sim.url.replace("http:", "https:"), (self.folder / "server.crt", self.folder / "server.key")
        sim.start()
        sim.create(h.namespace("shop"))
        sim.create(h.deployment("shop", "api", 1))
        self.says(self.fire(sim.kubeconfig(self.folder / "kubeconfig", ca=self.folder / "other.crt")),
                  "deployments", "(?i)certificate|TLS|CA")

    def test_forbidden(self):
        sim = self.shop()
        sim.faults({"method": "PATCH", "path": "/deployments/", "kind": "error", "code": 403, "count": 0})
        record = self.fire(sim=sim)
        self.says(record, "(?i)patch", "deployments", "(?i)forbidden|403")
        self.assertEqual(record["reason"], "forbidden")

    def test_server_errors_end_as_a_failed_action(self):
        sim = self.shop()
        sim.faults({"method": "PATCH", "path": "/deployments/", "kind": "error", "code": 500, "count": 0})
        record = self.fire(sim=sim)
        self.says(record, "(?i)patch", "deployments", "500")
        self.assertEqual(record["reason"], "action_failed")

    def test_a_truncated_answer_is_no_answer(self):
        sim = self.shop()
        sim.faults({"method": "PATCH", "path": "/deployments/", "kind": "truncate"})
        self.assertEqual(self.fire(sim=sim)["outcome"], "resolved")
        self.assertEqual(len(sim.writes("PATCH")), 1)

    def test_a_slow_api_server_does_not_hold_up_the_webhook(self):
        sim = self.shop()
        sim.faults({"method": "GET", "path": "/deployments/", "kind": "slow", "ms": 1500, "count": 2})
        record = self.fire(sim=sim)
        self.assertEqual(record["outcome"], "resolved")
