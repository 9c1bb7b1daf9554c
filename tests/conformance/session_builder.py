"""Cases of Live sessions and of operations made by hand, as at a gateway without faults, and changes to any case."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from case_builder import OWN_HEADERS, SCOPE, TARGET

from understudy.conformance.model import Ask, Asked, Case, Converse, Conversed, Drop, Ping, Probe
from understudy.messages import Chunk, Close, Exchange, Frame, Origin, Request, Response, Session, Transcript
from understudy.scenario.audio import audio_message, frame_count, frame_pcm
from understudy.scenario.model import (
    Branch,
    CloseSession,
    Download,
    Fault,
    OperationError,
    Poll,
    Reply,
    Send,
    SendAudio,
    StartOperation,
)

PATHS = {
    "gemini-live": "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
    "vertex-live": "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent",
}
VALUES = {"model_path": "models/m"}


def session_case(probe: Probe) -> Case:
    """What comes of a probe of sessions at a gateway without faults."""
    moves = [move for move in probe.moves or (Converse(probe.scenario.client),) if isinstance(move, Converse)]
    pairs = [_session(probe, move, number) for number, move in enumerate(moves)]
    return Case(
        probe,
        TARGET,
        conversed=tuple(one for one, _ in pairs),
        upstream=Transcript((), tuple(session for _, session in pairs)),
        expected=probe.scenario.expect.cost,
        scope=SCOPE,
    )


def _session(probe: Probe, move: Converse, number: int) -> tuple[Conversed, Session]:
    path = PATHS[probe.surface.value] if move.is_whole or move.path is None else move.path
    asked = Request("GET", "/x" + path, move.headers)
    hidden = (b"origin", b"cookie")
    went = Request("GET", path, tuple(field for field in move.headers if field[0].lower() not in hidden))
    origin = Origin(SCOPE, probe.surface.value, probe.id)
    first = probe.scenario.server[0]
    if isinstance(first, Reply):
        mine = Session(0, asked, first.status, (), None, 1.0, 1.1)
        refusal = Response(first.status, first.headers, (Chunk(first.payload.fill({}), 1.1),))
        return Conversed(move, mine, refusal), Session(number, went, first.status, (), None, 11.0, 11.1, origin)
    frames = (*_said("client", move.steps), *_said("server", probe.scenario.server))
    ends = _end(probe, move)
    mine = Session(0, asked, 101, frames, ends[0], 1.0, 2.0, origin, OWN_HEADERS)
    theirs = Session(number, went, 101, frames, ends[1], 11.0, 12.0, origin)
    pongs = tuple(step.payload for step in move.steps if isinstance(step, Ping))
    was_lost = any(isinstance(step, Drop) for step in move.steps)
    return Conversed(move, mine, None, None, pongs, None, was_lost), theirs


def _said(sender, steps: Iterable[object]) -> Iterable[Frame]:
    for step in steps:
        match step:
            case Send(payload, opcode):
                yield Frame(sender, opcode, payload.fill(VALUES), 1.5)
            case SendAudio():
                for index in range(frame_count(step)):
                    yield Frame(sender, step.opcode, audio_message(frame_pcm(step, index), step.rate_hz, sender), 1.5)
            case _:
                pass


def _end(probe: Probe, move: Converse) -> tuple[Close, Close]:
    """How it ended for the client and for the provider."""
    steps: Sequence[object] = probe.scenario.server
    branch = next((step for step in steps if isinstance(step, Branch)), None)
    if branch is not None:
        wanted = json.loads(_last_sent(move))["code"]
        steps = next(case.steps for case in branch.cases if case.pattern == {"code": wanted})
    if any(isinstance(step, Fault) and step.kind == "reset_peer" for step in steps):
        return Close("server", 1011, "", 2.0), Close("server", None, "", 12.0)
    if any(isinstance(step, Drop) for step in move.steps):
        return Close("client", 1000, "", 2.0), Close("client", 1001, "", 12.0)
    own = next((step for step in move.steps if isinstance(step, CloseSession)), None)
    given = next((step for step in steps if isinstance(step, CloseSession)), None)
    if given is not None and own is None:
        return Close("server", given.code, given.reason, 2.0), Close("server", given.code, given.reason, 12.0)
    last = own or CloseSession(1000)
    return Close("client", last.code, last.reason, 2.0), Close("client", last.code, last.reason, 12.0)


def _last_sent(move: Converse) -> bytes:
    return [step for step in move.steps if isinstance(step, Send)][-1].payload.fill({})


def job_case(probe: Probe) -> Case:
    """What comes of a probe of an operation at a gateway without faults: start, polls, and perhaps a download."""
    is_vertex = probe.surface.is_vertex
    start = next(step for step in probe.scenario.server if isinstance(step, StartOperation))
    name = "projects/p1/operations/o1" if is_vertex else "models/m/operations/o1"
    running = b'{"name": "%s"}' % name.encode()
    done = b'{"name": "%s", "done": true, "response": {}}' % name.encode()
    if isinstance(start.outcome, OperationError):
        done = b'{"name": "%s", "done": true, "error": {"code": 3}}' % name.encode()
    base = "/v1/projects/p1/locations/l1/publishers/google/models/m" if is_vertex else "/v1beta/models/m"
    body = b'{"operationName": "%s"}' % name.encode()
    poll = Ask(f"{base}:fetchPredictOperation", body=body) if is_vertex else Ask(f"/v1beta/{name}", "GET")
    played = [(Ask(f"{base}:predictLongRunning", body=b"{}"), running)]
    most = max((step.at_most for step in probe.scenario.client if isinstance(step, Poll)), default=1_000)
    played += [(poll, running)] * min(start.running_polls, most) + [(poll, done)] * (start.running_polls < most)
    if any(isinstance(step, Download) for step in probe.scenario.client):
        played.append((Ask("/v1beta/files/f1:download", "GET", "alt=media"), b"\x00video"))
    pairs = [_exchange(ask, answer, number) for number, (ask, answer) in enumerate(played)]
    return Case(
        probe,
        TARGET,
        asked=tuple(asked for asked, _ in pairs),
        upstream=Transcript(tuple(exchange for _, exchange in pairs)),
        expected=probe.scenario.expect.cost,
        scope=SCOPE,
    )


def _exchange(ask: Ask, body: bytes, number: int) -> tuple[Asked, Exchange]:
    target = f"{ask.path}?{ask.query}" if ask.query else ask.path
    response = Response(200, ((b"Content-Type", b"application/json"),), (Chunk(body, 1.5),))
    mine = Exchange(number, Request(ask.method, "/x" + target, (), ask.body), response, 1.0, 2.0)
    theirs = Exchange(number, Request(ask.method, target, (), ask.body), response, 11.0, 12.0)
    return Asked(ask, target, mine), theirs


# -- changes

Change = Callable[[Case], Case]


def at_client(change: Callable[[Asked], Asked], only: int | None = None) -> Change:
    """The client saw something else, of all its requests or of `only` one."""

    def changed(case: Case) -> Case:
        asked = [change(one) if only in (None, at) else one for at, one in enumerate(case.asked)]
        return replace(case, asked=tuple(asked))

    return changed


def at_provider(change: Callable[[Exchange], Exchange | None], only: int | None = None) -> Change:
    """The provider saw something else, or (None) nothing."""

    def changed(case: Case) -> Case:
        seen = [change(one) if only in (None, at) else one for at, one in enumerate(case.upstream.exchanges)]
        return replace(case, upstream=replace(case.upstream, exchanges=tuple(one for one in seen if one is not None)))

    return changed


def once_more(only: int = -1) -> Change:
    """The provider saw one request twice."""

    def changed(case: Case) -> Case:
        seen = case.upstream.exchanges
        return replace(case, upstream=replace(case.upstream, exchanges=(*seen, seen[only])))

    return changed


def in_session(
    mine: Callable[[Conversed], Conversed] = lambda one: one,
    theirs: Callable[[Session], Session] = lambda session: session,
) -> Change:
    """Client or provider saw another session."""

    def changed(case: Case) -> Case:
        sessions = tuple(theirs(session) for session in case.upstream.sessions)
        return replace(
            case,
            conversed=tuple(mine(one) for one in case.conversed),
            upstream=replace(case.upstream, sessions=sessions),
        )

    return changed


def client_frames(change: Callable[[Frame], Frame | None]) -> Change:
    """The client's session has other frames; None takes one away."""
    return in_session(mine=lambda one: replace(one, session=_with_frames(one.session, change)))


