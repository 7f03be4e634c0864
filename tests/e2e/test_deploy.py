"""deploy/k8s, without a cluster: nothing named that is missing, nothing said twice that could differ.

What kustomize and Helm make of it, and what an API server says to that: tests/real/test_manifests.py.
"""
import copy
import re
import shutil
import subprocess
import unittest

import jsonschema

import harness as h
import manifests as m

CONFIG = m.DEPLOY / "common" / "mendd.yaml"
DOCKERFILE = m.DEPLOY / "Dockerfile"


def starter():
    """The playbooks that the base starts with."""
    [generator] = m.document(h.ROOT / "playbooks" / "Kustomization")["configMapGenerator"]
    return [h.ROOT / "playbooks" / f for f in generator["files"]]


class Kustomize(unittest.TestCase):
    def test_every_file_is_yaml_and_belongs_to_a_kustomization(self):
        named = set()
        for folder, doc in m.kustomizations().items():
            for entry in [*doc.get("resources", []), *(p["path"] for p in doc.get("patches", [])),
                          *(f.split("=")[-1] for g in doc.get("configMapGenerator", []) for f in g["files"])]:
                self.assertTrue((folder / entry).exists(), f"{folder}: there is no {entry}")
                named.add((folder / entry).resolve())
        for file in (f for part in ("common", "base", "overlays") for f in (m.DEPLOY / part).rglob("*")):
            if file.is_file() and file.name not in m.KUSTOMIZATIONS:
                self.assertIn(file.resolve(), named, "no kustomization names it")
                self.assertTrue(m.documents(file.read_text()), file)

    def test_the_configuration_is_one_that_mendd_takes(self):
        """Only the tokens are missing: no Secret is shipped."""
        r = subprocess.run([h.BIN / "mendctl", "check", CONFIG, *starter()], capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stderr)
        config = m.document(CONFIG)
        for token in config["tokens"]:
            self.assertIn(f'token "{token["name"]}"', r.stdout + r.stderr)
        unexpected = [line for line in (r.stdout + r.stderr).splitlines()
                      if line.startswith("warning: ") and "token" not in line and "cannot be undone" not in line]
        self.assertEqual(unexpected, [])

    def test_no_secret_is_shipped(self):
        for file in m.DEPLOY.rglob("*.yaml"):
            self.assertNotRegex(file.read_text(), r"(?m)^kind: Secret", file)

    def test_the_pod_tells_mendd_who_it_is(self):
        [container] = m.document(m.DEPLOY / "common" / "deployment.yaml")["spec"]["template"]["spec"]["containers"]
        fields = {e["name"]: e["valueFrom"]["fieldRef"]["fieldPath"] for e in container["env"]}
        self.assertEqual(fields, {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace", "NODE_NAME": "spec.nodeName"})
        read = set(re.findall(r'getenv\("(POD_NAME|POD_NAMESPACE|NODE_NAME)"\)', (h.ROOT / "lib" / "engine" / "engine.c").read_text()))
        self.assertEqual(read, set(fields))


class Helm(unittest.TestCase):
    def setUp(self):
        self.schema = m.json.loads((m.CHART / "values.schema.json").read_text())
        self.values = m.document(m.CHART / "values.yaml")
        jsonschema.Draft7Validator.check_schema(self.schema)
        self.validator = jsonschema.Draft7Validator(self.schema)

    def faults(self, values):
        return [f"{'/'.join(map(str, e.path))}: {e.message}" for e in self.validator.iter_errors(values)]

    def test_the_values_obey_their_schema(self):
        self.assertEqual(self.faults(self.values), [])
        for file in (m.CHART / "ci").glob("*-values.yaml"):
            self.assertEqual(self.faults({**self.values, **m.document(file)}), [], file)

    def test_the_schema_refuses_what_is_wrong(self):
        for path, value in ((("bogus",), 1), (("image", "tags"), "x"), (("image", "digest"), "latest"), (("service", "port"), "http"),
                            (("dryRun",), "yes"), (("ingress", "enabled"), True), (("playbooks",), {"../x.yaml": "a"}),
                            (("tokens", "existingSecret"), ""), (("tls", "existingSecret"), "Not A Name"),
                            (("networkPolicy", "from"), []), (("persistence", "size"), "much"), (("extraArgs",), ["rm -rf"])):
            values = copy.deepcopy(self.values)
            place = values
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = value
            self.assertTrue(self.faults(values), f"{path} = {value!r} was taken")

    def test_every_value_is_in_the_schema_and_in_the_readme(self):
        readme = (m.CHART / "README.md").read_text()
        self.assertEqual(set(self.values) - set(self.schema["properties"]), set())
        for key, value in self.values.items():
            names = [key] if key == "config" or not isinstance(value, dict) or not value else [f"{key}.{k}" for k in value]
            for name in names:
                self.assertTrue(f"`{name}`" in readme or f"`{key}`" in readme, f"README.md says nothing of {name}")

    def test_the_chart_has_what_the_base_has(self):
        self.assertEqual(self.values["config"], m.document(CONFIG))
        self.assertEqual(sorted(f.resolve() for f in (m.CHART / "files" / "playbooks").iterdir()), sorted(starter()))
        self.assertEqual((m.CHART / "files" / "rbac.yaml").resolve(), m.DEPLOY / "base" / "rbac.yaml")


class Versions(unittest.TestCase):
    def test_one_version_everywhere(self):
        version = re.search(r"project\(mendd VERSION (\S+)", (h.ROOT / "CMakeLists.txt").read_text()).group(1)
        chart = m.document(m.CHART / "Chart.yaml")
        [image] = m.document(m.DEPLOY / "common" / "kustomization.yaml")["images"]
        label = re.search(r'image\.version="([^"]+)"', DOCKERFILE.read_text()).group(1)
        self.assertEqual({version}, {chart["version"], chart["appVersion"], image["newTag"], label})


class Image(unittest.TestCase):
    """What can be said of the Dockerfile without building it; scripts/test --image builds it."""

    def setUp(self):
        self.stages = re.split(r"(?m)^FROM ", DOCKERFILE.read_text())[1:]
        self.assertEqual(len(self.stages), 2)

    @staticmethod
    def packages(stage):
        [command] = re.findall(r"apt-get install -y --no-install-recommends((?:[^&]|\\\n)+)", stage)
        return set(command.replace("\\", " ").split())

    def test_it_builds_with_what_the_scripts_build_with(self):
        wanted = subprocess.run(["bash", "-c", "source scripts/lib.sh; package_set build"], cwd=h.ROOT, capture_output=True,
                                text=True, check=True).stdout.split()
        self.assertEqual(self.packages(self.stages[0]), set(wanted) - {"libcmocka-dev"})

    @unittest.skipUnless(shutil.which("dpkg-query") and shutil.which("objdump"), "not a Debian")
    def test_it_runs_with_the_libraries_that_the_programs_need(self):
        needed = set()
        for program in ("mendd", "mendctl"):
            dynamic = subprocess.run(["objdump", "-p", h.BIN / program], capture_output=True, text=True, check=True).stdout
            for library in re.findall(r"NEEDED\s+(\S+)", dynamic):
                owner = subprocess.run(["dpkg-query", "-S", f"*/{library}"], capture_output=True, text=True, check=True).stdout
                needed |= {line.split(":")[0] for line in owner.splitlines()} - {"libc6", "libc6-i386", "libcrypt1"}  # of any Debian
        self.assertEqual(self.packages(self.stages[1]), needed | {"ca-certificates", "tzdata"})

    def test_it_runs_as_nobody_in_particular(self):
        self.assertRegex(self.stages[1], r"(?m)^USER 65532:65532$")
        for line in ("HEALTHCHECK NONE", "STOPSIGNAL SIGTERM", 'ENTRYPOINT ["/usr/bin/mendd"]'):
            self.assertIn("\n" + line + "\n", self.stages[1])

