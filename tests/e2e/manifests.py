"""deploy/k8s as the tests see it: its YAML, what kustomize and Helm make of it, and what Pod Security's level `restricted` asks.

kustomize is kubectl's. Debian's kubectl (1.20) has one of 2019, which knows neither folders among the resources nor `patches` with
a target nor a generator's `options`: for it a copy is rewritten to what these were called then. Helm is in no Debian: its charts are
rendered by tests/real/helm-render, and by Helm too where there is one, which must come to the same.
"""
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import yaml

import harness as h

DEPLOY = h.ROOT / "deploy" / "k8s"
CHART = DEPLOY / "helm" / "mendd"
KUSTOMIZATIONS = ("kustomization.yaml", "Kustomization")


class Strict(yaml.SafeLoader):
    """Refuses a key that comes twice: the first one would be lost without a word."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(k, deep=True) for k, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key} comes twice", node.start_mark)
        return super().construct_mapping(node, deep)


def documents(text):
    """The objects of a stream of YAML documents."""
    return [d for d in yaml.load_all(text, Loader=Strict) if d is not None]


def document(path):
    found = documents(pathlib.Path(path).read_text())
    assert len(found) == 1, f"{path}: {len(found)} documents"
    return found[0]


def kustomizations():
    """Each kustomization's folder, and the document."""
    files = [f for name in KUSTOMIZATIONS for f in DEPLOY.rglob(name)]
    return {f.parent: document(f) for f in [*files, h.ROOT / "playbooks" / "Kustomization"]}


def command(*argv, cwd=None, env=None):
    r = subprocess.run([str(a) for a in argv], capture_output=True, text=True, cwd=cwd, env={**os.environ, **(env or {})})
    if r.returncode:
        raise AssertionError(f"{' '.join(map(str, argv))}: exit code {r.returncode}\n{r.stderr[-4000:]}")
    return r


# ---- kustomize ----

@functools.cache
def kubectl_minor():
    version = json.loads(command("kubectl", "version", "--client", "-o", "json").stdout)["clientVersion"]
    return int(re.match(r"\d+", version["minor"]).group())


def of_2019(folder, doc):
    """The kustomization as kubectl 1.14 to 1.20 reads it."""
    doc["bases"] = [r for r in doc.get("resources", []) if (folder / r).is_dir()]
    doc["resources"] = [r for r in doc.get("resources", []) if not (folder / r).is_dir()]
    for generator in doc.get("configMapGenerator", []):
        generator.pop("options", None)
    doc["patchesJson6902"] = doc.pop("patches", [])
    for patch in doc["patchesJson6902"]:
        file = folder / patch["path"]
        file.write_text(json.dumps(document(file)))
    return {k: v for k, v in doc.items() if v}


def kustomize(folder):
    """The objects that `kubectl kustomize` makes of a folder of deploy/k8s."""
    if kubectl_minor() >= 21:
        r = command("kubectl", "kustomize", folder)
        assert "deprecated" not in r.stderr, r.stderr
        return documents(r.stdout)
    with tempfile.TemporaryDirectory(prefix="mendd-kustomize-") as temporary:
        root = pathlib.Path(temporary)
        for part in ("common", "base", "overlays"):
            shutil.copytree(DEPLOY / part, root / "deploy" / "k8s" / part)
        shutil.copytree(h.ROOT / "playbooks", root / "playbooks")
        for name in KUSTOMIZATIONS:
            for file in root.rglob(name):
                file.write_text(json.dumps(of_2019(file.parent, document(file))))
        return documents(command("kubectl", "kustomize", root / pathlib.Path(folder).relative_to(h.ROOT)).stdout)


# ---- Helm ----

@functools.cache
def helm_render():
    """The renderer, built once a run."""
    program = pathlib.Path(tempfile.mkdtemp(prefix="mendd-helm-render-")) / "helm-render"
    command("go", "build", "-o", program, ".", cwd=h.ROOT / "tests" / "real" / "helm-render",
            env={"GO111MODULE": "off", "GOFLAGS": "", "GOPATH": "/usr/share/gocode", "GOCACHE": str(program.parent / "cache")})
    shutil.rmtree(program.parent / "cache", ignore_errors=True)
    return program


def helm(release="mendd", namespace="mendd", values=(), apis=("policy/v1",)):
    """The objects of the chart; `apis`: what the cluster is said to serve beside what every cluster does."""
    flags = [a for v in values for a in ("-f", v)]
    ours = documents(command(helm_render(), *flags, "-n", namespace, *(a for v in apis for a in ("-api", v)), release, CHART).stdout)
    if shutil.which("helm") and "policy/v1" in apis:
        theirs = documents(command("helm", "template", release, CHART, "-n", namespace, *flags).stdout)
        assert sorted(ours, key=identity) == sorted(theirs, key=identity), "helm-render and helm differ"
    return ours


def identity(o):
    return o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]


# ---- Pod Security ----

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def pod_spec(o):
    """Of a Pod, or of what makes some; None: it makes none."""
    if o["kind"] == "Pod":
        return o["spec"]
    return o.get("spec", {}).get("template", {}).get("spec") if isinstance(o.get("spec"), dict) else None


def container_faults(pod, c):
    mine, theirs = c.get("securityContext", {}), pod.get("securityContext", {})
    either = {**theirs, **mine}
    yield from (f"hostPort {p['hostPort']}" for p in c.get("ports", []) if p.get("hostPort"))
    for key, wanted in (("privileged", (None, False)), ("allowPrivilegeEscalation", (False,)), ("readOnlyRootFilesystem", (True,)),
                        ("procMount", (None, "Default"))):
        if mine.get(key) not in wanted:
            yield f"{key} is {mine.get(key)}"
    if either.get("runAsNonRoot") is not True or either.get("runAsUser") == 0:
        yield "it may run as root"
    if either.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "no seccomp profile"
    capabilities = mine.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []) or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield f"capabilities {capabilities}"


def restricted_faults(spec):
    """What Kubernetes' Pod Security Standard `restricted` would refuse, and a root file system that can be written."""
    faults = [f"{key} is set" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    faults += [f"sysctls {spec['securityContext']['sysctls']}"] if spec.get("securityContext", {}).get("sysctls") else []
    faults += [f"volume {v['name']}: {kind}" for v in spec.get("volumes", []) for kind in set(v) - {"name"} - VOLUMES]
    for c in spec["containers"] + spec.get("initContainers", []):
        faults += [f"container {c['name']}: {fault}" for fault in container_faults(spec, c)]
    return faults
