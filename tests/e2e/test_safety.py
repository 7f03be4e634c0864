"""What holds repairs: maintenance windows, budgets, breakers; and configurations that a reload refuses."""
import datetime
import json

import harness as h
from standins import Told, broken_playbook, title


def at(**later):
    """A crontab line that fires once a day: in the minute that is `later` from now, by UTC."""
    t = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**later)
    return f"{t.minute} {t.hour} * * *"


def window(name="now", **more):
    return {"name": name, "cron": at(minutes=-1), "duration": "2h", **more}


class Safety(Told):
    def held(self, name, reason):
        return h.until(f"{name} waits for {reason}", lambda: self.waits(name, reason))

    def waits(self, name, reason):
        r = self.mendd.run_of("Broken", deployment=name)
        return r if r["state"] == "queued" and (r["held"] or {}).get("reason") == reason else None

    def acts(self, *names):
        for name in names:
            h.until(f"{name} is restarted", lambda n=name: self.restarts(n) == 1)

    def set(self, *playbooks, **config):
        self.configure(*playbooks, **config)
        a = self.reload()
        self.assertEqual(a.status, 200, a)


class Windows(Safety):
    def setUp(self):
        super().setUp()
        for name in ("api", "web"):
            self.workload(name)

    def test_inside_it_waits_and_afterwards_it_acts(self):
        self.begin(maintenance={"windows": [window(playbooks=["restart"])]})
        self.fire("api")
        run = self.held("api", "maintenance")
        self.assertIn("now", json.dumps(run["held"]) + json.dumps(run["timeline"]))
        self.assertTrue(run["held"]["until"])
        shown = self.status()["maintenance"]
        self.assertEqual([(w["window"], w["open"]) for w in shown], [("now", True)])
        self.assertIn("now", self.ctl("status", "-o", "table"))
        self.assertEqual(self.restarts(), 0)
        self.set(maintenance={"windows": [window(namespaces=["elsewhere"])]})
        self.acts("api")
        self.assertEqual(self.mendd.record(run["id"])["held"], None)
        self.assertEqual(self.pager.got, [], "waiting pages nobody")

    def test_only_inside_it_acts(self):
        only = h.restart_playbook(maintenance="only")
        self.begin(only, maintenance={"windows": [window("later", cron=at(hours=6))]})
        self.fire("api")
        run = self.held("api", "maintenance")
        self.assertIn("later", json.dumps(run["held"]) + json.dumps(run["timeline"]))
        self.assertEqual(self.restarts(), 0)
        self.set(only, maintenance={"windows": [window("later", cron=at(hours=6)), window()]})
        self.acts("api")
        self.fire("web")
        self.acts("web")

    def test_observed_it_is_only_noted(self):
        self.begin(maintenance={"windows": [window(inside="observe")]})
        self.fire("api")
        record = self.mendd.wait_done(self.run_of("api"))
        self.assertEqual((record["outcome"], record["reason"]), ("skipped", "observe_mode"))
        self.assertIn('window "now"', record["message"])
        self.assertEqual((self.restarts(), self.pager.got), (0, []))

    def test_receivers_hear_of_a_window_once(self):
        windows = {"notice": "48h", "notify": ["oncall"], "windows": [window("soon", cron=at(hours=5), namespaces=["shop"])]}
        self.begin(maintenance=windows)
        first = h.until("notice is given", self.slack.bodies)[0]
        self.assertIn("soon", title(first))
        self.assertIn("namespace shop", json.dumps(first))
        told = len(self.slack.bodies())
        self.set(maintenance=windows)
        self.mendd.kill9()
        self.mendd.start()
        self.fire("api")  # what comes after the start is handled after what the start itself has to say
        self.acts("api")
        self.assertEqual(len(self.slack.got), told)


