"""A Secret's values pass through mendd and stand nowhere: neither in its journal nor its log nor in anything it answers."""
import base64
import json
import time
import unittest

import harness as h

OLD, OTHER, NEW = "old-pa55phrase-of-the-base", "other-untouched-value-4711", "n3w-pa55phrase-from-a-file"
SECRETS = "/api/v1/namespaces/shop/secrets"


def text_of(value):
    return base64.b64decode(value).decode()


class Secrets(h.Scene):
    def world(self, sim=None, **config):
        self.sim = self.kubesim()
        self.sim.create(h.namespace("shop"))
        self.sim.call("POST", SECRETS, {"metadata": {"name": "db"}, "stringData": {"password": OLD, "other": OTHER}})
        self.sim.create(h.deployment("shop", "api", sim=sim))
        self.sim.wait_pods("shop", "app=api", 2)
        self.credentials = self.folder / "credentials"
        self.credentials.mkdir(mode=0o700)
        (self.credentials / "db-password").write_text(NEW + "\n")
        self.m = self.new_mendd().configure(self.sim.kubeconfig(self.folder / "kubeconfig"), **config)
        self.m.options += ["--log.level=debug"]
        return self.m

    def rotate(self, **more):
        return {**h.restart_playbook("rotate"), "steps": [
            {"action": "secret.set", "with": {"name": "db", "from_files": {"password": "db-password", "user": "db-password"}}},
            {"action": "rollout.restart"}], **more}

    def start(self):
        return self.m.start(env={"CREDENTIALS_DIRECTORY": str(self.credentials)})

    def fire(self, name="Broken"):
        self.assertEqual(self.m.webhook(h.payload({"labels": {"alertname": name, "namespace": "shop", "deployment": "api",
                                                              "severity": "critical"}})).status, 200)
        return self.m.run_of(name)["id"]

    def data(self, name="db"):
        secret = self.sim.get(f"{SECRETS}/{name}")
        return {k: text_of(v) for k, v in secret["data"].items()} if secret else None

    def copies(self):
        return [s for s in self.sim.get(SECRETS)["items"] if s["metadata"]["name"].startswith("mendd-backup-")]

    def answers(self, run):
        """Everything that the API says about it."""
        for path in ("/actions?limit=100", f"/actions/{run}", f"/actions/{run}/report", "/status", "/playbooks", "/metrics",
                     "/clusters", "/", "/openapi.json"):
            yield path, self.m.get(path).body
        yield "report as JSON", h.request(f"{self.m.url}/actions/{run}/report", headers={"Accept": "application/json"}).body

    def assert_nowhere(self, run, events):
        needles = [n for v in (OLD, OTHER, NEW) for n in (v.encode(), base64.b64encode(v.encode()))]
        places = [*self.answers(run), ("events", events)]
        self.m.stop()
        places += [(str(p), p.read_bytes()) for p in self.m.storage.rglob("*") if p.is_file()]
        places.append(("the log", self.m.log.read_bytes()))
        self.assertTrue(any(name.endswith(".db") and run.encode() in data for name, data in places), [n for n, _ in places])
        for name, data in places:
            for n in needles:
                self.assertNotIn(n, data, f"{name} holds {n!r}")

    def test_rotated_restarted_and_verified(self):
        self.world().with_playbooks(self.rotate())
        self.start()
        run = self.fire()
        record = self.m.wait_run(run, state="settling")
        self.assertEqual(self.data(), {"password": NEW, "user": NEW, "other": OTHER})
        copies = self.copies()
        self.assertEqual([c["metadata"]["name"] for c in copies], [f"mendd-backup-{run}-secret-db"])
        self.assertEqual(self.data(copies[0]["metadata"]["name"]), {"password": OLD, "other": OTHER})
        first = record["steps"][0]
        self.assertEqual([(r["method"], r["object"]["name"], r["status"]) for r in first["requests"]],
                         [("POST", copies[0]["metadata"]["name"], "done"), ("PATCH", "db", "done")])
        self.assert_nowhere(run, b"")

    def test_restored_when_the_verification_fails(self):
        never = {"timeout": "2s", "interval": "200ms", "for": "0s", "checks": [
            {"check": "replicas", "with": {"kind": "Deployment", "name": "api", "min": 9}}]}
        self.world().with_playbooks(self.rotate(verify=never))
        self.start()
        events = self.folder / "events"
        curl = h.Program(self.folder, "curl")
        self.add(curl).launch("curl", "-sN", "-o", events, self.m.url + "/events")
        h.until("the stream is there", events.exists)
        run = self.fire()
        record = self.m.wait_done(run)
        self.assertEqual((record["outcome"], record["reason"]), ("failed", "verify_failed"))
        self.assertEqual(self.data(), {"password": OLD, "other": OTHER})
        self.assertEqual(record["rollback"], "done", h.brief(record))
        h.until("the events of it", lambda: run.encode() in events.read_bytes())
        self.assert_nowhere(run, events.read_bytes())

    def test_what_somebody_else_changed_is_left_alone(self):
        never = {"timeout": "3s", "interval": "200ms", "for": "0s", "checks": [
            {"check": "replicas", "with": {"kind": "Deployment", "name": "api", "min": 9}}]}
        self.world().with_playbooks(self.rotate(verify=never))
        self.start()
        run = self.fire()
        h.until("the new value", lambda: self.data().get("password") == NEW)
        self.sim.call("PATCH", SECRETS + "/db", {"stringData": {"password": "somebody-else-was-here"}}, "application/merge-patch+json")
        record = self.m.wait_done(run)
        self.assertEqual(record["rollback"], "partial", h.brief(record))
        self.assertEqual(self.data()["password"], "somebody-else-was-here")
        self.assertNotIn("somebody-else-was-here", json.dumps(record))
        self.assertNotIn(base64.b64encode(b"somebody-else-was-here").decode(), json.dumps(record))

    def test_a_file_that_is_not_there_changes_nothing(self):
        (self.world()).with_playbooks(self.rotate())
        (self.credentials / "db-password").unlink()
        self.start()
        record = self.m.wait_done(self.fire())
        self.assertEqual((record["outcome"], record["reason"]), ("failed", "action_failed"))
        self.assertIn("db-password", record["message"])
        self.assertEqual((self.data(), self.copies()), ({"password": OLD, "other": OTHER}, []))

    def test_a_lost_answer_is_looked_at_and_not_sent_again(self):
        self.world().with_playbooks(self.rotate())
        self.sim.faults({"method": "PATCH", "path": "/secrets/db", "kind": "reset_after"})
        self.start()
        run = self.fire()
        self.m.wait_run(run, state="settling")
        self.assertEqual(self.data()["password"], NEW)
        self.assertEqual(len(self.sim.writes("PATCH", "/secrets/db")), 1)
        self.assert_nowhere(run, b"")

    def test_kept_in_a_folder_and_put_back_by_a_person(self):
        folder = self.folder / "backups"
        self.world(backup={"to": "folder", "folder": str(folder)})
        self.sim.call("POST", "/api/v1/namespaces/shop/configmaps", {"metadata": {"name": "settings"}, "data": {"a": "1"}})
        keep = {**h.restart_playbook("keep"), "steps": [
            {"action": "backup", "with": {"kind": "ConfigMap", "name": "settings"}},
            {"action": "backup", "with": {"kind": "Secret", "name": "db"}},
            {"action": "configmap.set", "with": {"name": "settings", "data": {"a": "2", "b": "3"}}}]}
        back = {**h.restart_playbook("back", "Back"), "mode": "approve", "vars": {"from": ""}, "steps": [
            {"action": "restore", "with": {"from": "{{ labels.from }}", "kind": "ConfigMap", "name": "settings"}}]}
        self.m.with_playbooks(keep, back)
        self.start()
        run = self.fire()
        self.m.wait_run(run, state="settling")
        name = f"mendd-backup-{run}-configmap-settings"
        self.assertEqual([p.name for p in folder.iterdir()], [name + ".json"])
        self.assertEqual((folder.stat().st_mode & 0o777, (folder / (name + ".json")).stat().st_mode & 0o777), (0o700, 0o600))
        self.assertEqual(json.loads((folder / (name + ".json")).read_text())["data"], {"a": "1"})
        self.assertEqual(self.data(f"mendd-backup-{run}-secret-db"), {"password": OLD, "other": OTHER})
        self.m.webhook(h.payload({"labels": {"alertname": "Back", "namespace": "shop", "deployment": "api", "from": name}}))
        second = self.m.run_of("Back")["id"]
        self.m.wait_run(second, state="awaiting_approval")
        self.assertEqual(h.request(f"{self.m.url}/actions/{second}/approve", "POST", {"by": "e2e"}).status, 200)
        self.m.wait_run(second, state="settling")
        self.assertEqual(self.sim.get("/api/v1/namespaces/shop/configmaps/settings")["data"], {"a": "1"})


if __name__ == "__main__":
    unittest.main()
