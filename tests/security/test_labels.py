"""Whoever may post chooses every byte of a label. Values aimed at what mendd makes of them: paths, URLs, JSON patches, headers, shells,
log lines, Markdown, HTML, chat messages. What a value is aimed at must come out as text, or not at all."""
import html.parser
import json
import re
import urllib.parse

from doors import Doors
from doors import h
from standins import Recorder

MARK = "pwned7331"
AIMED = {
    "a path": f"../../kube-system/deployments/{MARK}", "an encoded path": f"%2e%2e%2fsecrets%2f{MARK}", "a query": f"api?dryRun=All&x={MARK}",
    "a fragment": f"api#{MARK}", "a subresource": f"api/scale/{MARK}", "another host": f"@evil.example/{MARK}",
    "a URL": f"http://evil.example/{MARK}", "a JSON patch": f'api","spec":{{"replicas":0,"x":"{MARK}"}},"y":"',
    "a JSON pointer": f"/spec/replicas~1{MARK}", "a header": f"api\r\nX-Forged: {MARK}", "a shell": f"$(touch {MARK});`id`|id&&id",
    "a template": "{{ vars.secret }}" + MARK, "a log line": f"api\nts=2026-01-01T00:00:00Z level=info msg={MARK}", "a NUL escape": f"api\\u0000{MARK}",
    "a selector": f"app=api,tier in (db) {MARK}", "a regex": f"(.*)*{MARK}", "HTML": f"<img src=x onerror=alert(1)><script>{MARK}</script>",
    "an attribute": f'" onmouseover="{MARK}" x="', "Markdown": f"![x](http://evil.example/{MARK})\n# {MARK}\n[click](javascript:{MARK})\n```\n</details>",
    "a table": f"a|b|{MARK}\n|---|", "Slack": f"<!channel> <http://evil.example|{MARK}> *x* `y` &lt;", "a mention": f"<@U123> @here {MARK}",
    "a terminal": f"\x1b]0;{MARK}\x07\x1b[2J", "bidi": f"\u202e{MARK}\u2066", "SQL": f"'); DROP TABLE runs; -- {MARK}", "a format": f"%s%n%x{MARK}",
    "XML": f"<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>&y;{MARK}", "mail": f"x\r\n.\r\nMAIL FROM:<{MARK}>",
}


