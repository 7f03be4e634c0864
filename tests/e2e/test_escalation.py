"""Who is told when a repair did not work, and until when: PagerDuty and Slack stand-ins that record, and a real mail server."""
import json
import re
import sqlite3
import time

import harness as h
import mailserver
from standins import Silence, Told, broken_playbook, title


class Levels(Told):
    def setUp(self):
        super().setUp()
        why = mailserver.available()
        if why:
            self.skipTest(why)
        self.mail = self.add(mailserver.MailServer(self.folder)).start()

    def email(self, name, to, **more):
        return {"name": name, "email": {"to": to, "from": "mendd@mail.test", "smarthost": self.mail.smarthost,
                                        "require_tls": True, **more}}

    def mails(self):
        return [m for m in self.mail.mails() if m["Subject"]]

    def test_trigger_overdue_acknowledge_resolve(self):
        self.begin(broken_playbook(), receivers=[
            *self.receivers(self.email("ops-mail", "ops@mail.test", ca_file=str(self.mail.cert)), self.email("stranger", "ops@mail.test")),
            {"name": "quiet", "send_resolved": False, "webhook": {"url": self.slack.url + "/quiet"}}],
            escalation={"critical": {"notify": ["pager", "oncall", "quiet"], "response": "2s", "then": ["ops-mail", "stranger"]}})
        self.workload("api", {"sim/ready": "never"})
        self.fire(alertname="Hopeless", severity="warning")
        run = self.run_of(alertname="Hopeless")
        record = self.mendd.wait_done(run)
        self.assertEqual((record["reason"], record["escalated"]), ("verify_failed", True))

        trigger = self.pager.one(event_action="trigger")
        self.assertEqual((trigger["routing_key"], trigger["dedup_key"]), ("r0utingkey", f"mendd/{run}"))
        self.assertEqual((trigger["payload"]["severity"], trigger["payload"]["custom_details"]["reason"]), ("critical", "verify_failed"))
        self.assertIn("Hopeless", trigger["payload"]["summary"])
        slack = h.until("Slack is told", lambda: [b for b in self.slack.bodies() if "blocks" in b])[0]
        self.assertIn("Hopeless on Deployment shop/api", title(slack))
        sentence = record["escalations"][0]["message"]
        self.assertIn(sentence, [b.get("text", {}).get("text") for b in slack["blocks"] if b["type"] == "section"])

        mail = h.until("nobody answered: the mail is there", self.mails)[0]
        self.assertIn("Hopeless", mail["Subject"])
        self.assertIn("ops@mail.test", mail["To"])
        self.assertIn("with esmtps", mail["Received"], "STARTTLS")
        overdue = self.mendd.run_of("MenddEscalationOverdue")
        self.assertEqual((overdue["alert"]["labels"]["run"], overdue["alert"]["labels"]["level"], overdue["reason"]),
                         (run, "0", "no_playbook"))
        untrusted = h.until("a server that is not trusted hears nothing", lambda: [
            r for r in self.mendd.record(run)["escalations"][1]["receivers"] if r["receiver"] == "stranger" and r["error"]])[0]
        self.assertEqual(untrusted["status"], "pending")
        self.assertRegex(untrusted["error"], r"^tls: .*certificate")

        self.ctl("actions", "acknowledge", run)
        self.pager.one(event_action="acknowledge", dedup_key=f"mendd/{run}")
        self.fire(alertname="Hopeless", severity="warning", status="resolved")
        self.pager.one(event_action="resolve", dedup_key=f"mendd/{run}")
        heard = ("trigger", "acknowledge", "resolve")
        self.wait_told(run, {**{(0, r, e): "sent" for r in ("pager", "oncall", "quiet") for e in heard},
                             **{(1, "ops-mail", e): "sent" for e in ("update", "acknowledge", "resolve")},
                             **{(1, "stranger", e): "pending" for e in ("update", "acknowledge", "resolve")}})
        self.assertEqual([e["event_action"] for e in self.pager.bodies()], list(heard))
        self.assertEqual([e["event"] for e in self.slack.bodies() if "event" in e], ["trigger", "acknowledge"], "send_resolved: false")
        self.assertEqual(len([b for b in self.slack.bodies() if "blocks" in b]), 3)
        h.until("each mail once", lambda: len(self.mails()) == 3)
        self.assertEqual((len({m["References"] for m in self.mails()}), len({m["Message-ID"] for m in self.mails()})), (1, 3), "one thread")
        entries = self.mendd.record(run)["escalations"]
        self.assertEqual([(e["level"], e["severity"]) for e in entries], [(0, "critical"), (1, "critical")])
        self.assertIn("nobody acknowledged within 2s", entries[1]["message"])
        self.assertRegex(entries[1]["acknowledged"]["by"], r"127\.0\.0\.1")
        for secret in ("r0utingkey", "s3cr3t"):
            self.assertNotIn(secret, self.mendd.text() + json.dumps(self.mendd.record(run)))

    def test_a_receiver_that_fails_holds_up_nobody_else(self):
        """Slack answers 500, a mail server of many receivers says nothing, another hangs in the middle."""
        silence, silent = self.add(Silence()), [f"silent-{i}" for i in range(8)]
        self.slack.status = 500
        self.begin(broken_playbook(), receivers=self.receivers(
            self.email("hanging", "hang@mail.test", ca_file=str(self.mail.cert)),
            *({"name": n, "email": {"to": "a@mail.test", "from": "b@mail.test", "smarthost": silence.address}} for n in silent)),
            escalation={"default": {"notify": ["hanging", *silent, "oncall", "pager"]}})
        names = ["a", "b", "c"]
        paged, slowest = [], 0
        for name in names:
            begun = time.monotonic()
            self.fire(name, "Nobody", severity="critical")
            slowest = max(slowest, time.monotonic() - begun)
            run = self.run_of(name, "Nobody")
            self.pager.one(dedup_key=f"mendd/{run}")
            at = [r["at"] for r in self.pager.got if r["json"]["dedup_key"] == f"mendd/{run}"]
            self.assertEqual(len(at), 1)
            paged.append(at[0] - begun)
        self.assertTrue(silence.called())
        for i in range(50):
            begun = time.monotonic()
            self.fire("same", "Nobody", severity="critical")
            slowest = max(slowest, time.monotonic() - begun)
        print(f"[paged after {max(paged) * 1000:.0f} ms, slowest webhook {slowest * 1000:.0f} ms] ", end="", flush=True)
        self.assertLess(max(paged), 2)
        self.assertLess(slowest, 1)

        tries = lambda: [r["at"] for r in list(self.slack.got) if f"shop/{names[0]}" in json.dumps(r["json"]) or
                         "deployment=a" in json.dumps(r["json"])]
        h.until("Slack is tried again", lambda: len(tries()) == 2, 15)
        first, second = tries()
        self.assertGreater(second - first, 4.5)
        self.assertLessEqual(len(self.slack.got), 2 * 4, "four escalations, two tries each")
        self.slack.status = 200
        run = self.run_of("a", "Nobody")
        h.until("Slack is told once it answers", lambda: self.told(run).get((0, "oncall", "trigger")) == "sent", 20)
        self.assertGreater(tries()[2] - second, 9)
        self.assertEqual(len(tries()), 3)
        self.assertEqual((self.told(run)[0, "pager", "trigger"], self.told(run)[0, "hanging", "trigger"]), ("sent", "pending"))
        text = [line for line in self.mendd.text().splitlines() if run in line and "oncall" in line]
        self.assertEqual(len(text), 1, "a word in the log, not one a try")
        self.assertIn("status 500", text[0])


