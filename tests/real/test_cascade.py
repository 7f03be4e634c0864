"""The runbook's cascade on a real API server: several services of a namespace break at once, one storm, repaired in order.

Four targets are in trouble and the config's threshold is three ("more than `targets`"): Redis, raibid-server, Gitea, and a pod of
the build agents, which the cascade does not know. KUBECONFIG and MENDD_REAL_DIR as in test_real.py.
"""
import datetime
import pathlib
import sys
import time

import harness as h
import worlds

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import test_real  # noqa: E402  (its cases are not taken over: only the classes of this module's own are run)

SERVICES = [worlds.Redis, worlds.ApiServer, worlds.Gitea]  # in the order of the repair
WITHIN_S = 60


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class Broken(worlds.RestartWorld):
    """A service of the cascade: not ready until its Deployment is restarted."""

    def __init__(self, cluster, ns, like):
        super().__init__(cluster, ns)
        self.alertname, self.deployment = like.alertname, like.deployment

    def deployed(self):
        d = super().deployed()
        return worlds.on_claim(self.cluster, d) if self.deployment == "redis" else d


class Cascade(test_real.Real):
    def start(self):
        redis, web = self.redis(), self.web()
        self.mendd = self.new_mendd()
        self.am = self.alertmanager(self.mendd.url + "/webhook")
        self.mendd.configure(
            self.as_mendd.kubeconfig(self.mendd.folder / "kubeconfig"), [self.am],
            vars={"redis_address": f"127.0.0.1:{redis.port}", "gitea_url": web.url,
                  "gitea_database_address": f"127.0.0.1:{redis.port}", "raibid_health_url": web.url + "/health"},
            storm={"enabled": True, "targets": 3, "within": f"{WITHIN_S}s"})
        self.mendd.start()

    def break_all(self):
        self.admin.create(h.namespace(self.ns))
        self.admin.create(h.service(self.ns, "raibid-server", 8080))
        services = [Broken(self.admin, self.ns, like) for like in SERVICES]
        agent = worlds.CrashLoop(self.admin, self.ns)
        for w in [*services, agent]:
            w.prepare()
        return services, agent

    def clear(self, world):
        """What Prometheus does once its expression no longer holds."""
        alert = {"labels": {"alertname": world.alertname, **world.labels()}, "annotations": {"summary": world.alertname},
                 "endsAt": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")}
        self.assertEqual(h.request(self.am.url + "/api/v2/alerts", "POST", [alert]).status, 200)

    def storms(self):
        return self.mendd.get("/status").json.get("storms", [])

    def test_storm(self):
        self.start()
        services, agent = self.break_all()
        began = time.monotonic()
        for w in [*reversed(services), agent]:  # Gitea cries first, Redis last
            self.am.fire(w.alertname, **w.labels())
        run = self.mendd.run_of("MenddStorm", namespace=self.ns)
        self.assertEqual(run["playbook"], "cascading-failure", h.json.dumps(h.brief(run), indent=1))
        storm = h.until("the status shows the storm and who waits", lambda: [s for s in self.storms() if s["held"] == 4])[0]
        self.assertEqual((storm["namespace"], storm["targets"], storm["run"]), (self.ns, 4, run["id"]))

        h.until("the cascade is verified", lambda: self.mendd.record(run["id"])["times"]["verified"], 180)
        took = time.monotonic() - began
        self.assertLess(took, 180)
        for w in services:
            w.cluster.wait_pods(self.ns, w.selector(), 2, ready=True)
            self.clear(w)
        record = self.mendd.wait_done(run["id"], WITHIN_S + 30)
        self.assertEqual((record["outcome"], record["reason"]), ("resolved", "repaired"), h.json.dumps(h.brief(record), indent=1))
        self.assertEqual(self.storms(), [])
        self.judge_order(record)
        self.judge_singles(services, agent)
        self.assertLessEqual(sum(bool(r["escalated"]) for r in self.mendd.records("?limit=1000")), 1)
        print(f"the cascade took {took:.0f} s", flush=True)

    def judge_order(self, record):
        """By mendd's record, and by what the API server itself wrote down."""
        steps = record["steps"]
        self.assertEqual([s["status"] for s in steps], ["done"] * 3, h.json.dumps(h.brief(record), indent=1))
        for before, after in zip(steps, steps[1:]):
            self.assertLessEqual(when(before["finished"]), when(after["started"]), "proven before the next is touched")
        patches = h.until("the audit log has the restarts", lambda: len(self.effects()) >= 3 and self.effects())
        time.sleep(1.5)  # it is written once a second: a further one would be there by now
        patches = sorted(self.effects(), key=lambda e: e["requestReceivedTimestamp"])
        self.assertEqual([e["objectRef"]["name"] for e in patches], [w.deployment for w in SERVICES])
        print("audit.log: " + ", ".join(f"{e['requestReceivedTimestamp'][11:19]} {e['verb']} {e['objectRef']['name']}"
                                        for e in patches), flush=True)
        for e, before in zip(patches[1:], steps):
            self.assertGreaterEqual(when(e["requestReceivedTimestamp"]), when(before["finished"]))

    def judge_singles(self, services, agent):
        """What waited: left alone where its alert has cleared, repaired by its own playbook where it still fires."""
        for w in services:
            r = self.mendd.wait_done(self.mendd.run_of(w.alertname)["id"])
            self.assertEqual((r["outcome"], r["reason"]), ("skipped", "cleared_before_action"), h.json.dumps(h.brief(r), indent=1))
            self.assertFalse([q for s in r["steps"] for q in s["requests"]], "nothing was sent")
        r = self.mendd.wait_done(self.mendd.run_of(agent.alertname)["id"], 60)
        self.assertEqual((r["outcome"], r["reason"]), ("resolved", "repaired"), h.json.dumps(h.brief(r), indent=1))
        agent.judge(self, r)
