"""Load tool and upstream over real sockets: they understand each other and other implementations, and see faults."""

import socket
import threading
from collections.abc import Callable
from contextlib import contextmanager

import pytest
import requests
from websockets.sync.client import connect

from understudy.errors import TargetError
from understudy_bench.engine import Channel, Engine
from understudy_bench.load import Aim, HttpClient, Tally, request_of
from understudy_bench.payloads import (
    MASK,
    client_messages,
    events,
    frame,
    server_messages,
    setup_answer,
    setup_message,
    unary_answer,
    unary_request,
)
from understudy_bench.upstream import Script, Upstream
from understudy_bench.workloads import LIVE_PATH, STREAM_PATH, UNARY_PATH, Workload, idle_session, workloads

LIMIT_S = 10
WORKLOADS = {workload.name: workload for workload in workloads()}


@contextmanager
def engine_and_upstream(script: Script):
    engine = Engine()
    upstream = Upstream(engine)
    upstream.script = script
    try:
        yield engine, upstream
    finally:
        upstream.close()
        engine.close()


def connected(upstream: Upstream) -> socket.socket:
    return socket.create_connection(("127.0.0.1", upstream.port), timeout=LIMIT_S)


def done_beside(engine: Engine, work: Callable[[], object]) -> object:
    """What `work` returns, done in a thread while the engine serves it."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    engine.run_until(lambda: not thread.is_alive(), LIMIT_S, "the other side")
    return found[0] if found else None


class Canned(Channel):
    """A server's connection that says the same to whatever comes, and then perhaps closes."""

    def __init__(self, engine, sock, says, closes):
        super().__init__(engine, sock)
        self._says, self._closes = list(says), closes

    def received(self, size):
        if self._says:
            self.send(self._says.pop(0))
        elif self._closes:
            self.close()

    def lost(self):
        self.close()


