"""The broken worlds of the five shipped playbooks, shared by the runs against kubesim and against a real API server.

A World breaks a workload of its own, says which alert tells of it, and judges the cluster and the record afterwards. What
a pod does is read off its annotations (tests/real/node-sim); kubesim plays by the same ones.
"""
import harness as h


class World:
    playbook = alertname = deployment = None
    action = "rollout.restart"

    def __init__(self, cluster, ns):
        self.cluster, self.ns = cluster, ns

    def labels(self):
        return {"namespace": self.ns, "deployment": self.deployment, "severity": "critical"}

    def selector(self):
        return "app=" + self.deployment

    def prepare(self):
        raise NotImplementedError

    def judge(self, t, record):
        """What must hold on the cluster once the run has ended."""
        raise NotImplementedError

    def object(self):
        return self.cluster.deployment(self.ns, self.deployment)

    def annotations(self):
        return self.object()["spec"]["template"]["metadata"].get("annotations") or {}

    def replicasets(self):
        sets = self.cluster.get(f"/apis/apps/v1/namespaces/{self.ns}/replicasets")["items"]
        return [r for r in sets if r["metadata"]["labels"].get("app") == self.deployment]

    def spoil_pod(self, annotations):
        """Makes one pod of a healthy workload sick; one that replaces it is healthy again."""
        pods = self.cluster.wait_pods(self.ns, self.selector(), 2, ready=True)
        name = pods[0]["metadata"]["name"]
        a = self.cluster.call("PATCH", f"/api/v1/namespaces/{self.ns}/pods/{name}", {"metadata": {"annotations": annotations}},
                              "application/merge-patch+json")
        assert a.status == 200, a
        h.until(f"pod {name} is not ready", lambda: not h.is_ready(
            self.cluster.get(f"/api/v1/namespaces/{self.ns}/pods/{name}")))
        return name


class RestartWorld(World):
    """Pods that get ready only once their Deployment has been restarted."""

    def deployed(self):
        return h.deployment(self.ns, self.deployment, 2, {"sim/unready-until-restarted": "true"})

    def prepare(self):
        self.cluster.create(self.deployed())
        self.cluster.wait_pods(self.ns, self.selector(), 2, ready=False)
        self.sets_before = len(self.replicasets())

    def judge(self, t, record):
        t.assertIn("kubectl.kubernetes.io/restartedAt", self.annotations())
        t.assertEqual(len(self.replicasets()), self.sets_before + 1, "a new ReplicaSet was rolled out")
        self.cluster.wait_pods(self.ns, self.selector(), 2, ready=True)