def provider_frames(change: Callable[[Frame], Frame | None]) -> Change:
    """The provider's session has other frames; None takes one away."""
    return in_session(theirs=lambda session: _with_frames(session, change))


def _with_frames(session: Session, change: Callable[[Frame], Frame | None]) -> Session:
    kept = [new for frame in session.frames if (new := change(frame)) is not None]
    return replace(session, frames=tuple(kept))


def client_close(close: Close | None, was_lost: bool = False, problem: str | None = None) -> Change:
    """The client's session ended in another way."""

    def mine(one: Conversed) -> Conversed:
        return replace(one, session=replace(one.session, close=close), was_lost=was_lost, problem=problem)

    return in_session(mine=mine)


def provider_close(close: Close | None) -> Change:
    """The provider's session ended in another way."""
    return in_session(theirs=lambda session: replace(session, close=close))


def refused(status: int, body: bytes = b"") -> Change:
    """The gateway refused the handshakes; the provider was dialled all the same."""

    def mine(one: Conversed) -> Conversed:
        refusal = Response(status, (), (Chunk(body, 1.1),))
        return replace(one, session=replace(one.session, status=status, close=None), refusal=refusal)

    return in_session(mine=mine)


def not_dialled(case: Case) -> Case:
    """The provider saw no session."""
    return replace(case, upstream=Transcript())
