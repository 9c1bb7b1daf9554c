"""Small servers for the load tests: one that answers HTTP as it is told, and a relay that is late on purpose."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

LIMIT_S = 30.0


@contextmanager
def scripted(answers: Sequence[Sequence[bytes | None]]) -> Iterator[tuple[int, list[int]]]:
    """A server whose connections answer each request with the next of `answers`, part by part; None closes.

    Gives its port and a list that has, for each request, the number of the connection that brought it.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(LIMIT_S)
    seen: list[int] = []
    left = list(answers)

    def serve() -> None:
        for number in range(len(answers) + 1):
            if not left:
                return
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(LIMIT_S)
                while left and connection.recv(65536):
                    seen.append(number)
                    if not _answer(connection, left.pop(0)):
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], seen
    finally:
        listener.close()
        thread.join(LIMIT_S)


def _answer(connection: socket.socket, parts: Sequence[bytes | None]) -> bool:
    for part in parts:
        if part is None:
            return False
        connection.sendall(part)
        time.sleep(0.02)
    return True


@contextmanager
def late_relay(port: int, delay_s: float) -> Iterator[int]:
    """A relay to a port of this machine that holds back whatever the client says by `delay_s`; gives its own port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    ended = threading.Event()

    def pump(source: socket.socket, sink: socket.socket, hold_s: float) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                time.sleep(hold_s)
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def relay(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port), LIMIT_S) as upstream:
            for one in (client, upstream):
                one.settimeout(LIMIT_S)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=pump, args=(upstream, client, 0.0), daemon=True)
            back.start()
            pump(client, upstream, delay_s)
            back.join(LIMIT_S)

    def accept() -> None:
        while not ended.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=relay, args=(client,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(LIMIT_S)
