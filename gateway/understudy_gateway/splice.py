"""Two coupled WebSocket connections: bytes pass both ways, each direction beside a frame reader.

How a session ends (WS-8, WS-9, security-reliability 2.8). The first of these decides code, reason and outcome:

* a close frame: it passes as it came, and the answer to it passes back;
* a connection that just ends: the provider's becomes 1011 at the client, the client's 1001 at the provider; whoever had
  sent a close frame before that gets its own code back;
* a frame that may not pass: 1002 or 1009 to both;
* the gateway itself: 1001 to both at shutdown, or a side that takes no data for too long.

A frame of the gateway's own is written only where a whole frame has passed. From the first sign of the end each side
has `close_s` to do its part, then both connections are closed, and aborted `flush_s` later if unsent bytes remain.
"""

import asyncio
import logging
import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol, assert_never

from .frames import (
    GOING_AWAY,
    INTERNAL_ERROR,
    MAX_CONTROL,
    MAX_FRAGMENTS,
    MAX_MESSAGE,
    Closed,
    FrameReader,
    Step,
    Violation,
    close_frame,
    ping_frame,
)
from .inflating import Deflate, Inflater
from .liveness import keep_alive
from .upgrade import Refused

_log = logging.getLogger(__name__)

Party = Literal["client", "upstream", "gateway"]
End = Literal["ok", "client_abort", "upstream_abort", "timeout", "rejected"]

_LOST: Final = {
    "client": (GOING_AWAY, "the client's connection was lost"),
    "upstream": (INTERNAL_ERROR, "the provider's connection was lost"),
}
_STALLED: Final = {"client": "the client takes no data", "upstream": "the provider takes no data"}
_ABORT: Final[dict[Party, End]] = {"client": "client_abort", "upstream": "upstream_abort"}


class MeterProtocol(Protocol):
    """Gets a copy of each whole message after it has passed; both methods must be quick."""

    def client_message(self, payload: bytes) -> None:
        """A message of the client, unmasked."""
        ...

    def server_message(self, payload: bytes) -> None:
        """A message of the provider."""
        ...


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """Bounds of one session; sizes in bytes, times in seconds.

    `copy_bytes`: longest message of which the meter gets a copy. `buffer_bytes`: what may wait unsent on a side before
    reading from the other stops (S-52). `stall_s`: how long a side may then take nothing (R-20). `ping_s`: so often
    both sides of a quiet session get a ping; `idle_s`: how long both may say nothing (S-53). 0 switches these off.
    `setup_s`: how long a setup that must be judged first may take to come whole (S-53); None: as long as it likes.
    """

    message_bytes: int = MAX_MESSAGE
    fragments: int = MAX_FRAGMENTS
    copy_bytes: int = 4 * 1024 * 1024
    buffer_bytes: int = 256 * 1024
    stall_s: float = 120.0
    close_s: float = 1.0
    flush_s: float = 5.0
    ping_s: float = 0.0
    idle_s: float = 0.0
    setup_s: float | None = 10.0


@dataclass(frozen=True, slots=True)
class LiveOutcome:
    """How a session, or the attempt at one, ended.

    `status` is 101 if the client was accepted, the refusal's if the upstream refused, 499 if the client had left
    before it could be accepted. `code` and `reason` are those of the close frame that decided; None if it had no code.
    `unread`: messages of which the meter saw nothing, because they were too long or the meter had failed.
    With a `refusal` nothing has been written to the client: the caller answers.
    """

    status: int
    ended_by: Party
    code: int | None
    reason: str
    outcome: End
    unread: int = 0
    refusal: Refused | None = None


