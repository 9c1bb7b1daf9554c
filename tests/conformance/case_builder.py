"""Cases made by hand: what comes of a probe at a gateway without faults, and changes to it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from understudy.conformance.model import Ask, Asked, Case, Check, Converse, Conversed, Finding, Key, Probe
from understudy.conformance.target import FEATURES, Target
from understudy.messages import (
    Chunk,
    Close,
    Exchange,
    Origin,
    RawHeaders,
    Request,
    Response,
    Session,
    Transcript,
    header_values,
)
from understudy.scenario.model import Reply, Stream, StreamChunk
from understudy.secret import Secret
from understudy.surfaces import Surface

KEY = "sk-client-0123456789abcdef"
CREDENTIAL = "upstream-credential"
ORIGIN = "127.0.0.1:4711"
GATEWAY = "127.0.0.1:4000"
SCOPE = "check-1"

TARGET = Target(
    "double",
    frozenset(FEATURES),
    prefixes={
        Surface.GEMINI: "/gemini",
        Surface.VERTEX: "/vertex_ai",
        Surface.GEMINI_LIVE: "/gemini",
        Surface.VERTEX_LIVE: "/vertex_ai",
    },
    key=Secret(KEY),
    project="p1",
    location="l1",
    response_headers=("x-gateway-*",),
)

SLOTS: Mapping[str, str] = {
    "{{key}}": KEY,
    "{{project}}": TARGET.project,
    "{{location}}": TARGET.location,
    "{{upstream}}": f"http://{ORIGIN}",
}

CARRIERS = frozenset(
    {
        *(b"authorization", b"x-goog-api-key", b"api-key", b"x-api-key", b"x-litellm-api-key"),
        *(b"ocp-apim-subscription-key", b"proxy-authorization"),
    }
)
HOP_BY_HOP = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"te", b"trailer"),
        *(b"transfer-encoding", b"upgrade", b"expect", b"content-length", b"host"),
    }
)
DENIED = CARRIERS | HOP_BY_HOP | {b"cookie"}
OWN_HEADERS: RawHeaders = ((b"x-gateway-request-id", b"r-1"),)
OWN_ERROR = b'{"error":{"code":%d,"message":"no","status":"%s","details":[]}}'
RPC_CODES = {400: b"INVALID_ARGUMENT", 401: b"UNAUTHENTICATED", 404: b"NOT_FOUND", 405: b"UNIMPLEMENTED"}

ChangeExchange = Callable[[Exchange], Exchange | None]
ChangeAsked = Callable[[Asked], Asked]
ChangeSession = Callable[[Session], Session | None]


def case_of(
    probe: Probe,
    *,
    change_upstream: ChangeExchange = lambda exchange: exchange,
    change_answer: ChangeAsked = lambda asked: asked,
    change_session: ChangeSession = lambda session: session,
    target: Target = TARGET,
) -> Case:
    """What comes of the probe at a gateway without faults.

    `change_upstream` alters (or, with None, removes) what the provider saw of a request, `change_answer` what the
    client saw, `change_session` what the provider saw of a session.
    """
    asked: list[Asked] = []
    conversed: list[Conversed] = []
    seen: list[Exchange] = []
    sessions: list[Session] = []
    for number, move in enumerate(probe.moves or ()):
        match move:
            case Ask():
                one, exchange = _played(probe, _filled(move), number, target)
                asked.append(change_answer(one))
                changed = None if exchange is None else change_upstream(exchange)
                if changed is not None:
                    seen.append(changed)
            case Converse():
                one, session = _conversed(probe, move, number, target)
                conversed.append(one)
                kept = change_session(session)
                if kept is not None:
                    sessions.append(kept)
    upstream = Transcript(tuple(seen), tuple(sessions))
    return Case(
        probe,
        target,
        tuple(asked),
        tuple(conversed),
        upstream,
        expected=probe.scenario.expect.cost,
        origin=ORIGIN,
        scope=SCOPE,
    )


def refusal_of(ask: Ask) -> int | None:
    """The status by which a gateway without faults refuses a request; None: it passes it on."""
    shown = ask.key.value
    if ask.key.carrier == "none" or (shown is not None and shown.removeprefix("Bearer ") != KEY):
        return 401
    if ask.is_whole:
        return 404
    if ask.method in ("TRACE", "CONNECT"):
        return 405
    denied = any(name.lower().removeprefix(b"x-pass-") in DENIED and _is_pass(name) for name, _ in ask.headers)
    return 400 if ask.raw_lines or _climbs(ask.path) or denied else None


def _is_pass(name: bytes) -> bool:
    return name.lower().startswith(b"x-pass-")


def _climbs(path: str) -> bool:
    depth = 0
    for segment in re.split(r"[/\\]", unquote(path)):
        depth += -1 if segment == ".." else 1 if segment not in ("", ".") else 0
        if depth < 0:
            return True
    return False


def _text(text: str) -> str:
    for slot, value in SLOTS.items():
        text = text.replace(slot, value)
    return text


def _bytes(data: bytes) -> bytes:
    return _text(data.decode("latin-1")).encode("latin-1")


def _filled(ask: Ask) -> Ask:
    key = ask.key if ask.key.value is None else Key(ask.key.carrier, _text(ask.key.value))
    headers = tuple((name, _bytes(value)) for name, value in ask.headers)
    return replace(ask, path=_text(ask.path), query=_text(ask.query), headers=headers, key=key)


def _framing(ask: Ask) -> RawHeaders:
    match ask.framing:
        case "length":
            return ((b"Content-Length", str(len(ask.body)).encode()),)
        case "chunked":
            return ((b"Transfer-Encoding", b"chunked"),)
        case "none":
            return ()


def _credential(surface: Surface) -> RawHeaders:
    if surface.is_vertex:
        return ((b"Authorization", f"Bearer {CREDENTIAL}".encode()),)
    return ((b"x-goog-api-key", CREDENTIAL.encode()),)


def forwarded(headers: RawHeaders) -> RawHeaders:
    """The client's fields as they should go on, without framing and credential."""
    named = {token.strip().lower() for value in header_values(headers, b"connection") for token in value.split(b",")}
    kept: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        lowered = name.lower()
        if lowered in named or lowered in CARRIERS or lowered in HOP_BY_HOP or lowered.startswith(b"x-litellm-"):
            continue
        kept.append((name[len(b"x-pass-") :], value) if _is_pass(name) else (name, value))
    return tuple(kept)


