"""What a newcomer gets from deploy/k8s, at work: base and observe applied to the real API server, and mendd run as their pod would
be, short of a kubelet.

The Deployment's own args, environment and mounts; the ConfigMaps and the Secret laid out as a kubelet does it; the token of the
ServiceAccount, so that the rights are those of base/rbac.yaml and no more; and what the securityContext asks for, by bubblewrap: user
65532, no capabilities, nothing to write to but the journal. What is not as in a pod: seccomp's profile, the network (the host's), and
the port (a free one). MENDD_IMAGE_ROOT: the folder of an unpacked image, whose programs are run instead of those just built.

KUBECONFIG and MENDD_REAL_DIR as in test_real.py.
"""
import os
import pathlib
import signal
import sys
import time

import harness as h
import manifests as m

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import test_manifests  # noqa: E402
import test_real  # noqa: E402

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKENS = {"alertmanager": "the-token-of-alertmanager", "prometheus": "the-token-of-prometheus", "operator": "the-token-of-operators"}
LIBRARIES = ("/usr", "/lib", "/lib64", "/bin", "/etc/ssl")


class Pod(h.Mendd):
    """One container of a Deployment, run under bubblewrap."""

    def __init__(self, folder, spec, name, node, volumes, account, server):
        super().__init__(folder)
        self.spec, self.container, self.volumes = spec, spec["containers"][0], volumes
        self.fields = {"metadata.name": name, "metadata.namespace": "mendd", "spec.nodeName": node}
        self.account, self.server = account, server
        self.url = f"{self.container['readinessProbe']['httpGet'].get('scheme', 'HTTP').lower()}://localhost:{self.port}"
        self.root = pathlib.Path(os.environ.get("MENDD_IMAGE_ROOT", "/"))

    def environment(self):
        yield from (("KUBERNETES_SERVICE_HOST", self.server.hostname), ("KUBERNETES_SERVICE_PORT", str(self.server.port)))
        yield from ((e["name"], self.fields[e["valueFrom"]["fieldRef"]["fieldPath"]]) for e in self.container["env"])

    def box(self):
        """bubblewrap's flags: the pod's view of the world."""
        who = {**self.spec["securityContext"], **self.container["securityContext"]}
        assert who["capabilities"] == {"drop": ["ALL"]} and who["readOnlyRootFilesystem"] and not who["allowPrivilegeEscalation"]
        flags = ["--unshare-user", "--uid", who["runAsUser"], "--gid", who["runAsGroup"], "--unshare-pid", "--as-pid-1",
                 "--die-with-parent", "--clearenv", "--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev"]
        for path in LIBRARIES:
            inside = self.root / path[1:]
            flags += ["--symlink", os.readlink(inside), path] if inside.is_symlink() else ["--ro-bind", inside, path]
        for mount in self.container["volumeMounts"]:
            flags += ["--ro-bind" if mount.get("readOnly") else "--bind", self.volumes[mount["name"]], mount["mountPath"]]
        flags += ["--ro-bind", self.account, ACCOUNT]
        if self.root == pathlib.Path("/"):
            flags += [f for p in ("mendd", "mendctl") for f in ("--ro-bind", h.BIN / p, self.program(p))]
        return [*flags, "--remount-ro", "/", *(f for k, v in self.environment() for f in ("--setenv", k, v))]

    def program(self, name):
        return f"/app/{name}" if self.root == pathlib.Path("/") else f"/usr/bin/{name}"

    def mendctl(self, *args):
        """As `kubectl exec` and `helm test` would run it."""
        return m.command("bwrap", *self.box(), "--", self.program("mendctl"), f"--url={self.url}", *args).stdout

    def argv(self):
        return ["bwrap", *self.box(), "--", self.program("mendd"),
                *(a.replace("=:9490", f"=:{self.port}") for a in self.container["args"])]

    def stop(self, sig=signal.SIGTERM, timeout=10):
        """The signal is for mendd, not for bubblewrap, which answers with its exit code."""
        if not self.running():
            return super().stop(sig, timeout)
        [child] = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        os.kill(int(child), sig)
        return self.process.wait(timeout)

    def probe(self, kind):
        return request_as(self, None, "GET", self.container[kind]["httpGet"]["path"]).status

    def get(self, path, timeout=10):  # as an operator
        return request_as(self, "operator", "GET", path, timeout=timeout)


