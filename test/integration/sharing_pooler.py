"""A pooler in transaction mode of the kind that shows clients the process of a real session: each client has some of them, in turns."""

import contextlib
import itertools
import os
import socket
import struct
import threading


def message(kind, body):
    return kind + struct.pack("!I", len(body) + 4) + body


def first_value(answer):
    """Of the first row."""
    while answer[:1] != b"D":
        answer = answer[1 + struct.unpack("!I", answer[1:5])[0] :]
    return answer[11 : 11 + struct.unpack("!I", answer[7:11])[0]].decode()


class Stream:
    """PostgreSQL's messages out of a socket."""

    def __init__(self, connection):
        self.connection, self.rest = connection, b""

    def take(self, count):
        while len(self.rest) < count:
            more = self.connection.recv(65536)
            if not more:
                raise ConnectionError("closed")
            self.rest += more
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def startup(self):
        length = self.take(4)
        return length + self.take(struct.unpack("!I", length)[0] - 4)

    def up_to(self, kind):
        """All messages up to the first of this kind, or to the goodbye."""
        found = b""
        while True:
            head = self.take(5)
            found += head + self.take(struct.unpack("!I", head[1:])[0] - 4)
            if head[:1] in (kind, b"X"):
                return found


class SharingPooler:
    """Listens on a Unix socket of the given folder and port, or on a TCP port, in front of a server with a Unix socket."""

    def __init__(self, server, folder=None, port=5432, sessions=2):
        self.server, self.each = server, sessions
        self.listener = socket.socket(socket.AF_UNIX if folder else socket.AF_INET)
        self.listener.bind(os.path.join(folder, f".s.PGSQL.{port}") if folder else ("127.0.0.1", 0))
        self.listener.listen()
        self.dsn = f"host={folder} port={port}" if folder else f"host=127.0.0.1 port={self.listener.getsockname()[1]} sslmode=disable gssencmode=disable"
        self.lock = threading.Lock()
        self.sessions, self.settings, self.transactions = [], 0, 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError), client:
            asked = Stream(client)
            startup = asked.startup()
            own = [self.begin(startup) for _ in range(self.each)]
            client.sendall(own[0][1])
            for number in itertools.count():
                transaction = asked.up_to(b"S")
                if transaction[:1] == b"X":
                    return
                with self.lock:
                    self.transactions += 1
                    self.settings += b"pg_backend_pid" in transaction
                client.sendall(self.ask(own[number % self.each][0], transaction))

    def begin(self, startup):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.server)
        connection.sendall(startup)
        session = Stream(connection)
        greeting = session.up_to(b"Z")
        self.sessions.append(session)
        return session, greeting

    def ask(self, session, question):
        with self.lock:
            session.connection.sendall(question)
            return session.up_to(b"Z")

    def left_behind(self, setting):
        """What every session has of a setting, between transactions."""
        return {first_value(self.ask(session, message(b"Q", f"SHOW {setting}".encode() + b"\0"))) for session in self.sessions}

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for session in self.sessions:
            session.connection.close()
