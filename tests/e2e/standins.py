"""Who is told, as the end-to-end tests see them: a server that records what Slack, PagerDuty or a webhook would get, one
that takes connections and never says a word, and the scene of the tests about who is told and what holds repairs.
"""
import http.server
import json
import socket
import subprocess
import threading
import time

import harness as h


class Recorder(h.LocalServer):
    """Records each POST as {at (monotonic), path, headers, json} and answers it with `status`; a status of None: never."""

    def __init__(self, name, status=200):
        recorder, self.status, self.got = self, status, []
        self.closing, self.lock = threading.Event(), threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with recorder.lock:
                    status = recorder.status
                    recorder.got.append({"at": time.monotonic(), "path": self.path, "headers": dict(self.headers),
                                         "json": json.loads(body), "answered": status})
                if status is None:
                    recorder.closing.wait()
                    return
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

        super().__init__(name, Handler)

    def stop(self):
        self.closing.set()
        super().stop()

    def tail(self):
        return "\n".join(f"{r['at']:.3f} {r['answered']} {json.dumps(r['json'])[:300]}" for r in list(self.got)[-40:])

    def bodies(self, **fields):
        """What it got and took, in order, by top-level values: bodies(event_action="trigger")."""
        return [r["json"] for r in list(self.got) if r["answered"] == 200 and all(r["json"].get(k) == v for k, v in fields.items())]

    def one(self, timeout=20, **fields):
        return h.until(f"{self.name} got {fields}", lambda: self.bodies(**fields), timeout)[0]


class Silence:
    """Listens, and never says a word: a mail server that hangs before its greeting."""

    name = "silence"

    def __init__(self):
        self.socket, self.peer = socket.create_server(("127.0.0.1", 0)), None
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"

    def called(self):
        """Somebody has connected (and is kept waiting)."""
        self.socket.settimeout(10)
        self.peer = self.socket.accept()[0]
        return True

    def stop(self):
        self.socket.close()
        if self.peer:
            self.peer.close()

    def tail(self):
        return ""


def title(slack):
    """The header of a Slack message."""
    return slack["blocks"][0]["text"]["text"]


def broken_playbook(alertname="Hopeless", **more):
    """A repair that cannot work, and knows it soon: the pods of its Deployment never get ready."""
    return h.restart_playbook("hopeless", alertname, severity="critical", **{"verify": {
        "timeout": "1s", "interval": "200ms", "for": "0s", "checks": [{"check": "rollout.complete"}]}, **more})


class Told(h.Scene):
    """A daemon with receivers: pager (PagerDuty), oncall (Slack)."""

    def setUp(self):
        super().setUp()
        self.sim, self.mendd = self.kubesim(), self.new_mendd()
        self.sim.create(h.namespace("shop"))
        self.pager, self.slack = self.add(Recorder("pager")), self.add(Recorder("slack"))

    def receivers(self, *more, **pager):
        slack_file, key_file = self.mendd.folder / "slack", self.mendd.folder / "pagerduty"
        slack_file.write_text(self.slack.url + "/services/T0/B0/s3cr3t\n")
        key_file.write_text("r0utingkey\n")
        return [{"name": "pager", "pagerduty": {"routing_key_file": str(key_file), "url": self.pager.url + "/v2/enqueue"}, **pager},
                {"name": "oncall", "slack": {"url_file": str(slack_file)}}, *more]

    def configure(self, *playbooks, **config):
        config.setdefault("receivers", self.receivers())
        config.setdefault("escalation", {"default": {"notify": ["pager"]}})
        self.mendd.configure(self.sim.kubeconfig(self.mendd.folder / "kubeconfig"), **config)
        self.mendd.with_playbooks(*(playbooks or [h.restart_playbook()]))

    def begin(self, *playbooks, **config):
        self.configure(*playbooks, **config)
        self.mendd.start()

    def workload(self, name, sim=None):
        self.sim.create(h.deployment("shop", name, 1, sim or {"sim/unready-until-restarted": "true"}))

    def fire(self, name="api", alertname="Broken", status="firing", **labels):
        a = self.mendd.webhook(h.payload(
            {"labels": {"alertname": alertname, "namespace": "shop", "deployment": name, **labels}}, status=status))
        self.assertEqual(a.status, 200, a)

    def run_of(self, name="api", alertname="Broken"):
        return self.mendd.run_of(alertname, deployment=name)["id"]

    def ctl(self, *words):
        r = subprocess.run([str(h.BIN / "mendctl"), "--url", self.mendd.url, *words], capture_output=True, text=True,
                           stdin=subprocess.DEVNULL)
        self.assertEqual(r.returncode, 0, f"{words}: {r.stdout}{r.stderr}")
        return r.stdout

    def reload(self):
        return h.request(self.mendd.url + "/-/reload", "POST", b"")

    def status(self):
        return self.mendd.get("/status").json

    def restarts(self, name=""):
        return len(self.sim.writes("PATCH", f"/deployments/{name}"))

    def told(self, run):
        """The record's word on who was told: {(level, receiver, event): status}."""
        return {(e["level"], r["receiver"], r["event"]): r["status"]
                for e in self.mendd.record(run)["escalations"] for r in e["receivers"]}

    def wait_told(self, run, expected):
        try:
            h.until(f"run {run} says who was told", lambda: self.told(run) == expected)
        except AssertionError:
            self.assertEqual(self.told(run), expected)
            raise