def request_as(pod, who, method, path, body=None, timeout=10):
    headers = {"Host": "mendd.mendd.svc:9490", **({"Authorization": "Bearer " + TOKENS[who]} if who else {})}
    return h.request(pod.url + path, method, body, headers, timeout)


def mounted(folder, files):
    """A volume as a kubelet writes it: a folder of its own, and symbolic links into it."""
    data = folder / "..2026_01_05_10_00_00.000000000"
    data.mkdir(parents=True)
    (folder / "..data").symlink_to(data.name)
    for name, text in files.items():
        (data / name).write_text(text)
        (folder / name).symlink_to(f"..data/{name}")
    for path in (folder, data):
        path.chmod(0o755)
    return folder


class AsDeployed(test_manifests.Applied, h.Scene):
    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)  # the container's user is not the one who runs the tests
        self.ns = f"pod-{time.time_ns() % 10**9}"
        self.admin.create(h.namespace(self.ns))
        self.addCleanup(self.admin.call, "DELETE", f"/api/v1/namespaces/{self.ns}")

    def deploy(self, objects, secrets=None):
        """Applies them, and returns the running pod. `secrets`: what those hold that somebody else makes."""
        secrets = {"mendd-tokens": TOKENS, **(secrets or {})}
        for o in objects:
            if o["kind"] != "Pod":
                self.apply(o)
        self.addCleanup(self.undeploy)
        [deployment] = [o for o in objects if o["kind"] == "Deployment"]
        spec = deployment["spec"]["template"]["spec"]
        [pod] = self.admin.wait_pods("mendd", "app.kubernetes.io/name=mendd", 1)  # the simulated node's: only its name is used
        data = {o["metadata"]["name"]: o["data"] for o in objects if o["kind"] == "ConfigMap"}
        volumes = {}
        for v in spec["volumes"]:
            source = self.folder / "volumes" / v["name"]
            if "configMap" in v:
                mounted(source, data[v["configMap"]["name"]])
            elif "secret" in v:
                mounted(source, secrets.get(v["secret"]["secretName"], {}))
            else:
                source.mkdir(parents=True)
                source.chmod(0o777)
            volumes[v["name"]] = source
        return self.add(Pod(self.folder, spec, pod["metadata"]["name"], pod["spec"]["nodeName"], volumes,
                            self.account(spec["serviceAccountName"]), h.urllib.parse.urlsplit(self.admin.url))).start()

    def undeploy(self):
        self.admin.call("DELETE", "/apis/apps/v1/namespaces/mendd/deployments/mendd")
        h.until("its pod is gone", lambda: not self.admin.pods("mendd", "app.kubernetes.io/name=mendd"))

    def account(self, name):
        """What a kubelet mounts for a ServiceAccount."""
        a = self.admin.call("POST", f"/api/v1/namespaces/mendd/serviceaccounts/{name}/token",
                            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}})
        self.assertEqual(a.status, 201, a)
        return mounted(self.folder / "account", {"token": a.json["status"]["token"], "namespace": "mendd",
                                                 "ca.crt": pathlib.Path(self.admin.ca).read_text()})

    def crashing(self):
        """A Deployment, one pod of which crashes until it is replaced."""
        self.admin.create(h.deployment(self.ns, "worker", 2))
        sick = self.admin.wait_pods(self.ns, "app=worker", 2, ready=True)[0]["metadata"]["name"]
        path = f"/api/v1/namespaces/{self.ns}/pods/{sick}"
        self.admin.call("PATCH", path, {"metadata": {"annotations": {"sim/waiting": "CrashLoopBackOff"}}}, "application/merge-patch+json")
        h.until("it crashes", lambda: not h.is_ready(self.admin.get(path)))
        return sick

    def alert(self, to, status="firing", **labels):
        body = h.payload({"labels": {"alertname": "KubePodCrashLooping", "container": "app", **labels}}, status=status)
        a = request_as(to, "alertmanager", "POST", "/webhook", body)
        self.assertEqual(a.status, 200, a)

    def test_base_repairs_and_lets_nobody_in_without_a_token(self):
        pod = self.deploy(m.kustomize(m.DEPLOY / "base"))
        self.assertEqual([pod.probe(k) for k in ("startupProbe", "livenessProbe", "readinessProbe")], [200] * 3)
        self.assertEqual([request_as(pod, who, "GET", "/metrics").status for who in (None, "alertmanager", "prometheus")], [401, 403, 200])
        self.assertEqual([request_as(pod, who, "POST", "/webhook", h.payload()).status for who in (None, "prometheus")], [401, 403])

        asked = h.json.loads(pod.mendctl("--token-file=/etc/mendd/tokens/prometheus", "status"))  # what `helm test` asks
        self.assertEqual((asked["ready"], asked["playbooks"]), (True, 2))

        sick = self.crashing()
        self.alert(pod, namespace=self.ns, pod=sick)
        run = pod.run_of("KubePodCrashLooping")["id"]
        record = pod.wait_run(run, 90, state="settling")
        self.assertEqual([r["path"] for s in record["steps"] for r in s["requests"]], [f"/api/v1/namespaces/{self.ns}/pods/{sick}"])
        self.alert(pod, "resolved", namespace=self.ns, pod=sick)
        record = pod.wait_done(run)
        self.assertEqual((record["outcome"], record["reason"]), ("resolved", "repaired"), h.brief(record))
        account = "system:serviceaccount:mendd:mendd"
        deleted = h.until("the audit log has it", lambda: [e["objectRef"]["name"] for e in h.audited(
            test_real.DIR / "audit.log", "delete", account) if e["objectRef"]["namespace"] == self.ns])
        self.assertEqual(deleted, [sick])

        self.alert(pod, namespace="mendd", pod=pod.fields["metadata.name"])  # itself
        own = pod.wait_done(pod.run_of("KubePodCrashLooping", namespace="mendd")["id"])
        self.assertEqual((own["outcome"], own["reason"]), ("skipped", "protected_namespace"), h.brief(own))
        self.assertEqual(pod.stop(timeout=pod.spec["terminationGracePeriodSeconds"]), 0)

    def test_observe_changes_nothing(self):
        pod = self.deploy(m.kustomize(test_manifests.OBSERVE))
        sick = self.crashing()
        self.alert(pod, namespace=self.ns, pod=sick)
        record = pod.wait_done(pod.run_of("KubePodCrashLooping")["id"])
        self.assertEqual((record["outcome"], record["reason"]), ("skipped", "dry_run"), h.brief(record))
        self.assertEqual([(r["method"], r["path"]) for r in record["plan"]["requests"]],
                         [("DELETE", f"/api/v1/namespaces/{self.ns}/pods/{sick}")])
        self.assertEqual(self.admin.get(f"/api/v1/namespaces/{self.ns}/pods/{sick}")["metadata"].get("deletionTimestamp"), None)


    def test_chart_with_a_certificate(self):
        key, certificate = self.folder / "tls.key", self.folder / "tls.crt"
        m.command("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mendd", "-addext",
                  "subjectAltName=DNS:mendd.mendd.svc,DNS:localhost", "-keyout", key, "-out", certificate)
        values = self.folder / "values.yaml"
        values.write_text("tls: {existingSecret: mendd-tls, webConfig: {tls_server_config: {min_version: TLS13}}}")
        tls = {"tls.key": key.read_text(), "tls.crt": certificate.read_text(), "ca.crt": certificate.read_text()}
        pod = self.deploy(m.helm(values=[values]), {"mendd-tls": tls})
        self.assertEqual(pod.url, f"https://localhost:{pod.port}")
        self.assertEqual([pod.probe(k) for k in ("startupProbe", "livenessProbe", "readinessProbe")], [200] * 3)
        asked = pod.mendctl("--ca-file=/etc/mendd/tls/ca.crt", "--token-file=/etc/mendd/tokens/prometheus", "status")
        self.assertTrue(h.json.loads(asked)["ready"])
        with self.assertRaises((OSError, h.http.client.HTTPException)):  # nobody gets in without TLS
            h.request(pod.url.replace("https:", "http:") + "/-/healthy")