class Side(asyncio.Protocol):
    """One connection of a session. `reader` reads what comes from it; what passes is written to `other`."""

    other: "Side"

    def __init__(self, session: "Splice", name: Literal["client", "upstream"], transport: asyncio.Transport) -> None:
        limits = session.limits
        self.name: Final = name
        self.transport: Final = transport
        self.reader: Final = FrameReader(
            masked=name == "client",
            max_message=limits.message_bytes,
            max_fragments=limits.fragments,
            max_copy=limits.copy_bytes,
            inflater=session.inflater(name),
        )
        self.when_lost: Callable[[Exception | None], None] | None = None
        self.close_seen: Closed | None = None  # the close frame that came from here
        self.shut = False  # a close frame was written here, passed on or our own: nothing may follow
        self.gone = False  # end of input, or lost
        self.lost = False
        self.full = False  # takes no more for now: the other side is not read
        self._closing = False
        self._own_close: bytes | None = None  # waits for the end of a frame
        self._is_tls = transport.get_extra_info("ssl_object") is not None
        self._stall: asyncio.TimerHandle | None = None
        self._session = session

    def data_received(self, data: bytes) -> None:
        step = self.reader.feed(data)
        if step.passing and not self.other.transport.is_closing():
            self.other.transport.write(step.passing)
        self._session.passed(self, step)
        self.other.write_own_close()

    def eof_received(self) -> bool:
        self.gone = True
        self._session.left(self)
        # A side that has closed may still get the answer; on TLS asyncio cannot keep half a connection.
        return self.close_seen is not None and not self._is_tls

    def connection_lost(self, exc: Exception | None) -> None:
        if self.lost:
            return
        self.gone = self.lost = True
        self.resume_writing()
        self._session.left(self)
        if self.when_lost is not None:
            self.when_lost(exc)

    def let_go(self) -> None:
        """Forget the session: nothing will come from here any more."""
        self.when_lost = None
        del self.other, self._session

    def pause_writing(self) -> None:
        self.full = True
        if not self.other.lost:
            self.other.transport.pause_reading()
        loop = asyncio.get_running_loop()
        self._stall = loop.call_later(self._session.limits.stall_s, self._session.stalled, self)

    def resume_writing(self) -> None:
        self.full = False
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if not self.other.lost:
            self.other.transport.resume_reading()

    def close(self) -> None:
        """Close the connection once what waits is sent. A second `close` would make asyncio's TLS forget to abort."""
        if not (self._closing or self.lost):
            self._closing = True
            self.transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        if not self.lost:
            self.transport.abort()

    def close_with(self, code: int | None, reason: str) -> None:
        """Send a close frame of our own as soon as a frame that is passing to here has passed whole."""
        if self.shut or self.lost or self._own_close is not None:
            return
        self.other.reader.stop()
        self._own_close = close_frame(code, reason, mask=os.urandom(4) if self.name == "upstream" else b"")
        self.write_own_close()

    def ping(self) -> None:
        """Send a ping of our own, if one may stand here now; in mid-frame the session is not quiet."""
        if not (self.shut or self.lost or self.full or self._own_close) and self.other.reader.at_boundary:
            self.transport.write(ping_frame(mask=os.urandom(4) if self.name == "upstream" else b""))

    def write_own_close(self) -> None:
        """Send what `close_with` left waiting, if it can be sent now; close the connection if it never can."""
        if self._own_close is None or self.lost or self.shut:
            return
        if self.other.reader.at_boundary:
            self.transport.write(self._own_close)
            self.shut = True
            if self.reader.ended and self.close_seen is None and self.transport.can_write_eof():
                self.transport.write_eof()  # it broke the rules and is not listened to any more
        elif self.other.gone:
            self.close()


