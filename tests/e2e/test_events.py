"""Kubernetes Events: on what is acted on, where mendd refuses, never in --dry-run, and never in the way of a repair."""
import harness as h
import eventful


class Events(h.Scene):
    def setUp(self):
        super().setUp()
        self.sim, self.mendd = self.kubesim(), self.new_mendd()
        self.sim.create(h.namespace("shop"))
        self.kubeconfig = self.sim.kubeconfig(self.mendd.folder / "kubeconfig")

    def begin(self, playbook=None, options=(), annotations=None, **config):
        self.mendd.configure(self.kubeconfig, **config).with_playbooks(playbook or h.restart_playbook(settle="1s"))
        self.mendd.options = list(options)
        self.mendd.start()
        self.sim.create(h.deployment("shop", "api", 2, annotations=annotations))
        self.sim.wait_pods("shop", "app=api", 2, ready=True)
        return self.fire()

    def fire(self, status="firing"):
        a = self.mendd.webhook(h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api"}},
                                         status=status))
        self.assertEqual(a.status, 200, a)
        return self.mendd.wait_done(self.mendd.run_of("Broken")["id"])

    def deployment(self):
        return {"kind": "Deployment", **self.sim.deployment("shop", "api")}

    def metric(self, name):
        return next(float(line.split()[-1]) for line in self.mendd.metrics().splitlines() if line.startswith(name + " "))

    def test_the_object_tells_what_was_done_to_it(self):
        record = self.begin()
        self.assertEqual(record["outcome"], "resolved", h.json.dumps(h.brief(record), indent=1))
        eventful.judge_repair(self, self.sim, self.deployment(), record)
        self.assertGreaterEqual(self.metric("mendd_events_written_total"), 2)
        self.assertEqual(self.metric("mendd_events_failed_total"), 0)

    def test_a_refusal_is_told_and_counted_not_repeated(self):
        record = self.begin(annotations={"mendd.io/ignore": "true"})
        self.assertEqual(record["reason"], "opted_out")
        eventful.judge_refusal(self, self.sim, self.deployment())
        for _ in range(5):  # the same incident again and again: one Event, whose count rises
            self.fire("resolved")
            before = len(self.mendd.records())
            self.mendd.webhook(h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api"}}))
            h.until("a record of its own", lambda: len(self.mendd.records()) == before + 1)
        h.until("six refusals", lambda: [e["count"] for e in eventful.described(self.sim, self.deployment(), "Refused")] == [6])
        self.assertEqual(len(self.sim.writes("POST", "/events")), 1)

    def test_nothing_is_written_in_dry_run_in_plan_mode_and_when_it_is_off(self):
        for options, playbook, config in ((["--dry-run"], {}, {}), ([], {"mode": "plan"}, {}),
                                          ([], {}, {"events": {"enabled": False}})):
            with self.subTest(options=options, playbook=playbook, config=config):
                record = self.begin(h.restart_playbook(settle="1s", **playbook), options, **config)
                self.assertIn(record["reason"], ("dry_run", "plan_mode", "repaired"))
                self.assertEqual(self.metric("mendd_events_written_total"), 0)
                self.mendd.stop()
                self.assertEqual(self.sim.writes("POST", "/events"), [])
                self.sim.call("DELETE", "/apis/apps/v1/namespaces/shop/deployments/api")
                h.until("the Deployment is gone", lambda: not self.sim.deployment("shop", "api"))
                self.mendd.storage = self.mendd.folder / f"data-{len(options)}{len(playbook)}"

    def test_a_repair_does_not_wait_for_its_events(self):
        self.sim.faults({"method": "POST", "path": "/events", "kind": "error", "code": 500, "count": 0})
        record = self.begin()
        self.assertEqual(record["outcome"], "resolved", h.json.dumps(h.brief(record), indent=1))
        h.until("the failures are counted", lambda: self.metric("mendd_events_failed_total") >= 2)
        self.assertEqual(self.mendd.text().count("a Kubernetes Event could not be written"), 1)
