"""Small proxies for tests: HTTP CONNECT and SOCKS5, with what they were asked for."""
import contextlib
import socket
import struct
import threading


class Proxy:
    """A listener on a free port of 127.0.0.1; `asked` holds every destination, `authorizations` what they presented."""

    def __init__(self):
        self.asked, self.authorizations, self.refuse = [], [], None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            with client, self.handshake(client) or contextlib.nullcontext() as server:
                if server is None:
                    return
                there = threading.Thread(target=pump, args=(client, server), daemon=True)
                there.start()
                pump(server, client)
                there.join()
        except OSError:
            pass  # somebody hung up

    def handshake(self, client):
        """The connection to the server, after the proxy's own words; None: refused."""
        raise NotImplementedError

    def close(self):
        self.listener.close()


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def exactly(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise OSError("hung up")
        data += more
    return data


class Connect(Proxy):
    def handshake(self, client):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += exactly(client, 1)
        lines = head.decode().split("\r\n")
        self.authorizations += [line.split(": ", 1)[1] for line in lines if line.lower().startswith("proxy-authorization:")]
        method, target, _ = lines[0].split(" ")
        self.asked.append(f"{method} {target}")
        if self.refuse:
            client.sendall(f"HTTP/1.1 {self.refuse} No\r\nContent-Length: 0\r\n\r\n".encode())
            return None
        host, port = target.rsplit(":", 1)
        server = socket.create_connection((host.strip("[]"), int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n")
        return server


class Socks5(Proxy):
    def handshake(self, client):
        exactly(client, exactly(client, 2)[1])  # the methods it knows
        client.sendall(b"\x05\x00")             # none is needed
        _, command, _, kind = exactly(client, 4)
        host = socket.inet_ntoa(exactly(client, 4)) if kind == 1 else exactly(client, exactly(client, 1)[0]).decode()
        port = struct.unpack("!H", exactly(client, 2))[0]
        self.asked.append(f"{command} {kind} {host}:{port}")
        if self.refuse:
            client.sendall(b"\x05\x02\x00\x01\0\0\0\0\0\0")
            return None
        server = socket.create_connection((host, port))
        client.sendall(b"\x05\x00\x00\x01\0\0\0\0\0\0")
        return server
