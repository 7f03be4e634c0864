"""The rows of docs/coverage.yaml, end to end: a case file a row (tests/real/cases), run against kubesim or a real API server.

A case breaks a workload in a namespace of its own, fires the alert at a mendd of its own (straight at its /webhook; an
Alertmanager's stand-in hears the resolved alert), plays the operator where one is needed, and says what must come of it. Cases
run side by side. What a case may say: tests/real/cases/README.md.

mendd has exactly the rights that `mendctl rbac` prints for the case's playbooks and configuration (granted.py).

Each case is judged twice: by mendd's record, and, once all have ended, by what the API server itself wrote down of mendd's
requests: exactly the effects of the record, in the record's order, and no more.
"""
import concurrent.futures
import fnmatch
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import time
import traceback
import unittest

import doings
import granted
import harness as h
import templates
from scripted import Alertmanager, Http, KubesimServer, Promql, RedisServer, Tls

CASES = pathlib.Path(os.environ.get("MENDD_CASES", h.ROOT / "tests" / "real" / "cases"))
PLAYBOOKS = h.ROOT / "playbooks"
JOBS = int(os.environ.get("MENDD_ROWS_JOBS", "8"))
EVENTS = re.compile(r"(POST|PATCH) /api/v1/namespaces/[^/]+/events(/|$)")
KEYS = {"row", "summary", "playbooks", "playbook", "files", "set", "only", "test", "alone", "namespaces", "vars", "config", "options", "env",
        "servers", "setup", "alert", "annotations", "approve", "clears", "story", "expect", "timeout"}
EXPECT_KEYS = {"alert", "labels", "playbook", "state", "outcome", "reason", "escalated", "rung", "rollback", "message", "requests",
               "plan", "steps", "checks", "evidence", "evidence_says", "objects", "calls", "record"}


def read_yaml(*files):
    """{file: document}, by mendd's own reader."""
    r = subprocess.run([str(h.BIN / "mendctl"), "yaml", *map(str, files)], capture_output=True, text=True)
    if r.returncode:
        raise AssertionError(r.stderr)
    return json.loads(r.stdout)


@functools.cache
def shipped():
    """The shipped playbooks: {file name: document}."""
    return {pathlib.Path(f).name: d for f, d in read_yaml(*sorted(
        f for f in PLAYBOOKS.glob("*.yaml") if not f.name.endswith(".test.yaml"))).items()}


def method_of(name):
    return "test_" + "".join(c if c.isalnum() else "_" for c in name)


class Case:
    def __init__(self, path, doc):
        self.path, self.name, self.doc = path, path.stem, doc
        unknown = set(doc) - KEYS
        if unknown or "row" not in doc:
            raise AssertionError(f"{path}: " + (f"unknown key {sorted(unknown)[0]}" if unknown else "no row"))
        expect = doc.get("expect", [])
        self.expects = expect if isinstance(expect, list) else [expect]
        for e in self.expects:
            if set(e) - EXPECT_KEYS:
                raise AssertionError(f"{path}: expect: unknown key {sorted(set(e) - EXPECT_KEYS)[0]}")

    def get(self, key, default=None):
        return self.doc.get(key, default)

    def runs_on(self, place):
        return "test" not in self.doc and self.get("only", place) == place


def load(place):
    files = sorted(CASES.glob("*.yaml"))
    docs = read_yaml(*files) if files else {}
    return [c for c in (Case(f, docs[str(f)]) for f in files) if c.runs_on(place)]


def put(doc, path, value):
    """put(playbook, "ladder.0.steps.1.with.duration", "1s"): a number is a place in a list, `-` behind its end. None takes away."""
    *way, last = path.split(".")
    try:
        for key in way:
            doc = doc[int(key)] if isinstance(doc, list) else doc.setdefault(key, {})
        key = last if isinstance(doc, dict) else len(doc) if last == "-" else int(last)
        if value is None:
            doc.pop(key)
        elif key == len(doc) and isinstance(doc, list):
            doc.append(value)
        else:
            doc[key] = value
    except (IndexError, KeyError, ValueError, AttributeError):
        raise AssertionError(f"set: {path} leads nowhere") from None


def hasten(playbook):
    """What a test need not wait for: proofs are looked at often and believed soon, nothing rests between runs."""
    playbook.pop("delay", None)
    playbook["limits"] = {**playbook.get("limits", {}), "cooldown": "0s"}
    steps = [s for rung in playbook.get("ladder", []) for s in rung["steps"]] + playbook.get("steps", [])
    for v in [playbook.get("verify"), *(s.get("verify") for s in steps)]:
        if v:
            v.update({"interval": "200ms", "for": "600ms"})


