"""What is measured: each workload says what the clients send, what the upstream answers, and what one unit of it is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from .engine import Engine
from .load import IN_FLIGHT, NUMBER_DIGITS, Aim, Client, FreshClient, HttpClient, LiveClient, Tally, request_of
from .payloads import (
    EVENTS,
    MASK,
    MODEL,
    UNSCRIPTED_MODEL,
    chunked,
    client_messages,
    events,
    frame,
    server_messages,
    unary_answer,
    unary_request,
)
from .upstream import TAIL, Script

ECHO: Final = "echo"
GATEWAY: Final = "gateway"
RELAY: Final = "relay"
NGINX: Final = "nginx"
SIMULATOR: Final = "simulator"
PLAIN: Final = "plain"
"""The gateway without accounts."""

WORKERS: Final = "workers"
"""The gateway with two workers."""

DIRECT: Final = "direct"
"""No program at all: the load tool talks to its own upstream, which shows what those two cost."""

UNARY_PATH: Final = f"/v1beta/models/{MODEL}:generateContent".encode()
UNSCRIPTED_PATH: Final = f"/v1beta/models/{UNSCRIPTED_MODEL}:generateContent".encode()
STREAM_PATH: Final = f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse".encode()
LIVE_PATH: Final = b"/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"

STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nServer: bench\r\n"
    b"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n"
)

_BETWEEN: Final = (DIRECT, ECHO, GATEWAY, RELAY, NGINX)
_CONNECTIONS: Final = 16
_TEXT: Final = b'"text": "'
"""Behind it stands what the user says in the unary request."""

MakeClient = Callable[[Engine, Aim, Tally], Client]


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of traffic: `connections` clients, made by `client`, against programs that have `script` upstream.

    An answer counts `units_per_answer` units, such as the chunks of a stream. `programs` are measured beside each of
    `references` that is there; a reference beside those that stand before it.
    """

    name: str
    title: str
    unit: str
    script: Script
    client: MakeClient
    programs: tuple[str, ...] = _BETWEEN
    connections: int = _CONNECTIONS
    units_per_answer: int = 1
    references: tuple[str, ...] = (ECHO, NGINX)

    def beside(self, program: str) -> tuple[str, ...]:
        """Whom the program is measured beside; DIRECT is beside nobody."""
        if program == DIRECT:
            return ()
        known = self.references
        return known[: known.index(program)] if program in known else known


def workloads() -> tuple[Workload, ...]:
    """All workloads that measure CPU, in the order of the report."""
    return (
        unary("unary", "JSON of 1 KB", _BETWEEN),
        replace(
            unary("unary-plain", "the same, beside a gateway without accounts", (PLAIN, GATEWAY)), references=(PLAIN,)
        ),
        _stream(),
        _ping_pong(),
        _live("live-200", "Live frames of 200 B, there and back", 200),
        _live("live-4k", "Live frames of 4 KiB, there and back", 4096),
        _live("live-64k", "Live frames of 64 KiB, there and back", 65536),
        unary("simulator", "JSON of 1 KB, answered from one of 200 scenarios", (ECHO, SIMULATOR)),
        _unscripted(),
        _unseen(),
    )


def unary(name: str, title: str, programs: tuple[str, ...]) -> Workload:
    """generateContent: 1 KB there, 1 KB back."""
    script = Script(unary_request()[-TAIL:], (http_answer(unary_answer()),))

    def client(engine: Engine, aim: Aim, tally: Tally) -> Client:
        return HttpClient(engine, aim, tally, request_of(aim, UNARY_PATH, unary_request()), unary_answer())

    return Workload(name, title, "us/request", script, client, programs)


def _unscripted() -> Workload:
    """generateContent of a model for which no scenario is armed; the echo answers as always."""
    script = Script(unary_request()[-TAIL:], (http_answer(unary_answer()),))

    def client(engine: Engine, aim: Aim, tally: Tally) -> Client:
        expected = unary_answer() if aim.echoes else None
        return HttpClient(engine, aim, tally, request_of(aim, UNSCRIPTED_PATH, unary_request()), expected)

    title = "JSON of 1 KB, answered by the simulator itself"
    return Workload("simulator-unscripted", title, "us/request", script, client, (ECHO, SIMULATOR))


def _unseen() -> Workload:
    """The same with bodies of which none is like another."""
    script = Script(unary_request()[-TAIL:], (http_answer(unary_answer()),))
    serials = count(1)

    def client(engine: Engine, aim: Aim, tally: Tally) -> Client:
        whole = request_of(aim, UNSCRIPTED_PATH, unary_request())
        at = len(whole) - len(unary_request()) + unary_request().index(_TEXT) + len(_TEXT)
        around = whole[:at], whole[at + NUMBER_DIGITS :]
        return FreshClient(engine, aim, tally, around, next(serials))

    title = "the same, each body a new one"
    return Workload("simulator-unseen", title, "us/request", script, client, (ECHO, SIMULATOR))


def _stream() -> Workload:
    script = Script(unary_request()[-TAIL:], (STREAM_HEAD, *chunked(events())))

    def client(engine: Engine, aim: Aim, tally: Tally) -> Client:
        return HttpClient(engine, aim, tally, request_of(aim, STREAM_PATH, unary_request()), b"".join(events()))

    title = f"server-sent events, bursts of {EVENTS}"
    return Workload("sse", title, "us/chunk", script, client, units_per_answer=EVENTS)


def _ping_pong() -> Workload:
    """One frame on its way in each session: nobody can put several into one write."""
    title = "Live frames of 200 B, one on its way in each session"
    return replace(_live("live-echo", title, 200, in_flight=1), programs=(GATEWAY, NGINX))


def _live(name: str, title: str, size: int, in_flight: int = IN_FLIGHT) -> Workload:
    sent = tuple(frame(payload, MASK) for payload in client_messages(size))
    answers = tuple(frame(payload) for payload in server_messages(size))
    echoed = frame(client_messages(size)[0])

    def client(engine: Engine, aim: Aim, tally: Tally) -> Client:
        return LiveClient(engine, aim, tally, LIVE_PATH, sent, echoed if aim.echoes else answers[0], in_flight)

    script = Script(frame_size=len(sent[0]), frames=answers)
    return Workload(name, title, "us/frame", script, client, (ECHO, GATEWAY, RELAY, NGINX))


def idle_session(engine: Engine, aim: Aim, tally: Tally) -> Client:
    """A Live session that has been set up and then says nothing."""
    return LiveClient(engine, aim, tally, LIVE_PATH, (), b"")


def http_answer(body: bytes) -> bytes:
    """A whole answer with this JSON body."""
    return answer_head(len(body)) + body


def answer_head(length: int) -> bytes:
    """The head of an answer with a JSON body of that length, with the headers that Google sends."""
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nVary: X-Origin\r\nVary: Referer\r\n"
        b"Server: scaffolding on HTTPServer2\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nX-XSS-Protection: 0\r\n"
        b"X-Frame-Options: SAMEORIGIN\r\nX-Content-Type-Options: nosniff\r\nContent-Length: %d\r\n\r\n"
    ) % length