def _played(probe: Probe, ask: Ask, number: int, target: Target) -> tuple[Asked, Exchange | None]:
    sent = (
        (b"Host", GATEWAY.encode()),
        (b"X-Understudy-Scope", SCOPE.encode()),
        *ask.headers,
        *_framing(ask),
    )
    provider_target = f"{ask.path}?{ask.query}" if ask.query else ask.path
    prefix = "" if ask.is_whole else target.prefix(probe.surface)
    request = Request(ask.method, prefix + provider_target, sent, ask.body)
    origin = Origin(SCOPE, probe.surface.value, probe.id)
    refused = refusal_of(ask)
    interim = (100,) if ask.expects_continue else ()
    if refused is not None:
        answer = own_answer(refused)
        exchange = Exchange(number, request, answer, 1.0, 2.0, None, origin)
        return Asked(ask, provider_target, exchange, 1.5, ()), None
    if ask.leaves == "mid-upload":
        exchange = Exchange(number, request, None, 1.0, 2.0, "broken off", origin)
        went = replace(request, target=provider_target, body=ask.body[: len(ask.body) // ask.pieces])
        return Asked(ask, provider_target, exchange), Exchange(number, went, None, 11.0, 12.0, "client left", origin)
    response = _response(probe, ask, number)
    up_headers = (
        (b"Host", ORIGIN.encode()),
        (b"X-Understudy-Scope", SCOPE.encode()),
        *forwarded(ask.headers),
        *_credential(probe.surface),
        *_framing(ask),
    )
    at_provider = Request(ask.method, _completed(_without_key(provider_target)), up_headers, ask.body)
    upstream = Exchange(number, at_provider, response, 11.0, 12.0, None, origin)
    named = {b"connection", *_tokens(response.headers), b"transfer-encoding"}
    down = tuple(field for field in response.headers if field[0].lower() not in named)
    got = replace(response, headers=(*down, *OWN_HEADERS))
    if ask.method == "HEAD":
        got = replace(got, chunks=())
    exchange = Exchange(number, request, got, 1.0, 2.0, None, origin)
    return Asked(ask, provider_target, exchange, 1.5, interim), upstream


def _completed(target: str) -> str:
    """A short Vertex path in full (URL-10)."""
    found = re.match(r"(?:/(v[0-9]\w*))?(/publishers/.*)", target)
    if found is None:
        return target
    return f"/{found[1] or 'v1'}/projects/{TARGET.project}/locations/{TARGET.location}{found[2]}"


def _without_key(target: str) -> str:
    return target.replace(f"?key={KEY}", "").replace(f"&key={KEY}", "")


def _tokens(headers: RawHeaders) -> set[bytes]:
    return {token.strip().lower() for value in header_values(headers, b"connection") for token in value.split(b",")}


def own_answer(status: int) -> Response:
    """A gateway's own refusal."""
    body = OWN_ERROR % (status, RPC_CODES[status])
    headers = [(b"Content-Type", b"application/json; charset=UTF-8"), (b"Content-Length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"WWW-Authenticate", b"Bearer"))
    if status == 405:
        headers.append((b"Allow", b"GET, HEAD, POST"))
    return Response(status, (*headers, *OWN_HEADERS), (Chunk(body, 1.6),))


def _response(probe: Probe, ask: Ask, number: int) -> Response:
    answers = [step for step in probe.scenario.server if isinstance(step, Reply | Stream)]
    step = answers[number % len(answers)]
    match step:
        case Reply(status, headers, payload):
            bodies = [payload.fill({})]
        case Stream(parts, status, headers):
            bodies = [part.payload.fill({}) for part in parts if isinstance(part, StreamChunk)]
    usual: RawHeaders = (
        (b"Content-Type", b"application/json; charset=UTF-8"),
        (b"Vary", b"Origin"),
        (b"Vary", b"Referer"),
        (b"Server", b"scaffolding"),
        (b"Date", b"Sat, 21 Nov 2026 00:00:00 GMT"),
        (b"Connection", b"keep-alive"),
    )
    special = {name.lower() for name, _ in headers}
    length = (b"Content-Length", str(sum(map(len, bodies))).encode())
    kept = (*(field for field in (*usual, length) if field[0].lower() not in special), *headers)
    return Response(status, kept, tuple(Chunk(body, 11.5) for body in bodies if body))


def _conversed(probe: Probe, move: Converse, number: int, target: Target) -> tuple[Conversed, Session]:
    """A session in which nothing is said; only its handshakes count here."""
    origin = Origin(SCOPE, probe.surface.value, probe.id)
    headers = tuple((name, _bytes(value)) for name, value in move.headers)
    path = move.path or "/ws/live"
    close = Close("client", 1000, "", 3.0)
    sent = Request("GET", target.prefix(probe.surface) + path, headers)
    mine = Session(number, sent, 101, (), close, 1.0, 3.0, origin, OWN_HEADERS)
    kept = tuple(field for field in forwarded(headers) if field[0].lower() not in (b"origin", b"cookie"))
    went = Request("GET", path, ((b"Host", ORIGIN.encode()), *kept, *_credential(probe.surface)))
    return Conversed(move, mine), Session(number, went, 101, (), close, 11.0, 13.0, origin)


def findings_of(check: Check, **changes: Any) -> list[Finding]:
    """What the check finds in all its probes, played at a gateway with these faults (`case_of`)."""
    return [finding for probe in check.probes for finding in check.judge(case_of(probe, **changes))]


# -- changes that many tests make


def with_target(exchange: Exchange, target: str) -> Exchange:
    """The provider saw another target."""
    return replace(exchange, request=replace(exchange.request, target=target))


def with_body(exchange: Exchange, body: bytes) -> Exchange:
    """The provider saw another body."""
    return replace(exchange, request=replace(exchange.request, body=body))


def with_headers(exchange: Exchange, headers: RawHeaders) -> Exchange:
    """The provider saw these header fields."""
    return replace(exchange, request=replace(exchange.request, headers=headers))


def with_field(exchange: Exchange, name: bytes, value: bytes) -> Exchange:
    """The provider saw one header field more."""
    return with_headers(exchange, (*exchange.request.headers, (name, value)))


def without_field(exchange: Exchange, name: bytes) -> Exchange:
    """The provider did not see a header field."""
    return with_headers(exchange, tuple(field for field in exchange.request.headers if field[0].lower() != name))


def answered_with(asked: Asked, response: Response | None, problem: str | None = None) -> Asked:
    """The client got another answer, or none."""
    return replace(asked, exchange=replace(asked.exchange, response=response), problem=problem)


def with_answer_headers(asked: Asked, change: Callable[[RawHeaders], RawHeaders]) -> Asked:
    """The client got other header fields."""
    response = asked.exchange.response
    assert response is not None
    return answered_with(asked, replace(response, headers=change(response.headers)))


def with_answer_body(asked: Asked, body: bytes) -> Asked:
    """The client got another body."""
    response = asked.exchange.response
    assert response is not None
    return answered_with(asked, replace(response, chunks=(Chunk(body, 1.6),)))


def with_status(asked: Asked, status: int) -> Asked:
    """The client got another status."""
    response = asked.exchange.response
    assert response is not None
    return answered_with(asked, replace(response, status=status))