class Scene:
    """One case at work, in a folder and a namespace of its own."""

    def __init__(self, case, place):
        self.case, self.place = case, place
        self.ns = "row-" + "-".join(method_of(case.name).split("_")[1:])[:40].strip("-").lower() + "-" + os.urandom(3).hex()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mendd-row-"))
        self.cluster, self.programs, self.servers, self.alerts, self.nodes = None, [], {}, [], []
        self.names = {"ns": self.ns, "folder": str(self.folder)}

    def fill(self, value):
        return templates.fill(value, self.names)

    def add(self, program):
        self.programs.append(program)
        return program

    # ---- what stands around mendd ----

    def start_servers(self):
        self.am = self.add(Alertmanager())
        self.names["alertmanager"] = {"url": self.am.url}
        for name, spec in self.fill(self.case.get("servers", {})).items():
            (kind, what), = spec.items()
            if kind == "redis":
                server = RedisServer(self.folder, name, what or [])
            elif kind == "tls":
                server = Tls(self.folder, name, what, self.holds)
            elif kind == "kubesim":
                server = KubesimServer(self.folder, name, doings.Admin)
            else:
                server = {"http": Http, "promql": Promql}[kind](name, what or {}, self.holds)
            self.servers[name] = self.add(server)
            self.names[name] = server.names()
            for doing in (what or []) if kind == "kubesim" else []:
                doings.do(self, {"on": {name: doing}})

    def holds(self, condition):
        """Whether an object is as a `when:` says."""
        return doings.look(self, self.fill(condition))[0]

    def playbooks(self):
        """Copies of the shipped files, hastened, with the case's `set`."""
        name = self.case.get("playbook")
        there = {"own.yaml": {"playbooks": self.case.get("playbooks")}} if self.case.get("playbooks") else shipped()
        files = self.case.get("files") or [f for f, d in there.items() if any(p["name"] == name for p in d["playbooks"])]
        if not files:
            raise AssertionError(f"no shipped playbook is named {name}")
        docs = json.loads(json.dumps({f: there[f] for f in files}))
        by_name = {p["name"]: p for d in docs.values() for p in d["playbooks"]}
        for p in by_name.values():
            hasten(p)
        for path, value in self.fill(self.case.get("set", {})).items():
            of, _, path = path.rpartition("/")
            put(by_name[of or name], path, value)
        folder = self.folder / "playbooks"
        folder.mkdir()
        if (PLAYBOOKS / "files").exists():
            shutil.copytree(PLAYBOOKS / "files", folder / "files")
        for f, d in docs.items():
            (folder / f).write_text(json.dumps(d, indent=1))
        return folder

    def start_mendd(self):
        self.mendd = self.add(h.Mendd(self.folder))
        self.names["mendd"] = {"url": self.mendd.url, "folder": str(self.mendd.folder)}
        self.mendd.playbooks = [self.playbooks()]
        self.mendd.options = self.fill(self.case.get("options", []))
        kubeconfig = self.place.kubeconfig(self, self.mendd.folder / "kubeconfig")
        self.names["kubeconfig"] = str(kubeconfig)
        config = {"unmatched": "record", **self.fill(self.case.get("config", {}))}
        for name, server in self.servers.items():
            if isinstance(server, Promql):
                config.setdefault("prometheus", {"url": server.url})
        config.setdefault("alertmanager", {"urls": [self.am.url]})
        config.setdefault("clusters", [{"name": "e2e", "kubeconfig": str(kubeconfig)}])
        self.mendd.configure(kubeconfig, vars=self.fill(self.case.get("vars", {})), **config)
        self.am.webhook = self.mendd.webhook
        self.place.grant(self, self.rights(granted.for_mendd(self.mendd.config_file, self.mendd.playbooks, kubeconfig, self.ns)))
        self.mendd.start(env=self.fill(self.case.get("env", {})))

    def rights(self, manifests):
        """What mendd is given of the roles that mendctl prints for it: all of them."""
        return manifests

    # ---- the story ----

    def story(self):
        story = self.case.get("story")
        if story is None:
            story = [{"fire": None}] if self.case.get("alert") else []
            if self.case.get("approve"):
                story += [{"run": {"state": "awaiting_approval"}}, {"approve": None}]
        return story

    def namespaces(self):
        return [self.ns, *self.fill(self.case.get("namespaces", []))]

    def play(self):
        self.place.enter(self)
        self.start_servers()
        for ns in self.namespaces():
            doings.make_namespace(self, ns)
        for what in self.case.get("setup", []):
            doings.do(self, what)
        self.start_mendd()
        for what in self.story():
            doings.do(self, what)
        for expect in self.case.expects:
            self.judge(self.fill(expect))

    def alert_labels(self, labels=None):
        """The labels of the case's alert; null takes one away."""
        labels = {"alertname": None, "namespace": self.ns, "severity": "critical",
                  **self.fill(labels if labels is not None else self.case.get("alert") or {})}
        return {k: str(v) for k, v in labels.items() if v is not None}

    def run_of(self, expect):
        if not expect.get("alert") and not self.alerts:
            raise AssertionError("expect: no alert was fired; say which one by `alert:`")
        name = expect.get("alert") or self.alerts[0]["alertname"]
        labels = expect.get("labels", {} if expect.get("alert") else {k: v for k, v in self.alerts[0].items() if k != "alertname"})
        return self.mendd.run_of(name, **labels)["id"]

    def wait_end(self, run, state):
        """Until the run has ended; its alert clears as soon as mendd has proven the repair, unless the case says otherwise."""
        cleared = not self.case.get("clears", True)

        def there():
            nonlocal cleared
            record = self.mendd.record(run)
            if record["state"] == "settling" and not cleared:
                self.am.clear(record["alert"]["labels"])
                cleared = True
            if record["state"] != state and record["state"] == "done":
                raise AssertionError(f"the run has ended, and was never {state}")
            return record if record["state"] == state else None
        try:
            return h.until(f"run {run} is {state}", there, self.case.get("timeout", 40))
        except AssertionError as e:
            raise AssertionError(f"{e}\n{json.dumps(h.brief(self.mendd.record(run)), indent=1)}") from None

    # ---- the judgement ----

    def judge(self, expect):
        self.record = record = self.wait_end(self.run_of(expect), expect.get("state", "done"))
        misses = []

        def miss(what, wanted, got):
            misses.append(f"{what}: expected {wanted!r}, got {got!r}")
        playbook = expect.get("playbook", self.case.get("playbook"))
        for key, wanted in {"playbook": playbook, **{k: expect[k] for k in (
                "outcome", "reason", "escalated", "rung", "rollback") if k in expect}}.items():
            if record.get(key) != wanted:
                miss(key, wanted, record.get(key))
        if "message" in expect and not templates.like(expect["message"], record.get("message")):
            miss("message", expect["message"], record.get("message"))
        for key, got in (("requests", [line_of(r) for r in requests_of(record)]),
                         ("plan", [line_of(r) for r in (record.get("plan") or {}).get("requests", [])])):
            if key in expect and not same_lines(expect[key], got):
                miss(key, expect[key], got)
        if "steps" in expect and expect["steps"] != [s["action"] for s in record["steps"]]:
            miss("steps", expect["steps"], [s["action"] for s in record["steps"]])
        passed = {c["check"] for c in record["checks"] if c["verdict"] == "pass"}
        if not set(expect.get("checks", [])) <= passed:
            miss("checks that pass", expect["checks"], sorted(passed))
        evidence = {e["action"]: json.dumps(e.get("data", e.get("text"))) for e in record["evidence"]}
        if not set(expect.get("evidence", [])) <= set(evidence):
            miss("evidence", expect["evidence"], sorted(evidence))
        for name, pattern in expect.get("evidence_says", {}).items():
            if not any(templates.like(pattern, json.dumps(e.get("data", e.get("text")))) for e in record["evidence"]
                       if name in (e["action"], e.get("name"))):
                miss(f"evidence of {name}", pattern, evidence.get(name))
        for pointer, wanted in expect.get("record", {}).items():
            if not templates.meets(templates.at(record, pointer), wanted):
                miss(f"the record's {pointer}", wanted, templates.at(record, pointer))
        for condition in expect.get("objects", []):
            try:
                doings.wait(self, condition)
            except AssertionError as e:
                misses.append(str(e))
        for server, wanted in expect.get("calls", {}).items():
            misses += self.servers[server].missing_calls(wanted)
        if misses:
            raise AssertionError("\n".join(misses) + "\n" + json.dumps(h.brief(record), indent=1))

    def judge_audit(self):
        """What the API server says mendd changed: exactly the effects that the records tell of, in order."""
        told = sorted((r for r in self.ended if r.get("path", "").startswith(("/api/", "/apis/"))
                       and r["method"] != "EXEC"), key=lambda r: r["at"])
        told = without([line_of(r) for r in told], self.elsewhere)
        seen = effects(self.place.writes(self, told))
        if told != seen:
            raise AssertionError(f"{self.case.name}: the records tell of {told}, the API server of {seen}")

    def keep_effects(self):
        """For judge_audit(), when mendd is gone: every request of every record that took effect."""
        records = [self.mendd.record(r["id"]) for r in self.mendd.records("?limit=1000")]
        self.ended = [{**r, "at": r.get("sent") or r.get("started") or ""} for record in records
                      for r in requests_of(record) if r.get("status") in ("done", "undone")]

    def end(self):
        late = []
        for p in reversed(self.programs):
            try:
                p.stop()
            except AssertionError as e:
                late.append(str(e))
        self.place.leave(self)
        self.elsewhere = [effects(s.applied()) for s in self.servers.values() if isinstance(s, KubesimServer)]
        shutil.rmtree(self.folder, ignore_errors=True)
        if late:
            raise AssertionError("; ".join(late))


