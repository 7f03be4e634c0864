"""Commands in pods (pods/exec), shared by the runs against kubesim and against a real API server.

What a command does is read off the pod's annotation sim/exec, or off its first word (tests/real/node-sim, tests/kubesim/exec.c).
"""
import base64
import hashlib
import json
import os
import socket
import ssl
import struct
import time
import urllib.parse

import harness as h

V4 = "v4.channel.k8s.io"
RULES = [{"match": "^psql ", "stdout": " ?column? \n----------\n        1\n"},
         {"match": "^redis-cli PING$", "stdout": "PONG\n"},
         {"match": "^vacuum", "stderr": "database is locked; password=hunter2secret\n", "exit": 3},
         {"match": "^slow", "hang": True},
         {"match": "^lost", "stdout": "half\n", "no_status": True}]


def ask(cluster, ns, pod, command, container=None, protocols=V4, timeout=3.0):
    """One exec as a client of our own asks it: (status, {channel: bytes} or the refusal's message, how it ended)."""
    query = [("stdout", "true"), ("stderr", "true"), *([("container", container)] if container else []),
             *(("command", word) for word in command)]
    path = f"/api/v1/namespaces/{ns}/pods/{pod}/exec?" + urllib.parse.urlencode(query)
    u, key = urllib.parse.urlsplit(cluster.url), base64.b64encode(os.urandom(16)).decode()
    plain = socket.create_connection((u.hostname, u.port), timeout=timeout)
    with (ssl._create_unverified_context().wrap_socket(plain) if u.scheme == "https" else plain) as s:
        s.sendall((f"GET {path} HTTP/1.1\r\nHost: {u.netloc}\r\nAuthorization: Bearer {cluster.token}\r\nConnection: Upgrade\r\n"
                   f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
                   f"Sec-WebSocket-Protocol: {protocols}\r\n\r\n").encode())
        f = s.makefile("rb")
        status, headers = int(f.readline().split()[1]), {}
        while (line := f.readline().strip()):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        if status != 101:
            return status, json.loads(f.read(int(headers["content-length"]))).get("message"), None
        accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        assert base64.b64decode(headers["sec-websocket-accept"]) == accept, headers
        assert headers["sec-websocket-protocol"] == V4, headers
        return 101, *frames(f)


def frames(f):
    """{channel: bytes}, and how it ended: "closed", "cut off" or "still open"."""
    channels = {}
    try:
        while True:
            head = f.read(2)
            if len(head) < 2:
                return channels, "cut off"
            length = head[1] & 0x7f
            if length == 126:
                length = struct.unpack("!H", f.read(2))[0]
            data = f.read(length)
            if head[0] & 0x0f == 8:
                return channels, "closed"
            channels[data[0]] = channels.get(data[0], b"") + data[1:]
    except TimeoutError:
        return channels, "still open"


def scenarios(ns, pod):
    """(name, arguments of ask) of what both servers must answer alike."""
    yield "echo", (ns, pod, ["echo", "a b", "c&d=e/ä"])
    yield "in the container", (ns, pod, ["echo", "x"], "app")
    yield "a rule", (ns, pod, ["psql", "-c", "SELECT 1"])
    yield "exit code", (ns, pod, ["exit", "3"])
    yield "exit code and words", (ns, pod, ["vacuum", "full"])
    yield "stderr", (ns, pod, ["stderr", "no"])
    yield "no status", (ns, pod, ["nostatus", "half"])
    yield "hang", (ns, pod, ["hang"])
    yield "flood", (ns, pod, ["flood", "300000"])
    yield "no such pod", (ns, "nobody", ["echo", "x"])
    yield "no such container", (ns, pod, ["echo", "x"], "sidecar")


def playbook(**more):
    """Evidence by a command that looks, a step that runs one, a check that asks one."""
    book = {"name": "vacuum", "matchers": ["alertname=Bloated"], "mode": "auto",
            "target": {"kind": "Deployment", "namespace": "{{ labels.namespace }}", "name": "{{ labels.deployment }}"},
            "limits": {"cooldown": "0s"},
            "diagnose": [{"action": "exec.read", "with": {"command": ["psql", "-c", "SELECT 1"]}}],
            "steps": [{"action": "exec", "with": {"command": ["echo", "vacuumed", "{{ labels.table }}"]}}],
            "verify": {"timeout": "10s", "interval": "200ms", "for": "0s",
                       "checks": [{"check": "exec", "with": {"command": ["redis-cli", "PING"], "expect": "PONG"}}]},
            "settle": "0s", "on_failure": {"rollback": True, "escalate": True}}
    return {**book, **more}