class Page(html.parser.HTMLParser):
    """Which elements and attributes a browser would make of it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        for name, value in attrs:
            if name in ("href", "src", "action", "formaction"):
                assert not re.match(r"(javascript|data|https?):", value or "", re.I), (tag, value)


class Labels(Doors):
    def setUp(self):
        super().setUp()
        self.slack = self.add(Recorder("slack"))
        playbook = h.restart_playbook(vars={"secret": "hunter2-of-the-vars"})
        # every place of a request that a template may fill
        wide = {**h.restart_playbook("wide", "Wide"), "limits": {"cooldown": "0s", "attempts": "500/1h"}, "target": {"kind": "Deployment", "namespace": "shop", "name": "api"}, "steps": [
            {"action": "resource.annotate", "with": {"annotations": {"note": "{{ labels.deployment }}"}}},
            {"action": "http.request", "with": {"method": "POST", "url": self.slack.url + "/{{ labels.deployment }}",
                                                "headers": {"X-Label": "{{ labels.deployment }}"}, "json": {"label": "{{ labels.deployment }}"}}}],
            "verify": {"timeout": "5s", "interval": "200ms", "for": "0s", "checks": [{"check": "pods.ready"}]}, "on_failure": {"rollback": False, "escalate": True}}
        self.mendd_with(receivers=[{"name": "chat", "slack": {"url": self.slack.url + "/slack"}}, {"name": "hook", "webhook": {"url": self.slack.url + "/hook"}}],
                        escalation={"default": {"notify": ["chat", "hook"]}}, unmatched="escalate", limits={"target_attempts": "500/1h"})
        self.m.with_playbooks(playbook, wide)
        self.sim.create(h.deployment("shop", "api"))
        self.sim.wait_pods("shop", "app=api", 2)
        self.before = {p.name for p in self.folder.rglob("*")}
        self.m.start()

    def fire(self, alertname, value, case):
        labels = {"alertname": alertname, "namespace": "shop", "deployment": value, "case": case, f"odd-{case}": value}
        body = h.payload({"labels": labels, "annotations": {"summary": value, "runbook_url": value}, "generatorURL": value})
        self.assertEqual(self.m.webhook(body).status, 200)
        return self.m.run_of(alertname, case=case)["id"]

    def test_as_the_name_of_a_target(self):
        """It must be a name of Kubernetes, or there is no target: no request is ever made of it."""
        runs = {what: self.fire("Broken", value, str(i)) for i, (what, value) in enumerate(AIMED.items())}
        for what, run in runs.items():
            with self.subTest(what):
                record = self.m.wait_done(run)
                self.answered(f"{what} as a target's name", f"{record['outcome']}, {record['reason']}")
                self.assertEqual((record["outcome"], record["reason"]), ("skipped", "no_target"))
                self.assertEqual(record["alert"]["labels"]["deployment"], AIMED[what], "kept as it came")
        asked = self.sim.audit_file.read_text() if self.sim.audit_file.exists() else ""
        self.assertNotIn(MARK, urllib.parse.unquote(asked), "no request to the API server bears any of it")
        self.assertEqual(self.sim.writes("PATCH"), [])
        self.clean_everywhere(runs)

    def clean_everywhere(self, runs):
        self.pages(runs)
        self.notices()
        self.log_and_files()

    def pages(self, runs):
        allowed = {"html", "head", "meta", "style", "title", "body", "h1", "h2", "p", "a", "b", "table", "tr", "th", "td", "pre", "ol", "ul",
                   "li", "form", "input", "button"}
        page = Page(self.m.get("/").body.decode())
        self.assertLessEqual(page.tags, allowed)
        self.assertFalse([a for a in page.attributes if a.startswith("on")])
        self.answered("HTML in labels, on the page /", f"no element of theirs; {len(page.tags)} kinds of tags, all mendd's")
        for run in runs.values():
            a = self.m.get(f"/actions/{run}")
            self.assertIn("application/json", a.headers["Content-Type"])
            self.assertIsInstance(a.json, dict)
            text = self.m.get(f"/actions/{run}/report").body.decode()
            # outside of code and with escapes taken out there is no link, image, heading or tag of theirs
            bare = re.sub(r"\\.", "", re.sub(r"(?ms)^(`{3,}|~{3,}).*?^\1`*~*$|(`+)(?!`).*?\2", "", text))
            self.assertNotRegex(bare, r"!\[|\]\(\s*(http://evil|javascript:)|<(img|script|details|/details)\b")
            self.assertFalse([line for line in bare.splitlines() if re.match(rf"\s*#+ {MARK}", line)])
        self.answered("Markdown and HTML in labels, in the report", "no link, image, heading or tag of theirs")

    def notices(self):
        h.until("people are told", lambda: self.slack.bodies())

        def texts(value):
            if isinstance(value, dict):
                return [t for v in value.values() for t in texts(v)]
            if isinstance(value, list):
                return [t for v in value for t in texts(v)]
            return [value] if isinstance(value, str) else []
        chat = [r["json"] for r in list(self.slack.got) if r["path"] == "/slack"]
        for text in (t for body in chat for t in texts(body)):
            self.assertNotRegex(text, r"<!(channel|here|everyone)|<@U|<http://evil")
        for r in list(self.slack.got):
            self.assertNotIn("X-Forged", r["headers"])
        self.answered("Slack's own marks in labels", f"{len(chat)} messages without a mention or link of theirs")

    def log_and_files(self):
        log = self.m.log.read_bytes()
        self.assertFalse([line for line in log.splitlines() if not line.startswith(b"ts=20")], "each line is mendd's own")
        self.assertNotIn(b"\x1b", log)
        new = {p.name for p in self.folder.rglob("*")} - self.before
        self.assertFalse([n for n in new if MARK in n], "no file of theirs")
        self.assertNotIn("hunter2-of-the-vars", json.dumps(self.m.records("?limit=1000")))
        self.assertIsInstance(self.m.records("?limit=1"), list, "the journal answers")
        self.assertEqual(self.m.metrics().count(MARK), 0, "no label of an alert becomes one of a metric")

    def test_as_a_value_in_a_step(self):
        """Where text may stand, it stands there as text: encoded in the URL, one line in a header, a string in the body."""
        self.m.get("/-/ready")
        for i, (what, value) in enumerate(AIMED.items()):
            with self.subTest(what):
                before = len(self.slack.got)
                run = self.fire("Wide", value, f"w{i}")
                record = self.m.wait_run(run, state="settling") if self.takes(value, run) else self.m.wait_done(run)
                sent = [r for r in list(self.slack.got)[before:] if r["path"] not in ("/slack", "/hook")]
                note = self.sim.deployment("shop", "api")["metadata"]["annotations"].get("note")
                if sent:
                    self.assertEqual(len(sent), 1)
                    self.assertEqual(sent[0]["path"].count("/"), 1, "one segment")
                    self.assertEqual(urllib.parse.unquote(sent[0]["path"][1:]), value)
                    self.assertEqual(sent[0]["json"], {"label": value}, "one string, whatever is in it")
                    self.assertNotIn("X-Forged", sent[0]["headers"])
                    self.assertEqual(note, value)
                self.assertNotEqual(record["reason"], "attempts_exhausted")
                self.answered(f"{what} in an annotation, a URL, a header, a body",
                              "sent as text, encoded" if sent else f"refused: {record['reason']}")
                self.m_resolve("Wide", value, f"w{i}")
        self.assertEqual(self.sim.deployment("shop", "api")["spec"]["replicas"], 2)

    def takes(self, value, run):
        last = h.until("it is decided", lambda: (r := self.m.record(run))["state"] in ("settling", "done") and r)
        return last["state"] == "settling"

    def m_resolve(self, alertname, value, case):
        labels = {"alertname": alertname, "namespace": "shop", "deployment": value, "case": case, f"odd-{case}": value}
        self.m.webhook(h.payload({"labels": labels, "status": "resolved", "endsAt": "2026-01-05T10:05:00Z"}, status="resolved"))
