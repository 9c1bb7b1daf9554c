"""Plays one conversation against one address and says how long each phase took.

Blocking sockets only: the same code runs in a plain thread and in locust's green ones.
"""

import time
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from types import TracebackType
from typing import Final, Self

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from ..conformance.target import KeyPlace, Target
from ..messages import RawHeaders
from ..scenario.audio import media_bytes
from ..scenario.json_subset import decode_json, fits
from ..surfaces import Surface
from .conversations import Conversation, Hear, Leave, Say, Speak, Wait
from .failures import PlayFailure
from .http_client import LIMIT_S, Address, Connections

Timings = tuple[tuple[str, float], ...]
"""Phases and their seconds; a phase such as `gap` may stand there many times."""

_MAX_MESSAGE: Final = 64 * 1024 * 1024


class Player:
    """A client of one arm: where it is, which key it shows, and its kept connections."""

    def __init__(self, address: Address, target: Target, clock: Callable[[], float] = time.perf_counter) -> None:
        self._address = address
        self._target = target
        self._clock = clock
        self._connections = Connections(address, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept connections."""
        self._connections.close()

    def play(self, conversation: Conversation, due: float | None = None) -> Timings:
        """Play it once. Times count from `due` (by the clock; None: now), when it should have begun.

        generate and stream: `first_byte` of the body, `gap` between the arrivals of its parts, `total`. live and audio:
        `connect` to the end of the handshake, `setup` from setup to setupComplete, `first_frame` from the last that
        the client said to the first message after it, `gap` between messages, `total`. Raises PlayFailure.
        """
        begin = self._clock() if due is None else due
        return self._talk(conversation, begin) if conversation.talk else self._ask(conversation, begin)

    # -- HTTP

    def _ask(self, conversation: Conversation, begin: float) -> Timings:
        timings: list[tuple[str, float]] = []
        started = begin
        for ask in conversation.asks:
            target, headers = self._with_key(ask.target, conversation.surface)
            heard = self._connections.ask(ask.method, target, (*headers, *ask.headers), ask.body)
            if heard.status not in conversation.statuses:
                raise PlayFailure(f"HTTP {heard.status}")
            if heard.arrivals:
                timings.append(("first_byte", heard.arrivals[0] - started))
            if conversation.kind == "stream":
                timings += [("gap", gap) for gap in _gaps(heard.arrivals)]
            started = heard.ended
        timings.append(("total", started - begin))
        return tuple(timings)

    # -- Live

    def _talk(self, conversation: Conversation, begin: float) -> Timings:
        target, headers = self._with_key(conversation.target, conversation.surface)
        scheme = "ws" if self._address.tls is None else "wss"
        try:
            with connect(
                f"{scheme}://{self._address.authority}{target}",
                ssl=self._address.tls,
                additional_headers=[(name.decode(), value.decode()) for name, value in headers],
                compression=None,
                proxy=None,
                open_timeout=LIMIT_S,
                close_timeout=LIMIT_S,
                ping_interval=None,
                max_size=_MAX_MESSAGE,
            ) as session:
                connected = self._clock()
                timings = [("connect", connected - begin), *_Talk(session, self._clock).play(conversation)]
        except InvalidStatus as error:
            raise PlayFailure(f"handshake: HTTP {error.response.status_code}") from error
        except (InvalidHandshake, InvalidMessage) as error:
            raise PlayFailure("handshake: no WebSocket") from error
        except ConnectionClosed as error:
            code = error.rcvd.code if error.rcvd is not None else 1006
            raise PlayFailure(f"closed with {code}") from error
        except OSError as error:
            raise PlayFailure.of(error, "session") from error
        return (*timings, ("total", self._clock() - begin))

    # -- keys

    def _with_key(self, target: str, surface: Surface) -> tuple[str, RawHeaders]:
        """The request target and the headers that show the key."""
        key = self._target.key
        if key is None:
            return target, ()
        carrier: KeyPlace = self._target.carrier_on(surface)
        match carrier:
            case "query":
                return f"{target}{'&' if '?' in target else '?'}key={key.reveal()}", ()
            case "bearer":
                return target, ((b"Authorization", f"Bearer {key.reveal()}".encode()),)
            case "x-goog-api-key" | "x-litellm-api-key":
                return target, ((carrier.encode(), key.reveal().encode()),)


class _Talk:
    """One Live session under way, and when things happened in it."""

    def __init__(self, session: ClientConnection, clock: Callable[[], float]) -> None:
        self._session = session
        self._clock = clock
        self._timings: list[tuple[str, float]] = []
        self._said = 0.0
        self._turns = 0
        self._heard_since = 0
        self._last = 0.0
        self._unread: deque[str | bytes] = deque()

    def play(self, conversation: Conversation) -> list[tuple[str, float]]:
        """Do the steps. Raises PlayFailure, ConnectionClosed or OSError."""
        for step in conversation.talk:
            match step:
                case Say():
                    self._begin_to_say()
                    self._session.send(step.payload, text=step.is_text)
                case Speak():
                    self._speak(step)
                case Hear():
                    self._hear(step)
                case Wait():
                    time.sleep(step.seconds)
                case Leave():
                    self._session.close(step.code)
        return self._timings

    def _begin_to_say(self) -> None:
        self._said = self._clock()
        self._turns += 1
        self._heard_since = 0

    def _speak(self, step: Speak) -> None:
        """The messages against a fixed schedule; what comes meanwhile is timed as it comes, and read later."""
        begin = self._clock()
        for index, payload in enumerate(step.payloads):
            due = begin + index * step.every_s
            while (left := due - self._clock()) > 0:
                self._listen(left)
            if index == 0:
                self._begin_to_say()
            self._said = self._clock()
            self._session.send(payload, text=step.is_text)

    def _listen(self, seconds: float) -> None:
        """Take a message that comes within that time."""
        try:
            message = self._session.recv(timeout=seconds)
        except TimeoutError:
            return
        self._time(self._clock())
        self._unread.append(message)

    def _time(self, now: float) -> None:
        """Write down when a message came."""
        if self._heard_since:
            self._timings.append(("gap", now - self._last))
        elif self._turns:
            # What is said first in a Live session is the setup (wire-live 3).
            self._timings.append(("setup" if self._turns == 1 else "first_frame", now - self._said))
        self._heard_since += 1
        self._last = now

    def _next(self) -> bytes:
        if self._unread:
            message = self._unread.popleft()
        else:
            message = self._session.recv(timeout=LIMIT_S)
            self._time(self._clock())
        return message.encode() if isinstance(message, str) else message

    def _hear(self, step: Hear) -> None:
        came = 0
        while True:
            message = self._next()
            value = decode_json(message)
            is_fitting = step.pattern is None or fits(step.pattern, value)
            if not is_fitting and not step.until:
                raise PlayFailure("another message came than was expected")
            came += (media_bytes(value) or len(message)) if step.min_bytes else 0
            if is_fitting and came >= step.min_bytes:
                return


def _gaps(arrivals: tuple[float, ...]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(arrivals)]
