"""The performance of a script of one reply, which nearly all HTTP scenarios are. Pure."""

from collections.abc import Sequence

from understudy.scenario.json_subset import LazyJson
from understudy.scenario.model import Reply, Step

from .cues import Action, Answer, Finished


class SingleReply:
    """The performance of a script of one reply, which nearly all HTTP scenarios are: nothing to step through.

    `is_constant`: the reply has no slots, so that it is the same each time.
    """

    finished = True

    def __init__(self, reply: Reply) -> None:
        self._actions = (Answer(reply), Finished())
        self.is_constant = all(isinstance(piece, bytes) for piece in reply.payload.pieces)

    def answer(self, request: LazyJson) -> tuple[Action, ...]:
        """As `Playback.answer`."""
        return self._actions


def single_reply(steps: Sequence[Step]) -> SingleReply | None:
    """The performance of these steps if they are one reply, else None."""
    if len(steps) == 1 and isinstance(steps[0], Reply) and steps[0].times == 1:
        return SingleReply(steps[0])
    return None
