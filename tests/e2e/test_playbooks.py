"""The five shipped playbooks, each from a firing alert in a real Alertmanager to the resolved one, on kubesim."""
import harness as h
import worlds


class Playbooks(h.Scene):
    def test_the_five_shipped_playbooks_repair(self):
        worlds.repair_all(self, self.kubesim(), "raibid-ci")


class Modes(h.Scene):
    def broken(self, mendd, **options):
        sim = self.kubesim()
        sim.create(h.namespace("shop"))
        sim.create(h.deployment("shop", "api", 2, {"sim/unready-until-restarted": "true"}))
        mendd.configure(sim.kubeconfig(mendd.folder / "kubeconfig")).with_playbooks(h.restart_playbook(**options)).start()
        return sim

    def fire(self, mendd):
        a = mendd.webhook(h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api"}}))
        self.assertEqual(a.status, 200)
        return mendd.wait_done(mendd.run_of("Broken")["id"])

    def test_mode_plan_shows_the_requests_and_sends_nothing(self):
        mendd = self.new_mendd()
        sim = self.broken(mendd, mode="plan")
        record = self.fire(mendd)
        self.assertEqual((record["outcome"], record["reason"]), ("skipped", "plan_mode"))
        self.assertIn("/deployments/api", str(record["plan"]["requests"]))
        self.assertNotIn("restartedAt", str(sim.deployment("shop", "api")["spec"]["template"]))

    def test_dry_run_sends_nothing(self):
        mendd = self.new_mendd()
        mendd.options = ["--dry-run"]
        sim = self.broken(mendd)
        record = self.fire(mendd)
        self.assertEqual(record["reason"], "dry_run")
        self.assertTrue(record["plan"]["requests"])
        self.assertNotIn("restartedAt", str(sim.deployment("shop", "api")["spec"]["template"]))

    def test_an_alert_without_playbook_is_recorded_and_escalated(self):
        mendd = self.new_mendd()
        self.broken(mendd)
        self.assertEqual(mendd.webhook(h.payload({"labels": {"alertname": "Unheard", "namespace": "shop"}})).status, 200)
        record = mendd.wait_done(mendd.run_of("Unheard")["id"])
        self.assertEqual((record["outcome"], record["reason"], record["escalated"]), ("skipped", "no_playbook", True))

    def test_a_repair_that_does_not_help_fails_and_is_escalated(self):
        sim, mendd = self.kubesim(), self.new_mendd()
        sim.create(h.namespace("shop"))
        sim.create(h.deployment("shop", "api", 1, {"sim/ready": "never"}))
        book = h.restart_playbook()
        book["verify"]["timeout"] = "2s"
        mendd.configure(sim.kubeconfig(mendd.folder / "kubeconfig")).with_playbooks(book).start()
        record = self.fire(mendd)
        self.assertEqual((record["outcome"], record["reason"], record["escalated"]), ("failed", "verify_failed", True))
        self.assertEqual(record["rollback"], "none", "a restart has no inverse")
