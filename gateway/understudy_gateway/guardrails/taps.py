"""Guardrails beside an answer, and for the messages of a Live session; what is the provider's has passed by then.

Patterns are looked for at once. Hooks are asked by a task, with what has been said so far, again when more has come.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from understudy.messages import RawHeaders, header_values
from understudy.usage.inflate import BlindReader, inflating
from understudy.usage.reading import Reading

from .judging import SLICE, Blocked, Guards, Rule, Subject, by_outcome, scans_of
from .texts import TextReader
from .values import Mode

_MOST_WAITING: Final = 8 * 1024 * 1024
"""Bytes of a session's messages that may wait to be judged by patterns."""

_TOO_LARGE: Final = "a message was too large to be judged"
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
    """Judges copies of what a session's provider said. `blocked` is called once, from within `message` or later."""

    def __init__(self, judge: "MessageJudge", blocked: Callable[[Blocked], None]) -> None:
        self._judge = judge
        self._tell = blocked
        self._has_told = False
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._task: asyncio.Task[None] | None = None

    def message(self, payload: bytes) -> None:
        """A whole message that was passed on."""
        if self._has_told:
            return
        if self._judge.is_quick(payload) and not self._waiting:
            self._end_if(self._judge.at_once(payload))
            return
        self._waiting.append(payload)
        self._waiting_bytes += len(payload)
        while self._waiting and self._waiting_bytes > self._judge.most_bytes:
            self._waiting_bytes -= len(self._waiting.popleft())
            self.unread()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._judge_waiting())

    def unread(self) -> None:
        """A message passed of which there is no copy."""
        self._end_if(self._judge.unread())

    def stop(self) -> None:
        """The session is over: a judgement that is under way is let go."""
        self._has_told = True
        if self._task is not None:
            self._task.cancel()

    def _end_if(self, blocked: Blocked | None) -> None:
        if blocked is not None and not self._has_told:
            self._has_told = True
            self._tell(blocked)

    async def _judge_waiting(self) -> None:
        while self._waiting and not self._has_told:
            payload = self._waiting.popleft()
            self._waiting_bytes -= len(payload)
            self._end_if(await self._judge.slowly(payload))


_TURN_ENDS: Final = (b"turnComplete", b"turn_complete", b"generationComplete", b"generation_complete")


class MessageJudge:
    """Judges the messages of one direction of a session, one after the other: the client's by the rules of pre_call.

    What a provider says goes on from message to message, in the middle of words, until its turn is over; a client's
    text ends with its message.
    """

    def __init__(self, guards: Guards, subject: Subject, mode: Mode) -> None:
        self.rules: Final = guards.applying(subject.key_id, subject.route, mode)
        self._guards = guards
        self._subject = subject
        self._mode: Mode = mode
        self._is_client = mode == "pre_call"
        self._hooked = [rule for rule in self.rules if rule.hook]
        self._scans = scans_of(self.rules)

    @property
    def most_bytes(self) -> int:
        """How much may wait to be judged after it has passed."""
        return min((rule.guardrail.max_bytes for rule in self._hooked), default=_MOST_WAITING)

    def is_quick(self, payload: bytes) -> bool:
        """Whether a message may be judged at once: no hook is asked, and the event loop hardly feels it (R-36)."""
        return not self._hooked and len(payload) <= SLICE

    def at_once(self, payload: bytes) -> Blocked | None:
        """The judgement of a message that is quickly judged."""
        return self._read(TextReader(is_answer=not self._is_client), payload, is_last=True, ends=_ends_turn(payload))[1]

    async def slowly(self, payload: bytes) -> Blocked | None:
        """The same of any message: others have their turn meanwhile, and hooks are asked."""
        reader, ends = TextReader(is_answer=not self._is_client), _ends_turn(payload)
        texts: list[str] = []
        for at in range(0, len(payload) or 1, SLICE):
            if at:
                await asyncio.sleep(0)
            is_last = at + SLICE >= len(payload)
            said, found = self._read(reader, payload[at : at + SLICE], is_last=is_last, ends=ends)
            if found is not None:
                return found
            texts.append(said)
        text = "".join(texts)
        for rule in self._hooked if text else ():
            if len(payload) > rule.guardrail.max_bytes:
                blocked = by_outcome(rule, rule.guardrail.on_large, _TOO_LARGE)
            else:
                blocked = await self._guards.asked(rule, self._subject.judged(rule, self._mode, payload, text))
            if blocked is not None:
                return blocked
        return None

    def unread(self) -> Blocked | None:
        """What the configuration says becomes of a message that cannot be judged."""
        return next((Blocked(rule.name, _TOO_LARGE) for rule in self.rules if rule.guardrail.on_large == "block"), None)

    def _read(self, reader: TextReader, piece: bytes, *, is_last: bool, ends: bool) -> tuple[str, Blocked | None]:
        """What a piece of a message says, and the block that comes of it; `ends`: the message ends a turn."""
        spelled, said = reader.feed(piece, is_last=is_last)
        found: Blocked | None = None
        for whole, joined in self._scans:
            in_message = whole.feed(spelled)
            by_now = joined.feed(said)
            if is_last:
                in_message = whole.finish() or in_message
                by_now = by_now or (joined.ends() if self._is_client else None)
                by_now = (joined.finish() if ends else None) or by_now
            found = found or in_message or by_now
        return said, found


def _ends_turn(payload: bytes) -> bool:
    return any(word in payload for word in _TURN_ENDS)
