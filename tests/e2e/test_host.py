"""What a host gets beside the programs: systemd's notifications, the unit's sandbox, the shipped configuration, manual pages, completion.
The package as a whole is tried by tests/package/run."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess

import harness as h

CONTRIB = h.ROOT / "contrib"


def run(*argv, **options):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, **options)


class Host(h.Scene):
    def test_systemd_hears_of_start_reload_and_stop(self):
        sim, mendd = self.kubesim(), self.new_mendd()
        mendd.configure(sim.kubeconfig(mendd.folder / "kubeconfig")).with_playbooks(h.restart_playbook())
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(str(self.folder / "notify"))
        manager.settimeout(10)

        def heard():
            return dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())
        mendd.start(env={"NOTIFY_SOCKET": str(self.folder / "notify")})
        self.assertEqual(heard(), {"READY": "1", "STATUS": "1 playbooks, 1 clusters"})
        mendd.process.send_signal(signal.SIGHUP)
        reloading = heard()
        self.assertEqual(reloading["RELOADING"], "1")
        self.assertRegex(reloading["MONOTONIC_USEC"], r"^\d+$")
        self.assertEqual(heard()["READY"], "1")
        mendd.stop()
        self.assertEqual(heard()["STOPPING"], "1")

    def test_the_unit_leaves_little(self):
        unit = CONTRIB / "systemd" / "mendd.service"
        r = run("systemd-analyze", "security", "--offline=yes", "--threshold=15", "--no-pager", unit)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        self.assertRegex(r.stdout, r"Overall exposure level for mendd.service: (0\.\d|1\.[0-5])\b")
        flags = re.findall(r" (--[\w.-]+)", re.search(r"^ExecStart=.*", unit.read_text(), re.M).group())
        for flag in flags:
            self.assertIn(flag + "=", run(h.BIN / "mendd", "--help").stdout)

    def test_the_shipped_configuration_and_its_examples_have_no_faults(self):
        shipped = (CONTRIB / "debian" / "mendd.yaml").read_text()
        examples = re.sub(r"^#(?! |$)", "", shipped, flags=re.M)  # "#key: …" is an example, "# Words" are words
        examples = re.sub(r"^#(?=  \w+:)", "", examples, flags=re.M)
        self.assertIn("\nescalation:\n  default: ", examples)
        for name, text in (("shipped", shipped), ("examples", examples)):
            file = self.folder / f"{name}.yaml"
            file.write_text(text)
            r = run(h.BIN / "mendctl", "check", "--config.file", file, "--playbooks", h.ROOT / "playbooks")
            self.assertEqual(r.returncode, 0, name + ": " + r.stdout + r.stderr)

    def test_manual_pages_have_every_flag_and_verb(self):
        for page in ("mendd.8", "mendctl.1"):
            program = h.BIN / page.split(".")[0]
            out = self.folder / page
            r = run(CONTRIB / "man" / "page", program, CONTRIB / "man" / f"{page}.in", out)
            self.assertEqual(r.returncode, 0, r.stderr)
            text, said = out.read_text().replace("\\-", "-"), run(program, "--help").stdout
            for word in re.findall(r"^ +(?:-\w, )?(--[\w.-]+)", said, re.M) + re.findall(r"^  ([a-z]{3,}) ", said, re.M):
                self.assertRegex(text, rf"\n\.TP\n\.B (-\w, )?{re.escape(word)}\b", page)
            self.assertNotIn("@", re.sub(r"[\w.]+@[\w.]+", "", text), "a part of the template that nobody filled in")
            if shutil.which("groff"):
                self.assertEqual(run("groff", "-man", "-Tutf8", "-ww", "-z", "-Kutf8", out).stderr, "")

    def test_completion_knows_verbs_and_flags(self):
        def offered(*words):
            script = f'source {CONTRIB}/bash-completion/mendctl; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mendctl; printf "%s\\n" "${{COMPREPLY[@]}}"'
            r = run("bash", "-c", script, "bash", "mendctl", *words, env={**os.environ, "PATH": f"{h.BIN}:{os.environ['PATH']}"})
            self.assertEqual((r.returncode, r.stderr), (0, ""))
            return r.stdout.split()
        self.assertIn("actions", offered(""))
        self.assertEqual(offered("pau"), ["pause"])
        self.assertIn("--token-file", offered("--"))
        self.assertEqual(offered("pause", "--rea"), ["--reason"])
        self.assertNotIn("--reason", offered("status", "--"))
        here = pathlib.Path(self.folder, "mine.yaml")
        here.touch()
        self.assertEqual(offered("check", str(self.folder / "mi")), [str(here)])
