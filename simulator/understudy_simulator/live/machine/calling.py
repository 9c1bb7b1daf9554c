"""Function calls that wait for their answers: which block the session, which were cancelled, whose answer it is. Pure.

Rules: wire-live 3.4 (answers by id, else by name), 5.4 (blocking, non-blocking, cancellation).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..reading import FunctionResponse


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was sent; `turn` is the number of the turn that made it."""

    id: str
    name: str
    blocks: bool
    turn: int


class Calls:
    """The open calls of a session."""

    __slots__ = ("_cancelled", "_open")

    def __init__(self) -> None:
        self._open: dict[str, Call] = {}
        self._cancelled: set[str] = set()

    @property
    def is_blocked(self) -> bool:
        """Whether nothing is said until an answer comes."""
        return any(call.blocks for call in self._open.values())

    def add(self, call: Call) -> None:
        """A call was sent."""
        self._open[call.id] = call

    def find(self, response: FunctionResponse) -> Call | None:
        """The open call that a response answers; one without an id is found by its name, the oldest first."""
        if response.id:
            return self._open.get(response.id)
        return next((call for call in self._open.values() if call.name == response.name), None)

    def is_cancelled(self, response: FunctionResponse) -> bool:
        """Whether it answers a call that was cancelled: the client could not know yet."""
        return response.id in self._cancelled

    def settle(self, call: Call) -> None:
        """The last answer to a call is there."""
        self._open.pop(call.id, None)

    def cancel(self, turn: int, *, blocking: bool) -> Sequence[str]:
        """Cancel the calls of a turn and, with `blocking`, those that hold the session up; their ids."""
        ids = [call.id for call in self._open.values() if call.turn == turn or (blocking and call.blocks)]
        for call_id in ids:
            del self._open[call_id]
        self._cancelled.update(ids)
        return ids
