"""What a scenario's actions for one HTTP request come to: an answer, or the start of an operation. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from understudy.messages import header_value
from understudy.scenario.model import Fault, Pause, Reply, StartOperation, Stream, StreamChunk

from .cues import Abort, Action, Answer, AnswerStream, BeginOperation, Finished, Stall, Unexpected, Wait
from .encoding import ArrayFraming, Framer, NoFraming, SseFraming, relaid_array_element
from .replies import JSON_TYPE, SSE_TYPE, Manner, Outgoing, Part, scripted_answer, type_of_body

Waits = tuple[Pause | Fault, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """The request in hand starts an operation, after some waiting."""

    start: StartOperation
    before: Waits


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The request is not what the script expects; `why` says what was wanted and found."""

    why: str


def outcome_of(actions: Sequence[Action], values: Mapping[str, str], manner: Manner) -> Outgoing | Begun | Mismatch:
    """What `Playback.answer` wants done for one request. `values` fill slots."""
    waits: list[Pause | Fault] = []
    for action in actions:
        match action:
            case Wait(seconds):
                waits.append(Fault("latency", seconds) if action.is_fault else Pause(seconds))
            case Stall(seconds):
                waits.append(Fault("stall", seconds))
            case Answer(reply):
                answer = reply_answer(reply, values, manner)
                return replace(answer, before=tuple(waits)) if waits else answer
            case AnswerStream(stream):
                return replace(streamed_answer(stream, values, manner), before=tuple(waits))
            case BeginOperation(start):
                return Begun(start, tuple(waits))
            case Abort(fault):
                return Outgoing(before=(*waits, fault))
            case Unexpected():
                return Mismatch(str(action))
            case Finished():
                break
            case _:
                return Mismatch("the scenario has a step of a Live session where an HTTP answer is needed")
    return Mismatch("the scenario has no answer left")


def reply_answer(reply: Reply, values: Mapping[str, str], manner: Manner) -> Outgoing:
    """A `reply` step as an answer: its exact body under the service's header fields and its own.

    One of the services' errors stands in an array where the request calls for one (wire-http 5.1).
    """
    body = reply.payload.fill(values)
    if reply.is_error and manner.wraps_errors:
        body = b"[" + body + b"]"
    answer = scripted_answer(reply.status, reply.headers, (body,), manner, type_of_body(body))
    return answer if reply.fault is None else replace(answer, faults=(reply.fault,))


def streamed_answer(stream: Stream, values: Mapping[str, str], manner: Manner) -> Outgoing:
    """A `stream` step as an answer: framed parts in the framing that the request asked for (wire-http 4.6, 4.7)."""
    framer = _framer(stream, manner)
    parts: list[Part] = []
    for part in stream.parts:
        match part:
            case StreamChunk(payload, is_framed):
                data = payload.fill(values)
                if is_framed and payload.kind == "json" and isinstance(framer, ArrayFraming):
                    data = relaid_array_element(data)
                parts.append(framer.element(data) if is_framed else data)
            case Pause() | Fault():
                parts.append(part)
            case _:
                assert_never(part)
    parts.append(framer.end())
    content_type = JSON_TYPE if isinstance(framer, ArrayFraming) or not manner.is_sse else SSE_TYPE
    if isinstance(framer, SseFraming):
        content_type = SSE_TYPE
    own_type = header_value(stream.headers, b"content-type")
    answer = scripted_answer(stream.status, stream.headers, tuple(parts), manner, own_type or content_type)
    return answer if stream.fault is None else replace(answer, faults=(stream.fault,))


def _framer(stream: Stream, manner: Manner) -> Framer:
    match stream.framing:
        case "sse":
            return SseFraming()
        case "array":
            return ArrayFraming()
        case "none":
            return NoFraming()
        case "auto":
            return SseFraming() if manner.is_sse else ArrayFraming()
        case _:
            assert_never(stream.framing)
