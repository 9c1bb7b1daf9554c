"""A Live session as its messages: what each side said, when; media are passed over. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, cast

from ..messages import Sender, Session
from ..scenario.json_subset import camel_case
from .reading import entries, json_of, member, text

_WORTH_READING: Final = {
    "client": tuple(
        f'"{name}"'.encode()
        for name in (
            *("setup", "clientContent", "client_content", "toolResponse", "tool_response"),
            *("mediaChunks", "media_chunks", "text"),
        )
    ),
    "server": tuple(
        f'"{name}"'.encode()
        for name in ("setupComplete", "goAway", "toolCall", "toolCallCancellation", "sessionResumptionUpdate")
    ),
}
"""Words of the messages that rules are about: frames without them are not parsed."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message: which member of the oneof it is, in camelCase, and that member's value."""

    sender: Sender
    kind: str
    value: Any
    at: float


class Dialogue:
    """What was said in one session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.said = tuple(_said(session))

    def of(self, kind: str) -> tuple[Said, ...]:
        """The messages of one kind."""
        return tuple(one for one in self.said if one.kind == kind)

    @cached_property
    def setup(self) -> Any:
        """The first setup, None if there is none."""
        return next((one.value for one in self.of("setup")), None)

    @property
    def handle(self) -> str:
        """The handle by which it wants to go on with an earlier session, empty if it begins anew."""
        return text(member(self.setup, "sessionResumption"), "handle")

    @cached_property
    def handles(self) -> tuple[tuple[float, str], ...]:
        """The handles that it was given, and when."""
        updates = ((one.at, text(one.value, "newHandle"), one.value) for one in self.of("sessionResumptionUpdate"))
        return tuple((at, handle) for at, handle, value in updates if handle and member(value, "resumable") is True)

    @cached_property
    def calls(self) -> tuple[tuple[float, str, str], ...]:
        """Function calls: when, id and name."""
        return tuple(
            (one.at, text(call, "id"), text(call, "name"))
            for one in self.of("toolCall")
            for call in entries(one.value, "functionCalls")
        )


def _said(session: Session) -> Iterator[Said]:
    for frame in session.frames:
        if not any(word in frame.payload for word in _WORTH_READING[frame.sender]):
            continue
        value = json_of(frame.payload)
        if isinstance(value, dict):
            for name, content in cast("dict[str, Any]", value).items():
                yield Said(frame.sender, camel_case(name), content, frame.at)