def requests_of(record):
    return [r for s in record["steps"] for r in s.get("requests") or []]


def effects(lines):
    """Kubernetes Events tell of effects and are none."""
    return [line for line in lines if not EVENTS.match(line)]


def without(told, elsewhere):
    """What the records tell of this cluster: without what other clusters say that they did, each in its order."""
    for lines in elsewhere:
        at = 0
        for line in lines:
            if line not in told[at:]:
                raise AssertionError(f"another cluster did {line}; the records do not tell of it (in this order): {told}")
            at = told.index(line, at)
            del told[at]
    return told


def line_of(request):
    return f"{request['method']} {request['path'].split('?')[0]}"


def same_lines(patterns, got):
    return len(patterns) == len(got) and all(fnmatch.fnmatchcase(g, p) for p, g in zip(patterns, got))


# ---- running many ----

locks, locks_lock = {}, threading.Lock()


def lock_of(name):
    with locks_lock:
        return locks.setdefault(name, threading.Lock())


def run(case, place):
    """None or why it failed; and the scene, for the audit."""
    scene, began = Scene(case, place), time.monotonic()
    held = [lock_of(n) for n in sorted(n for n in [*case.get("namespaces", []), *case.get("alone", [])] if "{{" not in n)]
    for lock in held:
        lock.acquire()
    try:
        try:
            scene.play()
            scene.keep_effects()
            why = None
        except Exception as e:
            tails = "".join(f"\n---- {p.name}: the end of its log ----\n{p.tail()}" for p in scene.programs)
            why = (str(e) if isinstance(e, AssertionError) else traceback.format_exc()) + tails
        scene.took = time.monotonic() - began
        try:
            scene.end()
        except Exception:
            why = why or traceback.format_exc()
        return why, scene
    finally:
        for lock in reversed(held):
            lock.release()


