"""What the tests of mendd's doors share: certificates made on the spot, raw requests, and the table of what was answered.

Each attack says what it tried and what came back (`self.answered`): tests/security/table makes a page of these lines.
"""
import base64
import datetime
import http.client
import pathlib
import socket
import ssl
import subprocess
import sys
import time
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import harness as h  # noqa: E402

MARK = "SECURITY"
ALICE, BOB = "correct horse", "swordfish"


def bcrypt(password, cost=5):
    """As htpasswd -B would, by crypt(3). Cost 5: tests need not wait for what guessing should."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import crypt
    return crypt.crypt(password, f"$2y${cost:02}$abcdefghijklmnopqrstuu")


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def bearer(token):
    return {"Authorization": "Bearer " + token}


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


class Authority:
    """A certificate authority in a folder, and what it signs."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = pathlib.Path(folder), name
        self.cert, self.key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        self.new_key(self.key)
        openssl("req", "-x509", "-new", "-key", self.key, "-out", self.cert, "-days", "30", "-subj", f"/CN={name}")

    @staticmethod
    def new_key(path):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
        path.chmod(0o600)

    def sign(self, name, san=None, days=10, usage="serverAuth,clientAuth", into=None, subject=None, seconds=None):
        """(certificate, key). days < 0: it has expired; `seconds`: it will in so many."""
        cert, key = into or (self.folder / f"{self.name}-{name}.crt", self.folder / f"{self.name}-{name}.key")
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        fresh_key, fresh = key.with_suffix(".key.new"), cert.with_suffix(".crt.new")
        self.new_key(fresh_key)
        openssl("req", "-new", "-key", fresh_key, "-subj", subject or f"/CN={name}", "-out", request)
        extensions.write_text(f"extendedKeyUsage={usage}\n" + (f"subjectAltName={san}\n" if san else ""))
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds or 0)
        if days < 0 or seconds:  # openssl x509 -days takes no negative number everywhere: a CA run takes dates
            (self.folder / "index.txt").write_text("")
            (self.folder / "ca.cnf").write_text(
                f"[ca]\ndefault_ca=d\n[d]\ndatabase={self.folder}/index.txt\nserial={self.folder}/serial\nnew_certs_dir={self.folder}\n"
                "default_md=sha256\npolicy=p\nrand_serial=yes\n[p]\ncommonName=supplied\n")
            openssl("ca", "-batch", "-notext", "-config", self.folder / "ca.cnf", "-cert", self.cert, "-keyfile", self.key, "-in", request,
                    "-out", fresh, "-extfile", extensions, "-startdate", "20200101000000Z", "-enddate", f"{end:%Y%m%d%H%M%SZ}" if seconds else "20210101000000Z")
        else:
            openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", days, "-out", fresh,
                    "-extfile", extensions)
        fresh_key.replace(key)
        fresh.replace(cert)
        return cert, key

    def context(self, client=None, versions=None):
        c = ssl.create_default_context(cafile=self.cert)
        if client:
            c.load_cert_chain(*client)
        if versions:
            c.minimum_version, c.maximum_version = versions
        return c


class Doors(h.Scene):
    """A mendd with no cluster to speak of: what is at the door is what counts."""

    def mendd_with(self, web=None, **config):
        self.sim = self.kubesim()
        self.sim.create(h.namespace("shop"))
        self.m = self.new_mendd()
        self.m.configure(self.sim.kubeconfig(self.m.folder / "kubeconfig"), **{"unmatched": "record", **config})
        self.m.with_playbooks(h.restart_playbook())
        if web is not None:
            self.web_file = self.m.folder / "web-config.yml"
            self.write_web(web)
            self.m.options.append(f"--web.config.file={self.web_file}")
        return self.m

    def write_web(self, web):
        self.web_file.write_text(web if isinstance(web, str) else h.json.dumps(web, indent=1))

    def start_tls(self, context):
        """Program.ready() asks over HTTPS."""
        self.m.url = f"https://127.0.0.1:{self.m.port}"
        self.m.start(wait=False)
        self.m.ready(lambda: h.request(self.m.url + "/-/ready", context=context).status == 200)
        return self.m

    def answered(self, attack, what):
        print(f"{MARK}\t{self.id().split('.', 1)[-1]}\t{attack}\t{what}", flush=True)

    def ask(self, path, method="GET", body=None, headers=None, **more):
        return h.request(self.m.url + path, method, body, headers, **more)

    def raw(self, data, timeout=5, keep=False):
        """What comes back for these bytes until the line is closed (or, with `keep`, until something came)."""
        with socket.create_connection(("127.0.0.1", self.m.port), timeout) as s:
            s.sendall(data)
            return receive(s, keep)

    def stream(self, context=None, headers=None):
        """GET /events, begun."""
        return Stream(self, context, headers or {})

    def log_lines(self, *parts):
        return [line for line in self.m.text().splitlines() if all(p in line for p in parts)]


class Stream:
    """A listener at /events."""

    def __init__(self, test, context, headers):
        make = http.client.HTTPSConnection if context else http.client.HTTPConnection
        conn = make("127.0.0.1", test.m.port, timeout=10, **({"context": context} if context else {}))
        test.addCleanup(conn.close)
        conn.request("GET", "/events", headers=headers)
        self.sock, self.response = conn.sock, conn.getresponse()
        self.status = self.response.status
        if self.status == 200:
            test.assertEqual(self.response.readline(), b"retry: 3000\n")

    def wait_ended(self, seconds):
        """What still came until its end; raises TimeoutError if it goes on."""
        until, seen = time.monotonic() + seconds, []
        while line := self.line(until - time.monotonic()):
            seen.append(line)
        return seen

    def line(self, seconds):
        if seconds <= 0:
            raise TimeoutError("the stream goes on")
        self.sock.settimeout(seconds)
        return self.response.readline()


def receive(s, keep=False):
    answer = b""
    try:
        while piece := s.recv(65536):
            answer += piece
            if keep:
                break
    except OSError:
        pass
    return answer


def status_of(answer):
    first = answer.split(b"\r\n", 1)[0].split(b" ")
    return int(first[1]) if len(first) > 1 else None


def handshake(port, context, request=b"GET /actions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"):
    """The status that came over TLS, or the alert's words. With TLS 1.3 a refusal of the client's certificate comes only
    after the client's own side is done, with the first read."""
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as s:
            s.sendall(request)
            answer = b""
            while piece := s.recv(65536):
                answer += piece
            return status_of(answer) if answer else "closed"
    except (ssl.SSLError, ConnectionError) as e:
        return getattr(e, "reason", None) or type(e).__name__


def wait_closed(s, seconds):
    """How long until the other side hung up."""
    s.settimeout(seconds)
    begun = time.monotonic()
    try:
        while s.recv(4096):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - begun