class World:
    """`prepare` gives (cluster, namespace, mendd's kubeconfig), `sent` the commands that reached a pod."""

    audit_s = 0  # how late the log may be in which `sent` looks

    def assert_once(self, word):
        h.until(f"{word} reached a pod", lambda: self.sent(word))
        time.sleep(self.audit_s)
        self.assertEqual(len(self.sent(word)), 1, self.sent(word))

    def run_playbook(self, wait=True, **more):
        self.cluster, self.space, kubeconfig = self.prepare()
        self.cluster.create(h.namespace(self.space))
        self.cluster.create(h.deployment(self.space, "db", 2, {"sim/exec": json.dumps(RULES)}))
        self.cluster.wait_pods(self.space, "app=db", 2, ready=True)
        self.mendd = self.new_mendd()
        self.mendd.configure(kubeconfig(self.mendd.folder / "kubeconfig")).with_playbooks(playbook(**more)).start()
        alert = {"labels": {"alertname": "Bloated", "namespace": self.space, "deployment": "db", "table": "a'; rm -rf / #"}}
        self.assertEqual(self.mendd.webhook(h.payload(alert)).status, 200)
        run = self.mendd.run_of("Bloated")["id"]
        return self.mendd.wait_done(run, 60) if wait else run

    def evidence(self, record, word):
        return next(e for e in record["evidence"] if word in e["name"])


class Execs(World):
    def test_a_command_runs_once_and_its_output_is_kept(self):
        record = self.run_playbook(verify={"timeout": "10s", "interval": "200ms", "for": "0s", "checks": [
            {"check": "exec", "with": {"command": ["redis-cli", "PING"], "expect": "PONG"}},
            {"check": "exec", "with": {"command": ["exit", "4"], "exit_code": 4}}]})
        self.assertEqual({c["verdict"] for c in record["checks"]}, {"pass"}, json.dumps(h.brief(record), indent=1))
        first = min(p["metadata"]["name"] for p in self.cluster.pods(self.space, "app=db"))
        self.assertIn("        1", self.evidence(record, "psql")["text"])
        # a template's value is one argument, whatever it holds
        self.assertEqual(self.evidence(record, "vacuumed")["text"], "vacuumed a'; rm -rf / #\n")
        request = record["steps"][0]["requests"][0]
        self.assertEqual((request["method"], request["status"], request["object"]["name"]), ("EXEC", "done", first))
        self.assert_once("vacuumed")

    def test_an_exit_code_that_is_not_expected_fails_the_step(self):
        record = self.run_playbook(steps=[{"action": "exec", "with": {"command": ["vacuum", "full"]}}])
        self.assertEqual((record["outcome"], record["reason"], record["escalated"]), ("failed", "action_failed", True))
        self.assertIn("exec: exited with 3, 0 was expected: database is locked", record["message"])
        self.assertNotIn("hunter2secret", json.dumps(record))
        self.assert_once("vacuum")

    def test_a_command_without_status_is_interrupted_and_never_sent_again(self):
        record = self.run_playbook(steps=[{"action": "exec", "with": {"command": ["lost"]}}])
        self.assertEqual((record["outcome"], record["reason"], record["escalated"]), ("failed", "interrupted", True))
        self.assertRegex(record["message"], "^exec: .*closed without a status.*; whether it took effect cannot be known .*: a person must look")
        self.assertEqual(self.evidence(record, "lost")["text"], "half\n")
        self.assert_once("lost")

    def test_a_command_that_hangs_ends_with_its_time(self):
        record = self.run_playbook(steps=[{"action": "exec", "with": {"command": ["slow"], "timeout": "1s"}}])
        self.assertEqual((record["outcome"], record["reason"]), ("failed", "interrupted"))
        self.assertRegex(record["message"], "^exec: .*no end within.*: a person must look")
        self.assert_once("slow")

    def test_ten_megabytes_are_cut(self):
        record = self.run_playbook(steps=[{"action": "exec", "with": {"command": ["flood"]}}])
        kept = self.evidence(record, "flood")
        self.assertLess(len(kept["text"]), 70000)
        self.assertTrue(kept["text"].startswith("xxxx"))
        self.assertEqual({c["verdict"] for c in record["checks"]}, {"pass"}, json.dumps(h.brief(record), indent=1))

    def test_killed_while_a_command_runs_it_is_not_run_again(self):
        run = self.run_playbook(wait=False, steps=[{"action": "exec", "with": {"command": ["slow"], "timeout": "30s"}}])
        h.until("the command runs", lambda: self.sent("slow"))
        self.mendd.kill9()
        self.mendd.start()
        record = self.mendd.wait_done(run)
        self.assertEqual((record["outcome"], record["reason"], record["escalated"]), ("failed", "interrupted", True))
        self.assert_once("slow")