@contextmanager
def canned(engine, *says, closes=False):
    """The port of a server whose first connection answers each piece that comes with the next of `says`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        class Door:
            def on_event(self, mask):
                Canned(engine, listener.accept()[0], says, closes)

        engine.add(listener.fileno(), Door())
        yield listener.getsockname()[1]
        engine.remove(listener.fileno())


def ran(workload: Workload, answers: int) -> Tally:
    """The workload, played against its own upstream until so many answers have come, and to its end."""
    with engine_and_upstream(workload.script) as (engine, upstream):
        tally = Tally()
        clients = [workload.client(engine, Aim("direct", upstream.port), tally) for _ in range(3)]
        engine.run_until(lambda: tally.done >= answers and tally.ready == len(clients), LIMIT_S, "answers")
        tally.is_ending = True
        engine.run_until(lambda: tally.idle == len(clients), LIMIT_S, "the last answers")
        done = tally.done
        engine.run_for(0.02)
        assert (tally.done, tally.idle) == (done, len(clients))
        for client in clients:
            client.close()
        return tally


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_workload_runs_against_its_own_upstream_and_ends_in_order(name):
    assert ran(WORKLOADS[name], 200).done >= 200


def test_requests_reads_the_upstreams_answers():
    for name, path, body in (("unary", UNARY_PATH, unary_answer()), ("sse", STREAM_PATH, b"".join(events()))):
        with engine_and_upstream(WORKLOADS[name].script) as (engine, upstream):
            url = f"http://127.0.0.1:{upstream.port}{path.decode()}"
            answer = done_beside(engine, lambda url=url: requests.post(url, unary_request(), timeout=LIMIT_S))
            assert isinstance(answer, requests.Response)
            assert (answer.status_code, answer.content) == (200, body)


def test_websockets_talks_to_the_upstream():
    with engine_and_upstream(WORKLOADS["live-200"].script) as (engine, upstream):
        sent = [message.decode() for message in client_messages(200)[:5]]

        def talk():
            # The upstream knows no close frame: nobody measures how a session ends.
            url = f"ws://127.0.0.1:{upstream.port}{LIVE_PATH.decode()}"
            with connect(url, compression=None, close_timeout=0.1) as session:
                session.send(setup_message().decode())
                first = session.recv(LIMIT_S)
                for message in sent:
                    session.send(message)
                return [first, *(session.recv(LIMIT_S) for _ in sent)]

        expected = [setup_answer(), *server_messages(200)[:5]]
        assert done_beside(engine, talk) == [message.decode() for message in expected]


def test_a_connection_that_served_requests_may_turn_into_a_session():
    with engine_and_upstream(WORKLOADS["unary"].script) as (engine, upstream):
        tally = Tally()
        aim = Aim("direct", upstream.port)
        client = HttpClient(engine, aim, tally, request_of(aim, UNARY_PATH, unary_request()), unary_answer())
        engine.run_until(lambda: tally.done >= 3, LIMIT_S, "answers")
        tally.is_ending = True
        engine.run_until(lambda: tally.idle == 1, LIMIT_S, "the last answer")
        seen = bytearray()
        client._read = lambda size: seen.extend(engine.buffer[:size])
        client.send(b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        engine.run_until(lambda: seen.endswith(b"\r\n\r\n"), LIMIT_S, "the handshake")
        client.close()
        # The key and its answer are those of RFC 6455, 1.3.
        assert seen.startswith(b"HTTP/1.1 101 ") and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in seen


def test_a_request_that_comes_in_chunks_is_answered_at_its_end_only():
    body = unary_request()
    head = b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = (head, b"%x\r\n%s" % (len(body), body), b"\r\n", b"0\r\n", b"\r\n")
    with engine_and_upstream(WORKLOADS["unary"].script) as (engine, upstream), connected(upstream) as sock:
        sock.setblocking(False)
        for piece in pieces:
            with pytest.raises(BlockingIOError):
                sock.recv(1)
            sock.send(piece)
            engine.run_for(0.02)
        assert sock.recv(65536).endswith(unary_answer())


def test_an_idle_session_is_ready_and_says_nothing():
    with engine_and_upstream(Script()) as (engine, upstream):
        tally = Tally()
        client = idle_session(engine, Aim("direct", upstream.port), tally)
        engine.run_until(lambda: tally.ready == 1, LIMIT_S, "the setup")
        engine.run_for(0.02)
        client.close()
        assert tally.done == 0


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED_OK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("says", "fault"),
    [
        ((b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}",), "not answered with 200"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",), "another body"),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",), "another body"),
        ((OK, OK, OK + b"x"), "more bytes than an answer has"),
        ((CHUNKED_OK, b"0\r\n\r\n"), "fewer bytes than an answer has"),
        ((OK, OK), "closed a connection"),
    ],
)
def test_the_load_tool_sees_an_answer_that_is_none(says, fault):
    engine = Engine()
    with canned(engine, *says, closes=True) as port:
        aim, tally = Aim("the gateway", port), Tally()
        client = HttpClient(engine, aim, tally, request_of(aim, UNARY_PATH, unary_request()), b"{}")
        with pytest.raises(TargetError, match=f"the gateway.*{fault}"):
            engine.run_until(lambda: False, LIMIT_S, "never")
        client.close()
        engine.run_for(0.02)
    engine.close()


def test_an_answer_that_never_comes_is_named():
    engine = Engine()
    with canned(engine) as port:
        aim, tally = Aim("the gateway", port), Tally()
        client = HttpClient(engine, aim, tally, request_of(aim, UNARY_PATH, unary_request()), b"{}")
        with pytest.raises(TargetError, match="first answers: nothing more after"):
            engine.run_until(lambda: tally.ready > 0, 0.05, "first answers")
        client.close()
        engine.run_for(0.02)
    engine.close()


ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


@pytest.mark.parametrize(
    ("says", "fault"),
    [
        ((b"HTTP/1.1 401 No\r\n\r\n",), "no WebSocket"),
        ((ACCEPTED.replace(b"s3p", b"xxx"),), "no WebSocket"),
        ((ACCEPTED + frame(b"early"),), "something before the setup"),
        ((ACCEPTED, frame(setup_answer()) + b"more"), "more than an answer to the setup"),
        ((ACCEPTED, frame(setup_answer()), frame(server_messages(200)[1])), "another message"),
    ],
)
def test_the_load_tool_sees_a_session_that_is_none(says, fault):
    engine = Engine()
    with canned(engine, *says) as port:
        tally = Tally()
        client = WORKLOADS["live-200"].client(engine, Aim("the gateway", port), tally)
        with pytest.raises(TargetError, match=f"the gateway.*{fault}"):
            engine.run_until(lambda: False, LIMIT_S, "never")
        client.close()
        engine.run_for(0.02)
    engine.close()


def test_a_large_write_is_finished_when_the_other_side_reads():
    data = bytes(range(256)) * 65536
    engine = Engine()
    with canned(engine, data) as port:
        sock = socket.create_connection(("127.0.0.1", port))
        sock.send(b"go")

        def read():
            seen = bytearray()
            while len(seen) < len(data):
                seen += sock.recv(65536)
            return bytes(seen)

        assert done_beside(engine, read) == data
        sock.close()
        engine.run_for(0.02)
    engine.close()


def test_frames_that_arrive_together_are_answered_one_for_one():
    with engine_and_upstream(WORKLOADS["live-200"].script) as (engine, upstream), connected(upstream) as sock:
        sock.send(b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n")
        engine.run_for(0.02)
        sock.recv(65536)
        three = b"".join(frame(message, MASK) for message in client_messages(200)[:3])
        sock.send(frame(setup_message(), MASK) + three)
        engine.run_for(0.02)
        answers = b"".join(frame(message) for message in server_messages(200)[:3])
        assert sock.recv(65536) == frame(setup_answer()) + answers