class Restarts(Told):
    def test_killed_before_the_answer(self):
        self.pager.status = None
        self.begin(escalation={"default": {"notify": ["pager", "oncall"]}})
        self.fire("api", "Nobody")
        run = self.run_of("api", "Nobody")
        h.until("the pager has it, and says nothing", lambda: self.pager.got)
        h.until("the other receiver was told", lambda: self.told(run).get((0, "oncall", "trigger")) == "sent")
        self.mendd.kill9()
        self.pager.status = 200
        self.mendd.start()
        self.assertEqual(self.pager.one(event_action="trigger")["dedup_key"], f"mendd/{run}")
        self.wait_told(run, {(0, "pager", "trigger"): "sent", (0, "oncall", "trigger"): "sent"})
        self.assertEqual({r["json"]["dedup_key"] for r in self.pager.got}, {f"mendd/{run}"}, "the same incident")
        self.assertEqual((len(self.pager.got), len(self.slack.got)), (2, 1), "who surely heard hears nothing again")
        self.fire("api", "Nobody", status="resolved")
        self.pager.one(event_action="resolve")
        h.until("Slack hears the end", lambda: len(self.slack.got) == 2)
        h.until("it is closed", lambda: self.status()["escalations"] == [])

    def test_killed_while_a_receiver_was_away(self):
        self.slack.status = 503
        self.begin(escalation={"default": {"notify": ["oncall"]}})
        self.fire("api", "Nobody")
        run = self.run_of("api", "Nobody")
        h.until("the first try failed", lambda: any(r["error"] for r in self.mendd.record(run)["escalations"][0]["receivers"]))
        self.mendd.kill9()
        self.slack.status = 200
        self.mendd.start()
        h.until("it is told after the restart", self.slack.bodies)
        self.wait_told(run, {(0, "oncall", "trigger"): "sent"})

    def test_what_was_repaired_pages_nobody_and_stands_in_the_digest(self):
        self.begin(digest={"notify": ["oncall"], "every": "1h"})
        self.workload("api")
        self.fire()
        run = self.run_of()
        self.mendd.wait_run(run, state="settling")
        self.fire(status="resolved")
        record = self.mendd.wait_done(run)
        self.assertEqual((record["reason"], record["escalated"], record["escalations"]), ("repaired", False, []))
        self.mendd.kill9()
        # an hour later: the journal is moved, not the clock
        with sqlite3.connect(next(self.mendd.storage.glob("*.db"))) as db:
            doc = json.loads(db.execute("SELECT doc FROM kept WHERE key = 'escalations'").fetchone()[0])
            self.assertEqual(len(doc["digest"]["items"]), 1)
            doc["digest"]["due"] = doc["digest"]["since"]
            db.execute("UPDATE kept SET doc = ? WHERE key = 'escalations'", (json.dumps(doc),))
        db.close()
        self.mendd.start()
        digest = h.until("the digest comes", self.slack.bodies)[0]
        self.assertIn("mendd repaired 1 alert since", title(digest))
        self.assertIn(run, json.dumps(digest))
        self.assertIn("Broken on Deployment shop/api", json.dumps(digest))
        self.assertEqual((len(self.slack.got), self.pager.got), (1, []))


