"""The journal cannot be written: senders get 503, nothing acts, and all goes on by itself once it can be written again."""
import resource

import harness as h


class Journal(h.Scene):
    def test_a_full_disk_is_a_503_and_nothing_is_lost_or_done_meanwhile(self):
        sim, mendd = self.kubesim(), self.new_mendd()
        sim.create(h.namespace("shop"))
        sim.create(h.deployment("shop", "api", 1, {"sim/unready-until-restarted": "true"}))
        mendd.configure(sim.kubeconfig(mendd.folder / "kubeconfig")).with_playbooks(h.restart_playbook()).start()
        pid = mendd.process.pid
        body = h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api"}})

        # no file of this process may grow any more: what a full disk looks like from inside (SIGXFSZ is ignored)
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        answer = mendd.webhook(body)
        self.assertEqual(answer.status, 503, answer)
        self.assertGreater(int(answer.headers["Retry-After"]), 0)
        self.assertTrue(answer.json["error"]["message"])
        self.assertEqual(mendd.get("/-/healthy").status, 200)
        self.assertEqual(mendd.get("/-/ready").status, 503)
        self.assertEqual(sim.writes("PATCH"), [])

        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        h.until("it takes webhooks again", lambda: mendd.webhook(body).status == 200, 30, 0.5)
        record = mendd.wait_run(mendd.run_of("Broken")["id"], state="settling")
        self.assertEqual(len(mendd.records()), 1)
        self.assertEqual(len(sim.writes("PATCH")), 1, record)
