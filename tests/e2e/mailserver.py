"""A real mail server for the end-to-end tests: Debian's exim (package exim4-daemon-light) on a free port of 127.0.0.1, with
STARTTLS, a certificate that is its own CA (`cert`), and one mbox into which all that it takes is delivered.

Exim runs a daemon only for root, its own user or its own group, so it needs root here and gives it up at once (setpriv).
Its folder is its own, under /tmp: the tests' folders cannot be entered by its user.

By recipient: nobody-here@… is refused for good (550), later@… for now (451), hang@… after 60 s; the rest is taken.
"""
import atexit
import contextlib
import mailbox
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

from harness import Program, free_port

USER = "Debian-exim"
CONFIG = """keep_environment =
primary_hostname = mail.test
spool_directory = {folder}/spool
log_file_path = {folder}/%slog
pid_file_path = {folder}/exim.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
tls_advertise_hosts = {tls_hosts}
tls_certificate = {folder}/cert.pem
tls_privatekey = {folder}/key.pem
rfc1413_query_timeout = 0s
host_lookup =
deliver_drop_privilege
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  deny local_parts = nobody-here
       message = no such person
  defer local_parts = later
       message = greylisted
  accept local_parts = hang
       delay = 60s
  accept
begin routers
all:
  driver = accept
  transport = mbox
begin transports
mbox:
  driver = appendfile
  file = {folder}/mbox
"""


def available():
    """Why it cannot run here, or None."""
    if not shutil.which("exim4", path="/usr/sbin:" + os.environ.get("PATH", "")):
        return "exim4-daemon-light is not installed"
    return None if os.geteuid() == 0 else "exim's daemon needs root to become its own user"


class MailServer(Program):
    def __init__(self, folder, name="mail", tls=True):
        super().__init__(folder, name)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mendd-mail-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)  # not at stop(): it may be started again
        self.port, self.tls = free_port(), tls
        self.smarthost = f"127.0.0.1:{self.port}"
        self.cert, self.mbox = self.folder / "cert.pem", self.folder / "mbox"

    def make_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", self.folder / "key.pem", "-out", self.cert, "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)

    def start(self):
        if not self.cert.exists():
            self.make_certificate()
        config = self.folder / "exim.conf"
        config.write_text(CONFIG.format(folder=self.folder, port=self.port, tls_hosts="*" if self.tls else ""))
        (self.folder / "spool").mkdir(exist_ok=True)
        for path in (self.folder, *self.folder.iterdir()):
            shutil.chown(path, USER, USER)
        self.launch("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "/usr/sbin/exim4", "-C", config, "-bdf")
        return self.ready(self.listens)

    def listens(self):
        with socket.create_connection(("127.0.0.1", self.port), 1) as s:
            return s.recv(3) == b"220"

    def mails(self):
        """What it has delivered so far, oldest first: email.message.Message each (bodies: get_payload(decode=True))."""
        if not self.mbox.exists():
            return []
        with contextlib.closing(mailbox.mbox(self.mbox, create=False)) as box:
            return list(box)
