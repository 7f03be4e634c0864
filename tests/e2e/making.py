"""Objects that a run makes and changes (Jobs, applies, claims, Services, quarantines): the same cases on kubesim and on a real API
server. `prepare()` of the class that mixes this in answers (the cluster as admin, a namespace, how to write mendd's kubeconfig).
"""
import harness as h

JOBS, CLAIMS = "/apis/batch/v1/namespaces/{}/jobs", "/api/v1/namespaces/{}/persistentvolumeclaims"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
NEVER = [{"check": "replicas", "with": {"min": 50}}]  # a proof that nothing brings
READY = [{"check": "pods.ready"}]


class Making:
    def begin(self, steps, checks, timeout="10s", **more):
        self.cluster, self.ns, kubeconfig = self.prepare()
        self.cluster.create(h.namespace(self.ns))
        self.cluster.create(h.deployment(self.ns, "api", 1))
        self.cluster.wait_pods(self.ns, "app=api", 1, ready=True)
        self.mendd = self.new_mendd()
        self.am = self.alertmanager(self.mendd.url + "/webhook")
        playbook = {"name": "objects", "matchers": ['alertname="Broken"'], "mode": "auto", "steps": steps, "resolve": "post",
                    "target": {"kind": "Deployment", "namespace": "{{ labels.namespace }}", "name": "{{ labels.deployment }}"},
                    "verify": {"timeout": timeout, "interval": "200ms", "for": "0s", "checks": checks}, "settle": "30s",
                    "on_failure": {"rollback": True, "escalate": True}, **more}
        self.mendd.configure(kubeconfig(self.mendd.folder / "kubeconfig"), [self.am]).with_playbooks(playbook).start()

    def finish(self, **expected):
        self.am.fire("Broken", namespace=self.ns, deployment="api")
        record = self.mendd.wait_done(self.mendd.run_of("Broken")["id"], 60)
        self.assertEqual({k: record.get(k) for k in expected}, expected, h.json.dumps(h.brief(record), indent=1))
        return record

    def tearDown(self):
        for name in getattr(self, "classes", []):
            self.cluster.call("DELETE", "/apis/storage.k8s.io/v1/storageclasses/" + name)
        super().tearDown()

    def jobs(self):
        return self.cluster.get(JOBS.format(self.ns))["items"]

    def seen(self, record):
        return record["checks"][-1]["seen"]

    def test_a_job_runs_once_and_its_last_words_are_kept(self):
        self.begin([{"action": "job.run", "with": {"image": "tool:1", "command": ["echo", "all", "clean"]}}],
                   [{"check": "job.succeeded"}])
        record = self.finish(outcome="resolved", reason="repaired")
        self.assertEqual(len(self.jobs()), 1)
        self.assertEqual(self.jobs()[0]["metadata"]["labels"]["mendd.io/run"], record["id"])
        self.assertIn("succeeded; its log ends: all clean", self.seen(record))

    def test_a_job_that_fails_says_why_and_stays(self):
        self.begin([{"action": "job.run", "with": {"image": "tool:1", "command": ["exit", "3"]}}], [{"check": "job.succeeded"}], "5s")
        record = self.finish(outcome="failed", reason="verify_failed", rollback="none")
        self.assertIn("BackoffLimitExceeded", record["message"])
        self.assertEqual(len(self.jobs()), 1)

    def test_a_job_of_a_suspended_cronjob(self):
        self.begin([{"action": "job.from_cronjob", "with": {"cronjob": "clean"}}], [{"check": "job.succeeded"}])
        made = self.cluster.call("POST", f"/apis/batch/v1beta1/namespaces/{self.ns}/cronjobs", {
            "apiVersion": "batch/v1beta1", "kind": "CronJob", "metadata": {"name": "clean"}, "spec": {
                "schedule": "0 3 * * *", "suspend": True, "jobTemplate": {"spec": {"template": {"spec": {
                    "restartPolicy": "OnFailure", "containers": [{"name": "c", "image": "tool:1"}]}}}}}})
        self.assertEqual(made.status, 201, made)
        self.finish(outcome="resolved", reason="repaired")
        self.assertEqual(self.jobs()[0]["metadata"]["ownerReferences"][0]["name"], "clean")

    def test_a_cronjob_that_is_not_there(self):
        self.begin([{"action": "job.from_cronjob", "with": {"cronjob": "nope"}}], READY)
        record = self.finish(outcome="failed", reason="action_failed")
        self.assertIn(f"job.from_cronjob: there is no CronJob {self.ns}/nope to take the Job from: make it", record["message"])

    def test_what_was_made_is_deleted_in_the_rollback(self):
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made"}, "data": {"a": "1"}}
        changed = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "flags"}, "data": {"a": "1"}}
        self.begin([{"action": "resource.apply", "with": {"manifest": [manifest, changed]}},
                    {"action": "networkpolicy.quarantine", "with": {"name": "cut", "selector": "app=api"}}], NEVER, "3s",
                   limits={"cooldown": "0s", "attempts": "9/1h"})
        maps = f"/api/v1/namespaces/{self.ns}/configmaps/"
        self.cluster.call("POST", maps.rstrip("/"), {"metadata": {"name": "flags"}, "data": {"b": "2"}})
        self.finish(outcome="failed", reason="verify_failed", rollback="done")
        self.assertIsNone(self.cluster.get(maps + "made"))
        self.assertEqual(self.cluster.get(maps + "flags")["data"], {"b": "2"})
        self.assertEqual(self.cluster.get(POLICIES.format(self.ns))["items"], [])

    def test_the_objects_of_a_file_are_those_that_it_held_when_it_was_loaded(self):
        self.begin([{"action": "wait", "with": {"duration": "0s"}}], READY)
        maps, file = f"/api/v1/namespaces/{self.ns}/configmaps/", self.mendd.folder / "flags.manifest.yaml"
        document = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {of: '{{ target.name }}', n: '%s'}\n"
        playbook = h.json.loads(self.mendd.playbooks[0].read_text())["playbooks"][0]
        playbook.update(steps=[{"action": "resource.apply", "with": {"file": file.name}}], limits={"cooldown": "0s", "attempts": "9/1h"})
        file.write_text(document % ("one", 1) + "---\n" + document % ("two", 1))
        self.mendd.with_playbooks(playbook)
        self.assertEqual(h.request(self.mendd.url + "/-/reload", "POST", b"").status, 200)
        file.write_text(document % ("one", 2) + "kind: twice\n")
        answer = h.request(self.mendd.url + "/-/reload", "POST", b"")
        self.assertGreaterEqual(answer.status, 400)
        self.assertIn("flags.manifest.yaml:5:1: duplicate key", answer.json["error"]["message"])
        self.finish(outcome="resolved", reason="repaired")
        self.assertEqual([self.cluster.get(maps + n)["data"] for n in ("one", "two")], 2 * [{"of": "api", "n": "1"}])

    def test_what_another_manager_owns_is_left_to_it(self):
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "flags"}, "data": {"a": "1"}}
        self.begin([{"action": "resource.apply", "with": {"manifest": manifest}}], READY)
        path = f"/api/v1/namespaces/{self.ns}/configmaps"
        self.cluster.call("POST", path + "?fieldManager=helm", {"metadata": {"name": "flags"}, "data": {"a": "0"}})
        record = self.finish(outcome="failed", reason="action_failed")
        self.assertIn('conflict with "helm" using v1: .data.a', record["message"])
        self.assertEqual(self.cluster.get(path + "/flags")["data"], {"a": "0"})

    def claim(self, grows):
        name = f"{self.ns}-class"
        self.cluster.call("POST", "/apis/storage.k8s.io/v1/storageclasses", {
            "metadata": {"name": name}, "provisioner": "example.com/none", "allowVolumeExpansion": grows})
        self.classes = [name]
        self.cluster.call("POST", CLAIMS.format(self.ns), {"metadata": {"name": "data"}, "spec": {
            "storageClassName": name, "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
        path = CLAIMS.format(self.ns) + "/data"
        h.until("the claim is bound", lambda: self.cluster.get(path)["status"].get("phase") == "Bound")
        return path

    def test_a_claim_grows_up_to_its_maximum(self):
        self.begin([{"action": "pvc.expand", "with": {"name": "data", "size": "+10Gi", "max": "5Gi"}}], READY)
        path = self.claim(True)
        self.finish(outcome="resolved", reason="repaired")
        self.assertEqual(self.cluster.get(path)["spec"]["resources"]["requests"]["storage"], "5Gi")

    def test_a_claim_whose_class_forbids_it(self):
        self.begin([{"action": "pvc.expand", "with": {"name": "data", "size": "2Gi"}}], READY)
        self.claim(False)
        record = self.finish(outcome="failed", reason="action_failed")
        self.assertRegex(record["message"], "^pvc.expand: .*which does not allow expansion .*: a person must ")

    def test_a_service_is_switched_and_switched_back(self):
        self.begin([{"action": "service.switch", "with": {"name": "web", "selector": {"app": "green"}}}], NEVER, "3s")
        self.cluster.create(h.service(self.ns, "web"))
        self.cluster.create(h.deployment(self.ns, "green", 1))
        self.cluster.wait_pods(self.ns, "app=green", 1, ready=True)
        path = f"/api/v1/namespaces/{self.ns}/services/web"
        before = self.cluster.get(path)["spec"]["selector"]
        record = self.finish(outcome="failed", reason="verify_failed", rollback="done")
        self.assertEqual(record["steps"][0]["status"], "done")
        self.assertEqual(self.cluster.get(path)["spec"]["selector"], before)
