"""Every right that mendctl prints, taken away in turn: mendd must say so, in the right words, and must not work around it.

The cases are those of the rows (tests/real/cases) and, for what no shipped playbook does, small ones of their own
(tests/real/rights). For each step and check, and for what mendd itself reads, each verb on each resource that it says it needs is
taken from the roles of a case that uses it, and the case is run. The run must end in another way than `resolved`, or its evidence or
its checks must show it, with the API server's own words: cannot patch resource "deployments" in API group "apps". A right that nobody
misses in any case is one too many: that fails too.
"""
import collections
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time

import granted
import harness as h
import rows

OWN = h.ROOT / "tests" / "real" / "rights"
TRIES = 5  # cases in which a right may turn out to be missed
WAIT_S = float(os.environ.get("MENDD_WALK_WAIT_S", "40"))
Right = collections.namedtuple("Right", "verb resource group")
# Of a target that may be of several kinds a case shows one: who stands above a pod, what Flux reconciles. The words are the same
# for each, by one function (core/rights_in.c); rights/above-a-pod.yaml shows all of those above a pod.
ABOVE = {"deployments", "statefulsets", "daemonsets", "replicasets", "controllerrevisions", "jobs", "cronjobs", "replicationcontrollers"}
MOSTLY = ("deployments", "replicasets")  # what the cases' pods mostly are of
METHODS = {"create": "POST ", "patch": "PATCH ", "delete": "DELETE "}

# Best effort by design: what may not be told or counted is told by metrics and /clusters, not by a record.
UNNOTICED = {"its Events"}
# What no case can miss, and why.
EXCEPT = {
    ("create", "pods/exec"): "only API servers from Kubernetes 1.35 on ask for it",
}


def kind_of(right, target):
    """The right as it is told apart: of a target that may be of several kinds they are one."""
    kind = str(target.get("kind", ""))
    if kind == "Pod" and right.resource in ABOVE:
        return Right(right.verb, "who stands above the pod", "")
    if "{{" in kind and right.group.endswith("fluxcd.io"):
        return Right(right.verb, "what the alert names", "")
    return right


def rights_of(case):
    """{(who, right): {the rights that stand for it}}: what the case's own playbooks need, as `mendctl rbac -o wide` tells it."""
    scene = rows.Scene(case, None)
    config = {"clusters": [{"name": "e2e"}], "vars": case.get("vars", {}),
              **{k: v for k, v in case.get("config", {}).items() if k in ("budgets", "backup", "protected_namespaces")}}
    (scene.folder / "config.json").write_text(re.sub(r"\{\{[^}]*\}\}", "x", json.dumps(config)))
    folder = scene.playbooks()
    targets = {p["name"]: p.get("target", {}) for f in folder.glob("*.yaml") for p in json.loads(f.read_text())["playbooks"]}
    r = subprocess.run([str(h.BIN / "mendctl"), "rbac", "--config.file", str(scene.folder / "config.json"), "--playbooks",
                        str(folder), "-o", "wide"], capture_output=True, text=True)
    shutil.rmtree(scene.folder, ignore_errors=True)
    if r.returncode:
        raise AssertionError(f"{case.path}: {r.stderr}")
    names = {case.get("playbook"), *(e.get("playbook") for e in case.expects)}
    found = collections.defaultdict(set)
    for line in r.stdout.splitlines()[1:]:
        _, resource, _, verb, whys = line.split(None, 4)
        plural, _, group = resource.partition(".")
        for why in whys.strip().split("; "):
            playbook, _, who = why.removeprefix("playbook ").partition(", ")
            if playbook in names and who not in UNNOTICED:
                right = Right(verb, plural, group)
                found[who, right if case.path.parent == OWN else kind_of(right, targets[playbook])].add(right)
    return found


def exercised(case, right):
    """Whether the case says that it makes such a request."""
    plural = right.resource.partition("/")[0]
    lines = [line for e in case.expects for line in e.get("requests", [])]
    return right.verb in METHODS and any(line.startswith(METHODS[right.verb]) and f"/{plural}" in line for line in lines)


def without(items, right):
    """The roles without this verb on this resource."""
    items = json.loads(json.dumps(items))
    for m in items:
        for rule in m.get("rules", []):
            if right.resource in rule["resources"] and right.group in rule["apiGroups"]:
                rule["verbs"] = [v for v in rule["verbs"] if v != right.verb]
        if "rules" in m:
            m["rules"] = [r for r in m["rules"] if r["verbs"]]
    return [m for m in items if m.get("rules", True)]


class Deprived(rows.Scene):
    """A case whose mendd lacks one right."""

    def __init__(self, case, place, right):
        super().__init__(case, place)
        self.right, self.mendd = right, None
        self.words = re.compile(rf'cannot {right.verb} resource \\*"{re.escape(right.resource)}\\*" in API group \\*"{re.escape(right.group)}\\*"')

    def rights(self, manifests):
        return without(manifests, self.right)

    def playbooks(self):
        folder = super().playbooks()
        for f in folder.glob("*.yaml"):
            doc = json.loads(f.read_text())
            for p in doc["playbooks"]:
                steps = [s for rung in p.get("ladder", []) for s in rung["steps"]] + p.get("steps", [])
                for v in [p.get("verify"), *(s.get("verify") for s in steps)]:
                    if v and "timeout" in v:
                        v["timeout"] = "6s"  # what may not be read is unknown until then
            f.write_text(json.dumps(doc))
        return folder

    def judge(self, expect):
        pass

    def look(self):
        """(whether a record tells of the right that is missing, as it should; None: none does), (whether all records have ended)."""
        if not self.mendd or not self.mendd.running():
            return None, False
        try:
            records = [self.mendd.record(r["id"]) for r in self.mendd.records("?limit=100")]
        except Exception:
            return None, False  # it starts or stops
        for record in records:
            if not self.words.search(json.dumps(record)):
                continue
            if self.words.search(json.dumps([record["evidence"], record["checks"]])):
                return True, True
            if record["state"] == "done":
                return record["outcome"] != "resolved", True
        return None, len(records) >= max(1, len(self.alerts)) and all(r["state"] in ("done", "settling") for r in records)


