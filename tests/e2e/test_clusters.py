"""Two clusters that stand in for each other: one is killed and comes back; the status, the alerts, what waits."""
import json
import subprocess

import harness as h

CTL = h.BIN / "mendctl"


def observe(name, alertname, **labels):
    """A playbook that only says that it was chosen."""
    return {"name": name, "matchers": [f'alertname="{alertname}"', *(f'{k}="{v}"' for k, v in labels.items())],
            "target": {"kind": "Deployment", "namespace": "shop", "name": "api", "cluster": "{{ labels.survivor | default: vars.here }}"},
            "vars": {"here": "east"}, "mode": "observe", "steps": [{"action": "rollout.restart"}]}


class Clusters(h.Scene):
    def setUp(self):
        super().setUp()
        self.east, self.west = self.kubesim(name="east"), self.kubesim(name="west")
        for sim in (self.east, self.west):
            sim.create(h.namespace("shop"))
            sim.create(h.deployment("shop", "api", 2))
        self.mendd = self.new_mendd()
        restart = h.restart_playbook(settle="5s")
        restart["target"]["cluster"] = "{{ labels.cluster }}"
        self.mendd.with_playbooks(restart, observe("blocked", "MenddClusterSet", reason="unavailable"),
                                  observe("lost", "MenddClusterUnavailable"))
        self.configure()
        self.mendd.start()

    def configure(self, **of_set):
        clusters = [{"name": s.name, "kubeconfig": str(s.kubeconfig(self.mendd.folder / s.name)), "watch": {"interval": "1s"}}
                    for s in (self.east, self.west)]
        sets = [{"name": "runners", "primary": "east", "secondary": "west", "unavailable_after": "2s", **of_set}]
        self.mendd.config_file.write_text(json.dumps({"clusters": clusters, "cluster_sets": sets, "unmatched": "record",
                                                      "breaker": {"api_faults": 20, "open": "1s"}}))

    def clusters(self):
        return self.mendd.get("/clusters").json

    def set(self):
        return self.clusters()["sets"][0]

    def status_is(self, status, timeout=20):
        return h.until(f"the set is {status}", lambda: (s := self.set())["status"] == status and s, timeout)

    def records_of(self, alertname, **labels):
        return [r for r in self.mendd.records("?limit=1000") if r["alert"]["labels"].get("alertname") == alertname and
                all(r["alert"]["labels"].get(k) == v for k, v in labels.items())]

    def metric(self, text):
        return [line for line in self.mendd.metrics().splitlines() if line.startswith(text)]

    def test_both_are_there(self):
        s = self.status_is("ACTIVE")
        self.assertTrue(s["ha_active"])
        nodes = s["primary"]["nodes_ready"]
        self.assertGreater(nodes, 0)
        self.assertEqual(s["total_effective_nodes"], 2 * nodes)
        self.assertEqual(s["balance"], {"nodes_constrained": False, "constraining_side": None})
        east = self.clusters()["clusters"][0]
        self.assertEqual((east["name"], east["server"], east["watched"], east["reachable"], east["nodes"]["total"]),
                         ("east", self.east.url, True, True, nodes))
        self.assertGreaterEqual(east["capacity"]["pods_percent"], 0)
        self.assertEqual(self.metric('mendd_cluster_set_active{set="runners"}'), ['mendd_cluster_set_active{set="runners"} 1'])
        self.assertEqual(self.metric('mendd_cluster_reachable{cluster="west"}'), ['mendd_cluster_reachable{cluster="west"} 1'])
        check = subprocess.run(["promtool", "check", "metrics"], input=self.mendd.metrics(), capture_output=True, text=True)
        self.assertEqual((check.returncode, check.stdout + check.stderr), (0, ""))
        table = subprocess.run([CTL, "--url", self.mendd.url, "-o", "table", "clusters"], capture_output=True, text=True)
        self.assertRegex(table.stdout, rf"(?m)^east +yes +- +\d+s +{nodes}/{nodes} ")
        self.assertRegex(table.stdout, r"(?m)^runners +ACTIVE +\d+s +east, ")
        piped = subprocess.run([CTL, "--url", self.mendd.url, "clusters"], capture_output=True, text=True)
        self.assertEqual(json.loads(piped.stdout)["sets"][0]["status"], "ACTIVE")

    def test_one_is_killed_and_comes_back(self):
        self.status_is("ACTIVE")
        self.west.kill9()
        s = self.status_is("BLOCKED_SECONDARY_UNAVAILABLE")
        self.assertEqual((s["ha_active"], s["secondary"]["cause"]), (False, "unreachable"))
        self.assertEqual(s["total_effective_nodes"], s["primary"]["nodes_ready"])
        blocked = self.mendd.run_of("MenddClusterSet", status="BLOCKED_SECONDARY_UNAVAILABLE")
        self.assertEqual((blocked["playbook"], blocked["cluster"], blocked["alert"]["labels"]["severity"]), ("blocked", "east", "P1"))
        self.assertEqual(self.mendd.run_of("MenddClusterUnavailable", cluster="west")["playbook"], "lost")

        # what works there waits, and nobody but the watch asks; what works elsewhere goes on
        self.mendd.webhook(h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api", "cluster": "west"}}))
        waits = self.mendd.run_of("Broken", cluster="west")["id"]
        self.mendd.wait_run(waits, state="queued")
        self.assertEqual(self.mendd.record(waits)["held"]["reason"], "breaker_open")
        self.assertIn(("api west", "open"), [(b["name"], b["state"]) for b in self.mendd.get("/status").json["breakers"]])
        self.mendd.webhook(h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api", "cluster": "east"}}))
        self.mendd.wait_run(self.mendd.run_of("Broken", cluster="east")["id"], state="settling")
        self.assertEqual(self.metric('mendd_cluster_set_active{set="runners"}'), ['mendd_cluster_set_active{set="runners"} 0'])

        # the daemon too is killed: the alert stands once, and ends when the cluster is back
        self.mendd.kill9()
        self.mendd.start()
        self.status_is("BLOCKED_SECONDARY_UNAVAILABLE")
        self.west.start()
        for obj in (h.namespace("shop"), h.deployment("shop", "api", 2)):
            h.until("it takes objects again", lambda obj=obj: self.west.create(obj))
        self.status_is("ACTIVE")
        h.until("the alerts are over", lambda: all(r["times"]["resolved"] for name in ("MenddClusterSet", "MenddClusterUnavailable")
                                                   for r in self.records_of(name)))
        self.assertEqual(len(self.records_of("MenddClusterSet")), 1)
        self.assertEqual(len(self.records_of("MenddClusterUnavailable")), 1)
        self.mendd.wait_run(waits, state="settling")
        self.assertEqual(self.mendd.get("/status").json["breakers"], [])

    def test_both_are_killed(self):
        self.status_is("ACTIVE")
        self.east.kill9()
        self.west.kill9()
        self.assertEqual(self.status_is("BLOCKED_BOTH_UNAVAILABLE")["total_effective_nodes"], 0)
        both = self.mendd.run_of("MenddClusterSet", status="BLOCKED_BOTH_UNAVAILABLE")
        self.assertEqual(both["alert"]["labels"]["severity"], "P0")
        self.east.start()
        self.status_is("BLOCKED_SECONDARY_UNAVAILABLE")
        h.until("the first is over", lambda: self.mendd.record(both["id"])["times"]["resolved"])

    def test_switched_off_by_a_reload(self):
        self.status_is("ACTIVE")
        self.configure(enabled=False)
        self.assertEqual(h.request(self.mendd.url + "/-/reload", "POST", b"").status, 200)
        self.status_is("DISABLED")
        self.configure(primary="eats")
        answer = h.request(self.mendd.url + "/-/reload", "POST", b"")
        self.assertIn('the config names no cluster \\"eats\\" (did you mean \\"east\\")', answer.body.decode())