class Plans(Told):
    def test_a_plan_is_told_with_its_link_and_its_incident_ends_with_the_yes(self):
        self.mendd.options = [f"--web.external-url={self.mendd.url}/"]
        self.begin(h.restart_playbook(mode="approve"), escalation={"default": {"notify": ["pager", "oncall"]}})
        self.workload("api")
        self.fire()
        run = self.mendd.wait_run(self.run_of(), state="awaiting_approval")
        key = f"mendd/{run['id']}/approval"
        trigger, slack = self.pager.one(event_action="trigger"), h.until("Slack is told", self.slack.bodies)[0]
        self.assertEqual(trigger["dedup_key"], key)
        self.assertEqual(trigger["payload"]["custom_details"]["plan"]["hash"], run["approval"]["hash"])
        self.assertEqual(trigger["payload"]["custom_details"]["plan"]["requests"], ["PATCH /apis/apps/v1/namespaces/shop/deployments/api"])
        text = json.dumps(slack)
        for word in (run["approval"]["hash"], "PATCH /apis/apps/v1/namespaces/shop/deployments/api", "rollout.complete"):
            self.assertIn(word, text)
        link = re.search(r"<(http[^|>]*)\|Look at the plan>", text).group(1)
        self.assertEqual(trigger["links"][0]["href"], link)
        for method in ("GET", "HEAD", "GET"):
            self.assertEqual(h.request(link, method).status, 200, link)
        self.assertIn("<form", h.request(link).body.decode(), "the link leads to the page that asks")
        self.assertEqual((self.mendd.record(run["id"])["state"], self.restarts()), ("awaiting_approval", 0), "looking is no yes")

        a = h.request(f"{self.mendd.url}/actions/{run['id']}/approve", "POST", {"hash": run["approval"]["hash"], "by": "alice"})
        self.assertEqual(a.status, 200, a)
        self.pager.one(event_action="resolve", dedup_key=key)
        h.until("Slack hears who said yes", lambda: any("approved by alice" in json.dumps(b) for b in self.slack.bodies()))
        self.mendd.wait_run(run["id"], state="settling")
        self.assertEqual([e["event_action"] for e in self.pager.bodies()], ["trigger", "resolve"])
        self.assertEqual(self.restarts(), 1)


class Once(Told):
    def test_an_unmatched_alert_is_told_once_however_often_it_comes(self):
        self.begin()
        for _ in range(10):
            self.fire("api", "Nobody", severity="warning")
        run = self.run_of("api", "Nobody")
        h.until("all were seen", lambda: self.mendd.record(run)["seen"] == 10)
        self.assertEqual(self.pager.one(event_action="trigger")["payload"]["severity"], "warning")
        self.fire("api", "Nobody", severity="warning", status="resolved")
        self.pager.one(event_action="resolve")
        self.assertEqual([e["event_action"] for e in self.pager.bodies()], ["trigger", "resolve"])

    def test_a_storm_is_told_once(self):
        """Twenty Deployments at once, and no playbook for MenddStorm: one page; what waited is repaired when it is over."""
        self.begin(h.restart_playbook(delay="1s", limits={"cooldown": "0s", "concurrent": 30}, verify={
            "timeout": "20s", "interval": "200ms", "for": "0s", "checks": [{"check": "rollout.complete"}]}),
            storm={"targets": 3, "within": "2s"})
        names = [f"svc-{i}" for i in range(20)]
        for name in names:
            self.workload(name)
        body = h.payload(*({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": n}} for n in names))
        self.assertEqual(self.mendd.webhook(body).status, 200)
        page = self.pager.one(event_action="trigger")
        self.assertIn("MenddStorm", page["payload"]["summary"])
        h.until("the others wait", lambda: len([r for r in self.mendd.records("?limit=100") if (r["held"] or {}).get("reason") == "storm"]) >= 16)
        self.assertLessEqual(self.restarts(), 4)
        self.assertEqual(self.status()["storms"][0]["namespace"], "shop")
        h.until("then it is over and each is repaired", lambda: self.restarts() == 20, 30)
        self.pager.one(event_action="resolve", dedup_key=page["dedup_key"])
        self.assertEqual([e["event_action"] for e in self.pager.bodies()], ["trigger", "resolve"])
