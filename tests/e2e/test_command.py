"""command.run: programs on mendd's host, from a webhook to the record."""
import harness as h
import os
import pathlib
import signal
import stat


class Command(h.Scene):
    def setUp(self):
        super().setUp()
        self.sim = self.kubesim()
        self.sim.create(h.namespace("shop"))
        self.sim.create(h.deployment("shop", "api", 1))
        self.sim.wait_pods("shop", "app=api", 1, ready=True)
        self.mendd = self.new_mendd()
        self.seen = self.mendd.folder / "seen"

    def program(self, text):
        path = self.mendd.folder / "program"
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    def begin(self, command, timeout="10s", feature=True, **more):
        with_ = {"command": command, "timeout": "5s", **more.pop("with_", {})}
        playbook = {"name": "program", "matchers": ['alertname="Broken"'], "mode": "auto", "resolve": "post",
                    "target": {"kind": "Deployment", "namespace": "shop", "name": "{{ labels.deployment }}"},
                    "steps": [{"action": "command.run", "timeout": timeout, "with": with_, **more}],
                    "verify": {"timeout": "5s", "interval": "200ms", "for": "0s", "checks": [{"check": "pods.ready"}]}}
        self.am = self.alertmanager(self.mendd.url + "/webhook")
        self.mendd.configure(self.sim.kubeconfig(self.mendd.folder / "kubeconfig"), [self.am]).with_playbooks(playbook)
        self.mendd.options += ["--enable-feature=command"] if feature else []

    def run_it(self, env=None, **labels):
        self.mendd.start(env=env)
        self.am.fire("Broken", deployment="api", namespace="shop", **labels)
        return self.mendd.run_of("Broken")["id"]

    def done(self, run):
        return self.mendd.wait_done(run, 30)

    def test_arguments_are_arguments_and_the_environment_is_small(self):
        self.begin([self.program('printf "%s\\n" "$#" "$@" "A=$A" "SECRET=$SECRET" "PASSED=$PASSED" "$PWD" "$HOME"; echo told >&2; exit 3'),
                    "{{ labels.words }}", "--to={{ labels.to }}"],
                   with_={"env": {"A": "{{ labels.to }}"}, "pass_env": ["PASSED"], "directory": "/tmp", "expect_exit": 3})
        record = self.done(self.run_it(env={"SECRET": "s3cret", "PASSED": "yes"}, words="a b; $(touch x)", to="-x"))
        self.assertEqual((record["outcome"], record["reason"]), ("resolved", "repaired"), h.brief(record))
        evidence = record["evidence"][0]
        self.assertEqual(evidence["text"].split("\n")[:8], ["2", "a b; $(touch x)", "--to=-x", "A=-x", "SECRET=", "PASSED=yes", "/tmp", ""])
        self.assertIn("told", evidence["text"])
        self.assertEqual(evidence["action"], "command.run")

    def lives(self, pid):
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
        except OSError:
            return False

    def fails(self, reason, words, **labels):
        record = self.done(self.run_it(**labels))
        self.assertEqual((record["outcome"], record["reason"], record["escalated"]), ("failed", reason, True), h.brief(record))
        self.assertRegex(record["message"], words)
        return record

    def test_an_exit_code_fails_the_step_with_its_words(self):
        self.begin([self.program("echo nobody answers >&2; exit 4")])
        self.fails("action_failed", "command.run: exited with 4, 0 was expected: nobody answers")

    def test_a_program_that_is_not_there(self):
        self.begin([str(self.mendd.folder / "nothing")])
        record = self.fails("action_failed", "cannot run .*nothing: No such file")
        self.assertLess(record["steps"][0]["requests"][0]["attempts"], 2)

    def test_one_that_hangs_is_killed_with_its_children_and_not_started_again(self):
        self.begin([self.program(f"echo $$ >> {self.seen}; sleep 600 & echo $! >> {self.seen}; wait")], with_={"timeout": "1s"})
        self.fails("interrupted", r"no end within 1s \(timeout\); whether it took effect cannot be known and it is never sent twice: a person must look")
        pids = [int(p) for p in self.seen.read_text().split()]
        self.assertEqual(len(pids), 2)
        h.until("both are gone", lambda: not any(self.lives(p) for p in pids))

    def test_one_that_floods_is_killed(self):
        self.begin([self.program("exec cat /dev/zero")])
        record = self.fails("interrupted", "never sent twice")
        self.assertLessEqual(len(record["evidence"][0]["text"]), 64 << 10)

    def test_an_alert_gives_no_option(self):
        self.begin([self.program(f"touch {self.seen}"), "{{ labels.to }}"])
        self.fails("action_failed", 'argument 1 .* came out as "--force"', to="--force")
        self.assertFalse(self.seen.exists())

    def test_killed_in_the_middle_it_is_not_started_again(self):
        self.begin([self.program(f"echo $$ >> {self.seen}; sleep 600")], with_={"timeout": "60s"}, timeout="90s")
        run = self.run_it()
        h.until("it runs", lambda: self.seen.exists() and self.seen.read_text().endswith("\n"))
        child = int(self.seen.read_text())
        self.addCleanup(os.killpg, child, signal.SIGKILL)  # under systemd the unit's cgroup goes with mendd
        self.mendd.process.send_signal(signal.SIGKILL)
        self.mendd.process.wait()
        self.mendd.start()
        record = self.done(run)
        self.assertEqual((record["outcome"], record["reason"]), ("failed", "interrupted"), h.brief(record))
        self.assertEqual(self.seen.read_text(), f"{child}\n")

    def test_without_the_feature_it_is_a_load_error(self):
        self.begin(["/bin/true"], feature=False)
        self.mendd.start(wait=False)
        self.assertNotEqual(self.mendd.process.wait(10), 0)
        self.assertIn("command.run is off: mendd and mendctl have it only with --enable-feature=command", self.mendd.text())
