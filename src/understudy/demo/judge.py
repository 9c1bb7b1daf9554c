"""Two transcripts, the client's words and the gateway's books become one row a step. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median
from typing import Any

from ..messages import Exchange, Frame, Session, Transcript, header_value
from .plan import Step

CALL_ID = b"x-litellm-call-id"


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one step. `problems` is empty if everything held; times in milliseconds.

    `cost` None: the gateway called it unknown, or said nothing.
    """

    session: str
    step: str
    is_same: bool
    is_key_upstream: bool
    cost: Decimal | None
    expected_cost: Decimal
    added_ms: float | None
    problems: tuple[str, ...]

    @property
    def held(self) -> bool:
        """Whether all promises held."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one step. `elsewhere` is what the provider saw outside every step: token requests, say."""

    session: str
    step: Step
    result: Mapping[str, Any]
    client: Transcript
    upstream: Transcript
    elsewhere: Transcript
    spend: Sequence[Mapping[str, Any]]
    key: bytes
    expected_cost: Decimal


def judged(evidence: Evidence) -> Row:
    """The row of one step; each promise that did not hold is one problem, in words."""
    differences = tuple(_differences(evidence))
    leaked = any(evidence.key in everything(seen) for seen in (evidence.upstream, evidence.elsewhere))
    cost, cost_problem = _cost(evidence)
    problems = [*_outcome_problems(evidence.step, evidence.result), *differences]
    if leaked:
        problems.append("the client's key was seen upstream")
    if cost_problem:
        problems.append(cost_problem)
    return Row(
        evidence.session,
        evidence.step.name,
        not differences,
        leaked,
        cost,
        evidence.expected_cost,
        _added_ms(evidence.client, evidence.upstream),
        tuple(problems),
    )


def everything(transcript: Transcript) -> bytes:
    """Every byte that was received on that side: heads, bodies, client frames. A leaked key would be in it."""
    heads = [entry.request.head + entry.request.body for entry in (*transcript.exchanges, *transcript.sessions)]
    frames = [frame.payload for session in transcript.sessions for frame in session.sent_by("client")]
    return b"\n".join(heads + frames)


def _outcome_problems(step: Step, result: Mapping[str, Any]) -> Iterator[str]:
    wanted = step.values if step.error is None else step.error
    part = "values" if step.error is None else "error"
    if bool(result.get("ok")) is not (step.error is None):
        yield f"the client says {result.get('error') or result.get('values') or 'nothing'}"
        return
    got = result.get(part, {})
    for name, value in wanted.items():
        if got.get(name) != value:
            yield f"{name}: the client got {got.get(name)!r}, wanted {value!r}"


def _differences(evidence: Evidence) -> Iterator[str]:
    client, upstream = evidence.client, evidence.upstream
    if evidence.step.scenario is None:
        count = len(upstream.exchanges) + len(upstream.sessions)
        if count:
            yield f"{count} requests reached the provider, wanted none"
        return
    if not client.exchanges and not client.sessions:
        yield "nothing was recorded at the client"
    for kind, mine, theirs in (
        ("requests", client.exchanges, upstream.exchanges),
        ("sessions", client.sessions, upstream.sessions),
    ):
        if len(mine) != len(theirs):
            yield f"{len(mine)} {kind} at the client, {len(theirs)} at the provider"
    for one, other in zip(client.exchanges, upstream.exchanges, strict=False):
        yield from _exchange_differences(one, other)
    for one, other in zip(client.sessions, upstream.sessions, strict=False):
        yield from _session_differences(one, other)


def _exchange_differences(client: Exchange, upstream: Exchange) -> Iterator[str]:
    where = f"{client.request.method} {client.request.path}"
    if client.request.body != upstream.request.body:
        yield f"{where}: the request body differs"
    if client.response is None or upstream.response is None:
        yield f"{where}: no answer on one side"
        return
    if client.response.status != upstream.response.status:
        yield f"{where}: status {client.response.status}, upstream {upstream.response.status}"
    if client.response.body != upstream.response.body:
        yield f"{where}: the answer's body differs"
    if not (client.response.complete and upstream.response.complete):
        yield f"{where}: the answer broke off"


def _session_differences(client: Session, upstream: Session) -> Iterator[str]:
    for sender in ("client", "server"):
        mine = [(frame.opcode, frame.payload) for frame in client.sent_by(sender)]
        theirs = [(frame.opcode, frame.payload) for frame in upstream.sent_by(sender)]
        if mine != theirs:
            yield f"the {sender}'s frames differ ({len(mine)} at the client, {len(theirs)} at the provider)"
    closes = [close.code for close in (client.close, upstream.close) if close is not None]
    if len(closes) == 2 and closes[0] != closes[1]:
        yield f"close code {closes[0]} at the client, {closes[1]} at the provider"


def _cost(evidence: Evidence) -> tuple[Decimal | None, str | None]:
    """The gateway's figure for all exchanges of the step, and what is wrong with it."""
    ids = set(_call_ids(evidence.client)) | set(_operation_names(evidence.upstream))
    records = [record for record in evidence.spend if record["id"] in ids]
    if evidence.step.scenario is not None and not records:
        return None, "no spend record"
    unknown = [record for record in records if record["cost"] is None]
    if unknown:
        return None, f"the cost is unknown: {unknown[0].get('reason')}"
    cost = sum((Decimal(record["cost"]) for record in records), Decimal(0))
    if cost != evidence.expected_cost:
        return cost, f"cost {cost}, wanted {evidence.expected_cost}"
    return cost, None


def _call_ids(client: Transcript) -> Iterator[str]:
    answers = [exchange.response.headers for exchange in client.exchanges if exchange.response]
    for headers in (*answers, *(session.answer_headers for session in client.sessions)):
        value = header_value(headers, CALL_ID)
        if value is not None:
            yield value.decode("latin-1")


def _operation_names(upstream: Transcript) -> Iterator[str]:
    """The names of the operations that were started: each is one record of its own in the books."""
    for exchange in upstream.exchanges:
        if exchange.request.path.endswith(":predictLongRunning") and exchange.response:
            yield json.loads(exchange.response.body)["name"]


def _added_ms(client: Transcript, upstream: Transcript) -> float | None:
    """Time added: the median over exchanges, or over answered frames, of the client's wait less the provider's."""
    pairs = zip(client.exchanges, upstream.exchanges, strict=False)
    added = [(mine.ended - mine.started) - (theirs.ended - theirs.started) for mine, theirs in pairs]
    for mine, theirs in zip(client.sessions, upstream.sessions, strict=False):
        waits = zip(_waits(mine.frames), _waits(theirs.frames), strict=False)
        added += [at_client - at_provider for at_client, at_provider in waits]
    return median(added) * 1000 if added else None


def _waits(frames: Iterable[Frame]) -> list[float]:
    """Seconds from each client frame to the server frame that comes next after it."""
    waits: list[float] = []
    asked: float | None = None
    for frame in frames:
        if frame.sender == "client":
            asked = frame.at
        elif asked is not None:
            waits.append(frame.at - asked)
            asked = None
    return waits