class Limits(Safety):
    def test_a_budget_lets_two_through_and_the_third_when_it_is_reset(self):
        free = h.restart_playbook(limits={"cooldown": "0s", "concurrent": 10})
        self.begin(free, budgets={"workloads": "2/1h"})
        names = ["a", "b", "c"]
        for name in names:
            self.workload(name)
        for name in names[:2]:
            self.fire(name)
        self.acts("a", "b")
        self.fire("c")
        run = self.held("c", "budget")
        self.assertTrue(run["held"]["until"])
        shown = [b for b in self.status()["budgets"] if b["scope"] == "global"][0]
        self.assertEqual((shown["limit"], shown["used"], shown["left"], shown["held"]), ("2/1h", 2, 0, 1))
        self.mendd.kill9()
        self.mendd.start()
        self.held("c", "budget")
        self.assertEqual(self.restarts("c"), 0)
        self.ctl("reset", "budget")
        self.acts("c")
        self.assertEqual(self.restarts(), 3)

    def test_three_at_once_do_not_exceed_it_either(self):
        self.begin(h.restart_playbook(limits={"cooldown": "0s", "concurrent": 10}), budgets={"per_namespace": {"workloads": "2/1h"}})
        names = ["a", "b", "c"]
        for name in names:
            self.workload(name)
        body = h.payload(*({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": n}} for n in names))
        self.assertEqual(self.mendd.webhook(body).status, 200)
        h.until("two are restarted, one waits", lambda: self.restarts() == 2 and [n for n in names if self.waits(n, "budget")])
        late = [n for n in names if self.waits(n, "budget")][0]
        self.ctl("reset", "budget", "namespace e2e/shop")
        self.acts(late)

    def test_a_playbook_that_keeps_failing_is_stopped(self):
        book = broken_playbook("Broken", limits={"cooldown": "0s", "concurrent": 10})
        self.begin(book, breaker={"failures": 3, "within": "10m", "open": "1h"})
        names = ["a", "b", "c", "d"]
        for name in names:
            self.workload(name, {"sim/ready": "never"})
        for name in names[:3]:
            self.fire(name)
        for name in names[:3]:
            self.assertEqual(self.mendd.wait_done(self.run_of(name))["reason"], "verify_failed")
        shown = h.until("it opens", lambda: [b for b in self.status()["breakers"] if b["state"] == "open"])[0]
        self.assertIn("hopeless", shown["name"])
        self.fire("d")
        run = self.held("d", "breaker_open")
        self.assertEqual(self.restarts("d"), 0)
        self.assertIn("hopeless", self.ctl("status", "-o", "table"))
        self.ctl("reset", "breaker", shown["name"])
        self.acts("d")
        self.assertEqual(self.mendd.wait_done(run["id"])["reason"], "verify_failed")
        h.until("each failure pages once", lambda: len(self.pager.bodies(event_action="trigger")) == 4)


class BadConfig(Safety):
    def test_a_reload_refuses_it_with_its_place_and_the_old_one_stays(self):
        good = {"maintenance": {"windows": [window(namespaces=["elsewhere"])]}}
        self.begin(**good)
        for change, at_key, words in [
                ({"escalation": {"critical": {"notify": ["pagr"]}}}, '"pagr"', r'no receiver "pagr".*did you mean.*pager'),
                ({"digest": {"notify": ["nobody"]}}, '"nobody"', 'no receiver "nobody"'),
                ({"maintenance": {"windows": [window(cron="61 2 * * *")]}}, '"61 2', "is no schedule: .*61"),
                ({"maintenance": {"windows": [window(cron="0 2 * *")]}}, '"0 2 * *"', "is no schedule: .*five"),
                ({"maintenance": {"windows": [window(cron="0 0 30 2 *")]}}, '"0 0 30', "never fires"),
                ({"maintenance": {"windows": [window(timezone="Mars/Olympus")]}}, '"Mars', "Mars/Olympus"),
                ({"maintenance": {"windows": [window(duration="0s")]}}, '"0s"', "longer than nothing"),
                ({"budgets": {"workloads": "many"}}, '"many"', "many"),
                ({"budgets": {"workloads_percent": 130}}, "130", "at most 100 percent"),
                ({"storm": {"targets": 3, "whithin": "1m"}}, '"whithin"', "did you mean.*within")]:
            self.configure(**{**good, **change})
            text = self.mendd.config_file.read_text().splitlines()
            line = [i + 1 for i, t in enumerate(text) if at_key in t][0]
            column = text[line - 1].index(at_key) + 1
            a = self.reload()
            self.assertEqual((a.status, a.json["error"]["code"]), (500, "reload_failed"), change)
            self.assertRegex(a.json["error"]["message"], rf"config\.json:{line}:{column}: .*{words}")
            self.assertIn("the old configuration stays", a.json["error"]["message"])
            self.assertEqual([(w["window"], w["open"]) for w in self.status()["maintenance"]], [("now", True)])
        self.configure(**good)
        self.assertEqual(self.reload().status, 200)
