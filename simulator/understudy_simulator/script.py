"""Plain facts about steps and messages, in the words of messages to people."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from understudy.scenario.audio import media_bytes
from understudy.scenario.json_subset import LazyJson, shown
from understudy.scenario.model import (
    Branch,
    Receive,
    ReceiveUntil,
    Repeat,
    Reply,
    Send,
    SendAudio,
    StartOperation,
    Step,
    Stream,
)


def has_answers(steps: Sequence[Step]) -> bool:
    """Whether the script answers HTTP requests."""
    for step in steps:
        match step:
            case Reply() | Stream() | StartOperation():
                return True
            case Repeat(inner, _):
                if has_answers(inner):
                    return True
            case Branch(cases, otherwise):
                if any(has_answers(case.steps) for case in cases) or has_answers(otherwise):
                    return True
            case _:
                pass
    return False


def wish(step: Step) -> str:
    """What the step wants of the other side, in few words."""
    match step:
        case Receive(close=True) | ReceiveUntil(close=True):
            return "the close"
        case Receive(pattern=None):
            return "a message"
        case Receive(pattern) | ReceiveUntil(pattern):
            return shown(pattern)
        case Branch(cases):
            return "one of " + ", ".join(shown(case.pattern) for case in cases)
        case Send() | SendAudio():
            return "the session to stay open for what is still to be sent"
        case _:
            return "a request"


def sort_of(message: LazyJson) -> str:
    """What kind of message came: its members, or that it is no JSON. Its content is not repeated."""
    value = message.value
    if isinstance(value, Mapping):
        names = [name[:40] for name in list(cast("Mapping[str, Any]", value))[:4]]
        return "a message with " + (", ".join(names) or "no members")
    return "a message that is no JSON object"


def size_of(message: LazyJson, step: Receive) -> int:
    """How much of `min_bytes` a message brings: its media, decoded, or, if it has none, all of it."""
    return (media_bytes(message.value) or len(message.raw)) if step.min_bytes else 0