class Splice:
    """Two coupled connections, and how they end. `over` is set when both are gone."""

    def __init__(
        self,
        client: asyncio.Transport,
        upstream: asyncio.Transport,
        meter: MeterProtocol,
        limits: LiveLimits,
        deflate: Deflate | None = None,
    ) -> None:
        self._deflate = deflate
        self.limits: Final = limits
        self.over: Final = asyncio.Event()
        self.client: Final = Side(self, "client", client)
        self.upstream: Final = Side(self, "upstream", upstream)
        self.client.other, self.upstream.other = self.upstream, self.client
        self.receiver: asyncio.Protocol = self.client  # takes what the client sends
        self._sides: Final = (self.client, self.upstream)
        self._meter: MeterProtocol | None = meter
        self._unread = 0
        self._end: LiveOutcome | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_quiet = False
        self._quiet_s = 0.0
        self._quiet_timer: asyncio.TimerHandle | None = None
        self._look_s: Final = min((seconds for seconds in (limits.ping_s, limits.idle_s) if seconds > 0), default=0.0)

    def inflater(self, sender: Literal["client", "upstream"]) -> Inflater | None:
        """For the copies of what one side sends; None where nothing may be compressed."""
        if self._deflate is None:
            return None
        takeover = self._deflate.client_takeover if sender == "client" else self._deflate.server_takeover
        return Inflater(takeover=takeover, most=self.limits.copy_bytes)

    @property
    def outcome(self) -> LiveOutcome:
        """How it ended; to be asked once it is over."""
        end = self._end or LiveOutcome(101, "gateway", None, "", "ok")
        return replace(end, unread=self._unread + self.client.reader.unread + self.upstream.reader.unread)

    def couple(self, from_client: bytes, from_upstream: bytes, client_protocol: asyncio.Protocol | None = None) -> None:
        """Take both connections over from those who shook hands, with what they had read beyond it.

        `client_protocol` reads the client for a while in the place of the session's receiver.
        """
        for side in self._sides:
            if (connection := side.transport.get_extra_info("socket")) is not None:
                keep_alive(connection)
            side.transport.set_protocol(side)
            side.transport.set_write_buffer_limits(high=self.limits.buffer_bytes)
        if self.upstream.transport.is_closing():  # lost since its answer: nobody would tell its new protocol
            asyncio.get_running_loop().call_soon(self.upstream.connection_lost, None)
        self._look_again()
        self.upstream.data_received(from_upstream)
        receiver = client_protocol or self.receiver
        if receiver is not self.client:
            self.client.transport.set_protocol(receiver)
        receiver.data_received(from_client)
        if not self.client.full:
            self.upstream.transport.resume_reading()

    def passed(self, side: Side, step: Step) -> None:
        """What `side` sent has been forwarded: now it may be looked at."""
        if self._is_quiet and (step.messages or len(step.passing) > MAX_CONTROL):
            self._is_quiet = False
        if step.messages:
            self._show(side, step.messages)
        match step.end:
            case None:
                return
            case Closed():
                side.close_seen = step.end
                side.other.shut = side.other.shut or step.end.passed
                self._decide(side.name, step.end.code, step.end.reason, "ok")
            case Violation(code, why):
                self._decide(side.name, code, why, _ABORT[side.name])
                self.client.close_with(code, why)
                self.upstream.close_with(code, why)
            case _:
                assert_never(step.end)
        self._settle()

    def left(self, side: Side) -> None:
        """Nothing more comes from `side`."""
        other = side.other
        if side.close_seen is None:
            code, why = _LOST[side.name]
            self._decide(side.name, code, why, _ABORT[side.name])
            if other.close_seen is not None:  # whoever closed first gets the answer that never came
                other.close_with(other.close_seen.code, "")
            other.close_with(code, why)
        other.write_own_close()
        self._settle()
        if all(side.lost for side in self._sides):
            self.over.set()

    def stalled(self, side: Side) -> None:
        """`side` has taken nothing for too long: no close frame would reach it either."""
        code, why = _LOST[side.name][0], _STALLED[side.name]
        self._decide("gateway", code, why, "timeout")
        side.other.close_with(code, why)
        side.abort()

    def shut_down(self, code: int, reason: str) -> None:
        """End it from here, with the same code for both."""
        self.end_with(code, reason, "ok")

    def end_with(self, code: int, reason: str, outcome: End, *, shown: str | None = None) -> None:
        """End it from here; `shown` is what the two sides are told in place of the reason."""
        self._decide("gateway", code, reason, outcome)
        for side in self._sides:
            side.close_with(code, reason if shown is None else shown)
        self._settle()

    def abort(self) -> None:
        """Both connections are gone at once; what was unsent is lost. To be called at the end in any case."""
        for timer in (self._timer, self._quiet_timer):
            if timer is not None:
                timer.cancel()
        for side in self._sides:
            side.abort()

    def dissolve(self) -> None:
        """Let its parts go of each other; to be called when it is over and was asked how.

        They would else wait for the collector, which looks seldom: 4 KiB for each session.
        """
        self.receiver = self.client
        self._timer = self._quiet_timer = self._meter = None
        for side in self._sides:
            side.let_go()

    def _decide(self, by: Party, code: int | None, reason: str, outcome: End) -> None:
        if self._end is None:
            self._end = LiveOutcome(101, by, code, reason, outcome)
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self.limits.close_s, self._out_of_time)

    def _look_again(self) -> None:
        if self._look_s and self._end is None:
            self._is_quiet = True
            self._quiet_timer = asyncio.get_running_loop().call_later(self._look_s, self._look)

    def _look(self) -> None:
        """Nothing passed since the last look, or something did: a ping, or the end of what is idle too long."""
        self._quiet_s = self._quiet_s + self._look_s if self._is_quiet else 0.0
        if 0 < self.limits.idle_s <= self._quiet_s + self._look_s / 1000:
            self.shut_down(GOING_AWAY, "nothing was said for too long")
        elif self.limits.ping_s > 0 and self._is_quiet:
            for side in self._sides:
                side.ping()
        self._look_again()

    def _settle(self) -> None:
        """Close the connections of those who have sent all they will, and were told the end."""
        for side in self._sides:
            if side.shut and (side.close_seen is not None or side.gone):
                side.close()

    def _out_of_time(self) -> None:
        for side in self._sides:
            side.close()
        self._timer = asyncio.get_running_loop().call_later(self.limits.flush_s, self.abort)

    def _show(self, side: Side, messages: tuple[bytes, ...]) -> None:
        """Hand copies to the meter; if it fails the relay goes on without it, and says how much it missed."""
        for message in messages:
            if self._meter is None:
                self._unread += 1
                continue
            try:
                if side is self.client:
                    self._meter.client_message(message)
                else:
                    self._meter.server_message(message)
            except Exception as error:  # whatever it is, the bytes must flow
                self._meter = None
                self._unread += 1
                # The place, but not the text of the error: that may hold what was said in the session (S-11).
                where = "".join(traceback.format_tb(error.__traceback__))
                _log.error("the meter of a Live session failed with %s:\n%s", type(error).__name__, where)