class Runs:
    """Runs what was selected, all at once, when the first result is asked for."""

    def __init__(self, place_class):
        self.place_class, self.selected, self.results = place_class, [], None

    def result(self, case):
        if self.results is None:
            self.run_all()
        return self.results[case.name]

    def run_all(self):
        place = self.place_class()
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            done = list(pool.map(lambda c: run(c, place), self.selected))
        if place.audit_delay_s and any(why is None for why, _ in done):
            time.sleep(place.audit_delay_s)
        self.results = {}
        for case, (why, scene) in zip(self.selected, done):
            if why is None:
                try:
                    scene.judge_audit()
                except AssertionError as e:
                    why = str(e)
            self.results[case.name] = why, scene.took


def test_class(place_class):
    """A TestCase with a method a case, and load_tests for its module."""
    runs, body, cases = Runs(place_class), {}, {}
    for case in load(place_class.name):
        def method(self, case=case):
            why, took = runs.result(case)
            if why:
                self.fail(f"\n{case.path}: {why}")
            print(f"{took:.1f} s ", end="", flush=True)
        method.__doc__ = None
        body[method_of(case.name)] = method
        cases[method_of(case.name)] = case
    cls = type("Rows", (unittest.TestCase,), body)

    def load_tests(loader, tests, pattern):
        def walk(suite):
            for t in suite:
                if isinstance(t, unittest.TestSuite):
                    walk(t)
                elif isinstance(t, cls):
                    runs.selected.append(cases[t.id().rsplit(".", 1)[-1]])
        walk(tests)
        return tests
    return cls, load_tests