REDIS_CLAIM = {"metadata": {"name": "redis-data"}, "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}}


def on_claim(cluster, deployment):
    """With its data on a claim: a Redis without one only a person may restart."""
    cluster.call("POST", f"/api/v1/namespaces/{deployment['metadata']['namespace']}/persistentvolumeclaims", REDIS_CLAIM)
    deployment["spec"]["template"]["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "redis-data"}}]
    return deployment


class Redis(World):
    playbook, alertname, deployment, action = "redis-pod-failure", "RedisDown", "redis", "pods.delete"

    def prepare(self):
        self.cluster.create(on_claim(self.cluster, h.deployment(self.ns, "redis", 2)))
        self.sick = self.spoil_pod({"sim/ready": "never"})

    def judge(self, t, record):
        pods = self.cluster.wait_pods(self.ns, self.selector(), 2, ready=True)
        t.assertNotIn(self.sick, [p["metadata"]["name"] for p in pods], "the sick pod was replaced")
        t.assertIn("redis", [c["check"] for c in record["checks"]])


class Gitea(RestartWorld):
    playbook, alertname, deployment = "gitea-unavailable", "GiteaUnavailable", "gitea"


class ApiServer(RestartWorld):
    playbook, alertname, deployment = "api-server-unavailable", "RaibidServerDown", "raibid-server"

    def prepare(self):
        self.cluster.create(h.service(self.ns, self.deployment, 8080))
        super().prepare()


class CrashLoop(World):
    playbook, alertname, deployment, action = "pod-crash-looping", "KubePodCrashLooping", "worker", None

    def labels(self):
        return {"namespace": self.ns, "pod": self.sick, "container": "app", "severity": "warning"}

    def prepare(self):
        self.cluster.create(h.deployment(self.ns, "worker", 2))
        self.sick = self.spoil_pod({"sim/waiting": "CrashLoopBackOff"})

    def judge(self, t, record):
        pods = self.cluster.wait_pods(self.ns, self.selector(), 2, ready=True)
        t.assertNotIn(self.sick, [p["metadata"]["name"] for p in pods], "the crashing pod was replaced")


class FailedRollout(World):
    playbook, alertname, deployment, action = "rollback-failed-rollout", "KubeDeploymentRolloutStuck", "frontend", "rollout.undo"

    def prepare(self):
        self.cluster.create(h.deployment(self.ns, "frontend", 2, image="registry.example/frontend:1"))
        self.cluster.wait_pods(self.ns, self.selector(), 2, ready=True)
        bad = {"spec": {"template": {"metadata": {"annotations": {"sim/ready": "never"}},
                                     "spec": {"containers": [{"name": "app", "image": "registry.example/frontend:2"}]}}}}
        a = self.cluster.call("PATCH", f"/apis/apps/v1/namespaces/{self.ns}/deployments/frontend", bad,
                              "application/strategic-merge-patch+json")
        assert a.status == 200, a
        h.until("the rollout is stuck", lambda: self.object()["status"].get("unavailableReplicas"))

    def judge(self, t, record):
        t.assertEqual(self.object()["spec"]["template"]["spec"]["containers"][0]["image"], "registry.example/frontend:1")
        self.cluster.wait_pods(self.ns, self.selector(), 2, ready=True)


WORLDS = [Redis, Gitea, ApiServer, CrashLoop, FailedRollout]


def repair_all(t, cluster, ns):
    """Breaks all five, fires their alerts through a real Alertmanager, and judges cluster, Alertmanager and records."""
    redis, web, mendd = t.redis(), t.web(), t.new_mendd()
    am = t.alertmanager(mendd.url + "/webhook")
    mendd.configure(cluster.kubeconfig(mendd.folder / "kubeconfig"), [am], vars={
        "redis_address": f"127.0.0.1:{redis.port}", "gitea_url": web.url,
        "gitea_database_address": f"127.0.0.1:{redis.port}", "raibid_health_url": web.url + "/health"})
    mendd.start()
    cluster.create(h.namespace(ns))
    worlds = [w(cluster, ns) for w in WORLDS]
    for w in worlds:
        w.prepare()
    for w in worlds:
        am.fire(w.alertname, **w.labels())
    for w in worlds:
        with t.subTest(w.playbook):
            record = mendd.run_of(w.alertname)
            record = mendd.wait_done(record["id"], 90)
            t.assertEqual((record["playbook"], record["outcome"], record["reason"]), (w.playbook, "resolved", "repaired"),
                          h.json.dumps(h.brief(record), indent=1))
            check_record(t, record, w)
            w.judge(t, record)
            h.until(f"Alertmanager shows {w.alertname} as resolved", lambda: not am.active(w.alertname))
    t.assertEqual(len(mendd.records()), len(worlds), "one alert, one record; its end is told in the same one")
    return mendd, worlds


def check_record(t, record, world):
    """The record tells what was sent, what was seen, and when."""
    requests = [r for s in record["steps"] for r in s.get("requests") or []]
    t.assertTrue(requests, "a repair sends something")
    for r in requests:
        t.assertEqual(r["status"], "done", r)
        t.assertIn(r["method"], ("PATCH", "DELETE", "POST", "PUT"))
        t.assertIn(world.ns, r["path"])
    if world.action:
        t.assertIn(world.action, [s["action"] for s in record["steps"]])
    t.assertTrue(record["checks"], "a repair is proven")
    for c in record["checks"]:
        t.assertEqual(c["verdict"], "pass", c)
        t.assertTrue(c["seen"])
    times = record["times"]
    order = [times[k] for k in ("detected", "acted", "verified", "resolved")]
    t.assertTrue(all(order), times)
    t.assertEqual(order, sorted(order), times)
    t.assertTrue(record["timeline"])