def try_without(case, place, right):
    """None: it was missed. Else what happened instead. A case that was not played to its end says nothing: again."""
    for _ in range(2):
        why, played = try_once(case, place, right)
        if why is None or played:
            break
    return why


def try_once(case, place, right):
    """(as try_without(), whether the case was played to its end)."""
    scene, over = Deprived(case, place, right), threading.Event()
    held = [rows.lock_of(n) for n in sorted(n for n in [*case.get("namespaces", []), *case.get("alone", [])] if "{{" not in n)]
    failed = []

    def play():
        try:
            scene.play()
        except Exception as e:
            failed.append(str(e))
        over.set()
    for lock in held:
        lock.acquire()
    player = threading.Thread(target=play, daemon=True)
    try:
        player.start()
        deadline, said, began = time.monotonic() + 2 * WAIT_S, None, False
        while said is None and time.monotonic() < deadline:
            played = over.is_set()
            said, ended = scene.look()
            if not began and scene.mendd and scene.mendd.running():
                began, deadline = True, time.monotonic() + WAIT_S
            if played and (ended or not scene.mendd or not scene.mendd.running()):
                break
            time.sleep(0.2)
        if said:
            return None, True
        return ("it was worked around" if said is False else
                "nobody said so: " + (failed[0][:300] if failed else "the case went on")), over.is_set() and not failed
    finally:
        for p in reversed(scene.programs):
            try:
                p.stop()
            except AssertionError:
                pass
        player.join(30)
        try:
            scene.end()
        except Exception:
            pass
        for lock in reversed(held):
            lock.release()


def plan(cases):
    """({(who, right): [(case, the right that stands for it)]}, those that show it first), the cases' own needs)."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        needs = dict(zip([c.name for c in cases], pool.map(rights_of, cases)))
    users = collections.defaultdict(list)
    for c in cases:
        for key, rights in needs[c.name].items():
            users[key] += [(c, right) for right in sorted(rights)]
    for key in users:
        users[key].sort(key=lambda u: (u[0].path.parent != OWN, not exercised(*u), u[1].resource not in MOSTLY, len(needs[u[0].name]), u[0].name))
    return users, needs


def pick(open_keys, users, tried):
    """(case, right) pairs that try every open key once, each pair as many keys as it can."""
    pairs = collections.defaultdict(set)
    for key in open_keys:
        fresh = [(c.name, right) for c, right in users[key] if (c.name, right) not in tried]
        shown = [(c.name, right) for c, right in users[key] if (c.name, right) in fresh and exercised(c, right)]
        own = [(c.name, right) for c, right in users[key] if (c.name, right) in fresh and c.path.parent == OWN]
        mostly = [p for p in fresh if p[1].resource in MOSTLY]
        for pair in (own or shown or mostly or fresh)[:8]:
            pairs[pair].add(key)
    left, chosen = set(open_keys), []
    while left:
        best = max(sorted(pairs), key=lambda p: len(pairs[p] & left), default=None)
        if best is None or not pairs[best] & left:
            break
        chosen.append(best)
        left -= pairs[best]
    return chosen


def walk(place, cases, jobs=rows.JOBS, wanted=lambda who, right: True):
    """Returns (how many were missed, how many runs it took, [what is wrong])."""
    users, needs = plan(cases)
    by_name = {c.name: c for c in cases}
    open_keys = {k for k in users if (k[1].verb, k[1].resource) not in EXCEPT and wanted(*k)}
    total, tried, last = len(open_keys), set(), {}
    for _ in range(TRIES):
        todo = pick(sorted(open_keys), users, tried)
        if not todo:
            break
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for (name, right), why in zip(todo, pool.map(lambda t: try_without(by_name[t[0]], place, t[1]), todo)):
                tried.add((name, right))
                if os.environ.get("MENDD_WALK_VERBOSE"):
                    print(f"{name}: without {' '.join(right)}: {why or 'missed'}", file=sys.stderr, flush=True)
                for key in [k for k, rights in needs[name].items() if right in rights]:
                    if why is None:
                        open_keys.discard(key)
                    else:
                        last[key] = f"{name}: {why}"
    return total - len(open_keys), len(tried), [f"{who} needs {r.verb} {r.resource}{'.' if r.group else ''}{r.group}, and nobody misses it: "
                                                f"{last.get((who, r), 'no case')}" for who, r in sorted(open_keys)]


def cases_for(place):
    old = rows.CASES
    found = [c for c in rows.load(place) if "schedules" not in c.get("config", {})]  # nobody waits for the next minute here
    rows.CASES = OWN
    own = rows.load(place)
    rows.CASES = old
    return found + own
