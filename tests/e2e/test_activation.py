"""Socket activation: the door that somebody else opened before."""
import os
import shutil
import socket
import subprocess

import harness as h

# LISTEN_PID must be mendd's own: the shell becomes mendd. The descriptors stand where they are passed, from 3 on.
BECOME = 'export LISTEN_PID=$$; exec "$@"'


class Activated(h.Mendd):
    """mendd as systemd starts it: with sockets from descriptor 3 on."""

    def begin(self, sockets, names=None, wait=True):
        for s in sockets:
            os.set_inheritable(s.fileno(), True)

        def place():
            copies = [os.dup(s.fileno()) for s in sockets]
            high = [os.dup2(fd, 100 + i) for i, fd in enumerate(copies)]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i)
                os.set_inheritable(3 + i, True)
        env = {**os.environ, "LISTEN_FDS": str(len(sockets)), **({"LISTEN_FDNAMES": names} if names else {})}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["sh", "-c", BECOME, "sh"] + [str(a) for a in self.argv()], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env=env, preexec_fn=place, close_fds=False)
        return self.ready(lambda: h.request(self.url + "/-/ready").status == 200) if wait else self


def tcp(address="127.0.0.1"):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    s.bind((address, 0))
    s.listen(16)
    return s


class Activation(h.Scene):
    def setUp(self):
        super().setUp()
        self.mendd = self.add(Activated(self.folder, "mendd"))
        self.mendd.configure(self.folder / "none", clusters=[]).playbooks = []

    def serve(self, *sockets, **options):
        self.mendd.url = "http://127.0.0.1:%d" % sockets[-1].getsockname()[1]
        return self.mendd.begin(sockets, **options)

    def test_a_passed_tcp_socket_is_served_and_nothing_else(self):
        with tcp() as s:
            early = socket.create_connection(s.getsockname())  # waits in the socket until mendd is there
            early.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.serve(s)
            self.assertIn(b"200", early.recv(1000).split(b"\r\n")[0])
            early.close()
            self.assertRegex(self.mendd.text(), r"taking the socket that was passed.*listen=127\.0\.0\.1:%d" % s.getsockname()[1])
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self.mendd.port))  # --web.listen-address is not bound
            self.assertEqual(self.mendd.stop(), 0)
            socket.create_connection(s.getsockname()).close()  # the socket outlives mendd

    def test_a_unix_socket_stays_where_it_is(self):
        path = self.folder / "door"
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(path))
            s.listen(16)
            self.mendd.begin([s], wait=False)

            def healthy():
                with socket.socket(socket.AF_UNIX) as c:
                    c.settimeout(5)
                    c.connect(str(path))
                    c.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    return b" 200 " in c.recv(1000)
            h.until("it answers", healthy)
            self.assertIn(f"listen=unix:{path}", self.mendd.text())
            self.assertEqual(self.mendd.stop(), 0)
            self.assertTrue(path.exists(), "it is not mendd's to remove")

    def test_of_several_the_one_called_web(self):
        with tcp() as other, tcp() as web:
            self.serve(other, web, names="metrics:web")
            self.assertIn(f"listen=127.0.0.1:{web.getsockname()[1]}", self.mendd.text())

    def refused(self, sockets, words, **options):
        self.mendd.begin(sockets, wait=False, **options)
        self.assertEqual(self.mendd.process.wait(10), 2)
        self.assertRegex(self.mendd.text(), words)

    def test_what_cannot_be_served_is_refused(self):
        with tcp() as a, tcp() as b:
            self.refused([a, b], "2 sockets were passed, and mendd serves one")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", 0))
            self.refused([udp], "no listening stream socket")

    def test_a_socket_that_others_can_reach_needs_leave_as_an_address_does(self):
        with tcp("0.0.0.0") as s:
            self.mendd.begin([s], wait=False)
            self.assertNotEqual(self.mendd.process.wait(10), 0)
            self.assertRegex(self.mendd.text(), "allow-anonymous")
            self.mendd.options = ["--web.allow-anonymous"]
            self.serve(s)

    @h.unittest.skipUnless(shutil.which("systemd-socket-activate"), "systemd-socket-activate (package systemd) is not there")
    def test_as_systemd_does_it(self):
        port = h.free_port()
        self.mendd.url = f"http://127.0.0.1:{port}"
        self.mendd.launch("systemd-socket-activate", "-l", f"127.0.0.1:{port}", *self.mendd.argv())
        self.mendd.ready(lambda: h.request(self.mendd.url + "/-/ready").status == 200)
        self.assertIn(f"listen=127.0.0.1:{port}", self.mendd.text())
