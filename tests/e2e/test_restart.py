"""The daemon is killed, stopped, or loses an answer in the middle of a run: the run goes on, and its effect happens once."""
import signal
import time

import harness as h


class Restart(h.Scene):
    def world(self, start_delay=0.2):
        self.sim = self.kubesim(start_delay=start_delay)
        self.sim.create(h.namespace("shop"))
        self.sim.create(h.deployment("shop", "api", 2, {"sim/unready-until-restarted": "true"}))
        self.mendd = self.new_mendd()
        self.am = self.alertmanager(self.mendd.url + "/webhook")
        self.mendd.configure(self.sim.kubeconfig(self.mendd.folder / "kubeconfig"), [self.am])
        self.mendd.with_playbooks(h.restart_playbook()).start()

    def fire(self):
        self.am.fire("Broken", namespace="shop", deployment="api")
        return self.mendd.run_of("Broken")["id"]

    def patches(self):
        return self.sim.writes("PATCH", "/deployments/api")

    def resolved_once(self, run):
        record = self.mendd.wait_done(run)
        self.assertEqual((record["outcome"], record["reason"]), ("resolved", "repaired"), h.json.dumps(h.brief(record), indent=1))
        self.assertEqual(len(self.patches()), 1, self.patches())
        h.until("Alertmanager shows it resolved", lambda: not self.am.active("Broken"))
        return record

    def test_killed_while_verifying(self):
        self.world(start_delay=1.5)
        run = self.fire()
        self.mendd.wait_run(run, state="verifying")
        self.mendd.kill9()
        self.mendd.start()
        self.resolved_once(run)

    def test_killed_between_the_effect_and_its_answer(self):
        self.world()
        self.sim.faults({"method": "PATCH", "path": "/deployments/", "kind": "stall", "apply": True})
        run = self.fire()
        h.until("the effect has happened", self.patches)
        self.mendd.kill9()
        self.mendd.start()
        self.resolved_once(run)

    def test_killed_right_after_the_webhook_was_answered(self):
        self.world()
        alert = {"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api"}}
        self.assertEqual(self.mendd.webhook(h.payload(alert)).status, 200)
        self.mendd.kill9()
        self.mendd.start()
        run = self.mendd.run_of("Broken")["id"]
        self.mendd.wait_run(run, state="settling")
        resolved = h.payload({**alert, "endsAt": "2026-01-05T10:10:00Z"}, status="resolved")
        self.assertEqual(self.mendd.webhook(resolved).status, 200)
        self.assertEqual(self.mendd.wait_done(run)["outcome"], "resolved")
        self.assertEqual(len(self.patches()), 1)
        self.assertEqual(len(self.mendd.records()), 1, "one alert, one record")

    def test_connection_reset_after_the_effect_before_its_answer(self):
        self.world()
        self.sim.faults({"method": "PATCH", "path": "/deployments/", "kind": "reset_after"})
        self.resolved_once(self.fire())

    def test_connection_reset_before_the_effect(self):
        self.world()
        self.sim.faults({"method": "PATCH", "path": "/deployments/", "kind": "reset_before"})
        self.resolved_once(self.fire())

    def test_too_many_requests_are_waited_out(self):
        self.world()
        self.sim.faults({"method": "PATCH", "path": "/deployments/", "kind": "throttle", "count": 2})
        self.resolved_once(self.fire())

    def test_sigterm_ends_within_five_seconds_and_leaves_the_run_to_be_resumed(self):
        self.world(start_delay=2)
        run = self.fire()
        self.mendd.wait_run(run, state="verifying")
        begun = time.monotonic()
        self.assertEqual(self.mendd.stop(signal.SIGTERM, timeout=6), 0)
        self.assertLess(time.monotonic() - begun, 5)
        self.mendd.start()
        self.resolved_once(run)

    def test_a_second_process_on_the_same_storage_is_refused(self):
        self.world()
        second = self.new_mendd("second")
        second.configure(self.sim.kubeconfig(second.folder / "kubeconfig")).with_playbooks(h.restart_playbook())
        second.storage = self.mendd.storage
        second.start(wait=False)
        code = h.until("the second one has given up", lambda: not second.running() and (second.process.returncode,), 10)[0]
        self.assertGreater(code, 0)
        self.assertIn(str(self.mendd.storage), second.text())
        self.assertEqual(self.mendd.get("/-/healthy").status, 200)
