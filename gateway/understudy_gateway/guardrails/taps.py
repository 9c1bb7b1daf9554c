"""Guardrails beside an answer, and beside the messages of a Live session: each piece is judged after it was passed on.

Patterns are looked for at once. Hooks are asked by a task, with what has been said so far, again when more has come.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from understudy.messages import RawHeaders, header_values
from understudy.usage.inflate import BlindReader, inflating
from understudy.usage.reading import Reading

from .judging import Blocked, Guards, Rule, Subject, by_outcome, scans_of
from .texts import TextReader
from .values import Mode

_UNREAD: Final = "the answer cannot be read, or grew too large to be judged"


class AnswerTap:
    """Judges the copy of one answer."""

    def __init__(self, guards: Guards, rules: Sequence[Rule], subject: Subject, headers: RawHeaders) -> None:
        self._guards = guards
        self._rules = rules
        self._subject = subject
        self._text = TextReader(is_answer=True)
        self._scans = scans_of(rules)
        self._asking = [_Asking(guards, rule, subject) for rule in rules if rule.hook]
        self._blocked: Blocked | None = None
        coding = b",".join(header_values(headers, b"content-encoding")).decode("latin-1")
        self._copy = inflating(coding, _Plain(self._read))
        self._is_blind = isinstance(self._copy, BlindReader)

    def feed(self, data: bytes) -> Blocked | None:
        """The next bytes of the body, which have been passed on; the block, if there is one by now."""
        if self._is_blind:
            return self._unread()
        self._copy.feed(data)
        return self._found()

    async def ended(self) -> Blocked | None:
        """The body has been passed on, but for its last byte: what all of it comes to. Hooks are waited for."""
        if self._is_blind:
            return self._unread()
        if self._copy.finish().problem is not None:
            return self._unread()
        self._read(b"", is_last=True)
        for asking in self._asking:
            self._blocked = self._found() or await asking.last()
        return self._found()

    async def close(self) -> None:
        """Let hooks that still run go."""
        for asking in self._asking:
            await asking.close()

    def _found(self) -> Blocked | None:
        return self._blocked or next((asking.blocked for asking in self._asking if asking.blocked is not None), None)

    def _unread(self) -> Blocked | None:
        return next((Blocked(rule.name, _UNREAD) for rule in self._rules if rule.guardrail.on_large == "block"), None)

    def _read(self, data: bytes, *, is_last: bool = False) -> None:
        spelled, said = self._text.feed(data, is_last=is_last)
        for whole, joined in self._scans:
            found = whole.feed(spelled) or joined.feed(said) or (is_last and (whole.finish() or joined.finish()))
            self._blocked = self._blocked or found or None
        for asking in self._asking:
            asking.more(said)


class _Plain:
    """What is inflated is read on by a function."""

    def __init__(self, read: Callable[[bytes], None]) -> None:
        self._read = read

    def feed(self, data: bytes) -> None:
        self._read(data)

    def finish(self) -> Reading:
        return Reading()


class _Asking:
    """One hook beside one answer. A task asks it; while it thinks, what comes is gathered."""

    def __init__(self, guards: Guards, rule: Rule, subject: Subject) -> None:
        self.blocked: Blocked | None = None
        self._guards = guards
        self._rule = rule
        self._subject = subject
        self._texts: list[str] = []
        self._size = 0
        self._is_new = False
        self._is_full = False
        self._task: asyncio.Task[None] | None = None

    def more(self, said: str) -> None:
        """What the answer goes on to say."""
        if not said or self._is_full:
            return
        self._size += len(said)
        if self._size > self._rule.guardrail.max_bytes:
            self._is_full = True
            self._texts.clear()
            self.blocked = self.blocked or by_outcome(self._rule, self._rule.guardrail.on_large, _UNREAD)
            return
        self._texts.append(said)
        self._is_new = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._ask())

    async def last(self) -> Blocked | None:
        """What the hook says of the whole."""
        if self._task is not None:
            await self._task
        return self.blocked

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _ask(self) -> None:
        while self._is_new and self.blocked is None and not self._is_full:
            self._is_new = False
            text = "".join(self._texts)
            self._texts[:] = [text]
            judged = self._subject.judged(self._rule, "post_call", b"", text)
            self.blocked = self.blocked or await self._guards.asked(self._rule, judged)


class SessionTap:
    """Judges copies of one session's messages: the client's by the rules of pre_call, the provider's by the others'.

    `blocked` is called once, from within `message` or later.
    """

    def __init__(self, guards: Guards, subject: Subject, blocked: Callable[[Blocked], None]) -> None:
        self._guards = guards
        self._subject = subject
        self._tell = blocked
        self._has_told = False
        self._sides: dict[Mode, _Side] = {
            mode: _Side(guards.applying(subject.key_id, subject.route, mode), mode) for mode in _MODES
        }
        self._waiting: deque[tuple[Mode, bytes, str]] = deque()
        self._waiting_bytes = 0
        self._task: asyncio.Task[None] | None = None

    def message(self, mode: Mode, payload: bytes) -> None:
        """A whole message that was passed on."""
        side = self._sides[mode]
        if not side.rules or self._has_told:
            return
        said, blocked = side.read(payload)
        if blocked is not None:
            self._block(blocked)
        elif side.hooked and said:
            self._ask_later(mode, payload, said)

    def unread(self, mode: Mode) -> None:
        """A message passed of which there is no copy."""
        for rule in self._sides[mode].rules:
            if rule.guardrail.on_large == "block":
                self._block(Blocked(rule.name, "a message was too large to be judged"))

    def stop(self) -> None:
        """The session is over: a hook that still runs is let go."""
        self._has_told = True
        if self._task is not None:
            self._task.cancel()

    def _block(self, blocked: Blocked) -> None:
        if not self._has_told:
            self._has_told = True
            self._tell(blocked)

    def _ask_later(self, mode: Mode, payload: bytes, said: str) -> None:
        self._waiting.append((mode, payload, said))
        self._waiting_bytes += len(payload)
        while self._waiting and self._waiting_bytes > min(
            rule.guardrail.max_bytes for side in self._sides.values() for rule in side.hooked
        ):
            dropped = self._waiting.popleft()
            self._waiting_bytes -= len(dropped[1])
            self.unread(dropped[0])
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        while self._waiting and not self._has_told:
            mode, payload, said = self._waiting.popleft()
            self._waiting_bytes -= len(payload)
            for rule in self._sides[mode].hooked:
                blocked = await self._guards.asked(rule, self._subject.judged(rule, mode, payload, said))
                if blocked is not None:
                    self._block(blocked)


_MODES: Final[tuple[Mode, ...]] = ("pre_call", "post_call")


_TURN_ENDS: Final = (b"turnComplete", b"turn_complete", b"generationComplete", b"generation_complete")


class _Side:
    """The rules for one direction of a session.

    What a provider says goes on from message to message, in the middle of words, until its turn is over; a client's
    text ends with its message.
    """

    def __init__(self, rules: Sequence[Rule], mode: Mode) -> None:
        self.rules = rules
        self._is_client = mode == "pre_call"
        self.hooked = [rule for rule in rules if rule.hook]
        self._scans = scans_of(rules)

    def read(self, payload: bytes) -> tuple[str, Blocked | None]:
        """What a message says, and the block that comes of it."""
        spelled, said = TextReader(is_answer=not self._is_client).feed(payload, is_last=True)
        ends = any(word in payload for word in _TURN_ENDS)
        found: Blocked | None = None
        for whole, joined in self._scans:
            in_message = whole.feed(spelled)
            in_message = whole.finish() or in_message
            by_now = joined.feed(said) or (joined.ends() if self._is_client else None)
            by_now = (joined.finish() if ends else None) or by_now
            found = found or in_message or by_now
        return said, found
