"""One Live session of a client, by the websockets library: the handshake, the steps, and how it ended."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.typing import Subprotocol

from ..messages import BINARY, TEXT, Chunk, Close, Frame, RawHeaders, Request, Response, Session
from ..scenario.audio import audio_message, frame_count, frame_pcm
from ..scenario.json_subset import LazyJson, fits
from ..scenario.model import (
    Branch,
    CloseSession,
    Fault,
    Pause,
    Receive,
    ReceiveUntil,
    Repeat,
    Send,
    SendAudio,
    Step,
)
from .http_client import CONNECT_LIMIT_S, SWITCHING, Address
from .model import Converse, Conversed, Drop, Ping

STEP_LIMIT_S: Final = 5.0
"""How long a step waits for its message unless it says otherwise."""

NO_CODE: Final = 1005
"""What websockets shows for a close frame without a code; never on the wire (RFC 6455 7.4.1)."""


class _Stopped(Exception):
    """A step did not go as written; the text says how."""


@dataclass(slots=True)
class _Talk:
    """A session under way: `arrived` takes the gateway's messages as they come, None is the end."""

    socket: ClientConnection
    values: Mapping[str, str]
    speed: float
    frames: list[Frame] = field(default_factory=list[Frame])
    pongs: list[bytes] = field(default_factory=list[bytes])
    arrived: asyncio.Queue[Frame | None] = field(default_factory=asyncio.Queue[Frame | None])

    async def listen(self) -> None:
        """Write down what comes, until the session ends."""
        try:
            while True:
                message = await self.socket.recv()
                is_text = isinstance(message, str)
                payload = message.encode() if isinstance(message, str) else message
                frame = Frame("server", TEXT if is_text else BINARY, payload, time.monotonic())
                self.frames.append(frame)
                self.arrived.put_nowait(frame)
        except ConnectionClosed:
            self.arrived.put_nowait(None)

    async def play(self, steps: Sequence[Step | Ping | Drop]) -> None:
        """Do the steps in order. Raises _Stopped where one does not go as written."""
        for step in steps:
            await self._do(step)

    async def _do(self, step: Step | Ping | Drop) -> None:
        match step:
            case Send():
                await self._send(step.payload.fill(self.values), step.opcode)
            case SendAudio():
                for index in range(frame_count(step)):
                    await self._send(audio_message(frame_pcm(step, index), step.rate_hz, "client"), step.opcode)
            case Receive(close=True):
                await self._await_close(step.within_s or STEP_LIMIT_S)
            case Receive():
                frame = await self._next(step.within_s or STEP_LIMIT_S)
                if step.pattern is not None and not fits(step.pattern, LazyJson(frame.payload).value):
                    raise _Stopped("receive: another message came than was expected")
            case ReceiveUntil():
                await self._receive_until(step)
            case Pause():
                await asyncio.sleep(step.seconds / self.speed if self.speed else 0)
            case CloseSession():
                await self._close(step)
            case Ping():
                await self._ping(step)
            case Drop() | Fault():
                self.socket.transport.abort()
            case Repeat():
                for _ in range(step.times or 1):
                    await self.play(step.steps)
            case Branch():
                await self._branch(step)
            case _:
                raise _Stopped(f"{type(step).__name__.lower()} is no step of a client's session")

    async def _send(self, payload: bytes, opcode: int) -> None:
        self.frames.append(Frame("client", opcode, payload, time.monotonic()))
        try:
            await self.socket.send(payload, text=opcode == TEXT)
        except ConnectionClosed:
            self.frames.pop()
            raise _Stopped("send: the session had ended") from None

    async def _next(self, within_s: float) -> Frame:
        try:
            async with asyncio.timeout(within_s):
                frame = await self.arrived.get()
        except TimeoutError:
            raise _Stopped(f"receive: no message in {within_s:g} s") from None
        if frame is None:
            self.arrived.put_nowait(None)
            raise _Stopped("receive: the session ended")
        return frame

    async def _receive_until(self, step: ReceiveUntil) -> None:
        while True:
            frame = await self._next(step.within_s or STEP_LIMIT_S)
            if fits(step.pattern, LazyJson(frame.payload).value):
                return

    async def _branch(self, step: Branch) -> None:
        value = LazyJson((await self._next(STEP_LIMIT_S)).payload).value
        chosen = next((case.steps for case in step.cases if fits(case.pattern, value)), step.otherwise)
        await self.play(chosen)

    async def _await_close(self, within_s: float) -> None:
        try:
            async with asyncio.timeout(within_s):
                await self.socket.wait_closed()
        except TimeoutError:
            raise _Stopped(f"receive: no close in {within_s:g} s") from None

    async def _close(self, step: CloseSession) -> None:
        if step.code is None:
            # The library's own close always has a code; a frame without one is allowed (RFC 6455 5.5.1).
            self.socket.protocol.send_close()
            self.socket.transport.write(b"".join(self.socket.protocol.data_to_send()))
            await self._await_close(STEP_LIMIT_S)
        else:
            await self.socket.close(step.code, step.reason)

    async def _ping(self, step: Ping) -> None:
        try:
            async with asyncio.timeout(step.within_s):
                await (await self.socket.ping(step.payload))
        except TimeoutError:
            raise _Stopped(f"ping: no pong in {step.within_s:g} s") from None
        except ConnectionClosed:
            raise _Stopped("ping: the session had ended") from None
        self.pongs.append(step.payload)


async def converse(
    address: Address,
    target: str,
    headers: RawHeaders,
    subprotocols: tuple[str, ...],
    move: Converse,
    values: Mapping[str, str],
    speed: float,
) -> Conversed:
    """Hold one session; never raises for what the gateway does.

    `target` is the raw path and query as the gateway gets it; `values` fill the slots of what is sent.
    """
    started = time.monotonic()
    request = Request("GET", target, headers)
    scheme = "wss" if address.tls else "ws"
    try:
        socket = await _Connect(
            f"{scheme}://{address.authority}{target}",
            additional_headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers],
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            compression="deflate" if move.offers_deflate else None,
            ssl=address.tls,
            user_agent_header=None,
            proxy=None,
            ping_interval=None,
            max_size=None,
            max_queue=None,
            open_timeout=CONNECT_LIMIT_S,
            close_timeout=2.0,
        )
    except InvalidStatus as refused:
        return _refused(move, request, refused, started)
    except (OSError, TimeoutError, InvalidHandshake, InvalidMessage, EOFError) as error:
        ended = time.monotonic()
        session = Session(0, request, 0, (), None, started, ended)
        return Conversed(move, session, problem=f"no handshake: {error or 'no answer in time'}")
    return await _held(socket, move, request, started, values, speed)


class _Connect(connect):
    """Follows no redirect: what a gateway answers is what is judged."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def _held(
    socket: ClientConnection,
    move: Converse,
    request: Request,
    started: float,
    values: Mapping[str, str],
    speed: float,
) -> Conversed:
    talk = _Talk(socket, values, speed)
    listening = asyncio.ensure_future(talk.listen())
    problem: str | None = None
    try:
        async with asyncio.timeout(move.limit_s):
            await talk.play(move.steps)
            await socket.close()
    except _Stopped as stopped:
        problem = str(stopped)
    except TimeoutError:
        problem = f"the session was not over in {move.limit_s:g} s"
    finally:
        if problem is not None:
            await _left(socket)
        await asyncio.gather(listening, return_exceptions=True)
    answer = socket.response
    session = Session(
        0,
        request,
        SWITCHING,
        tuple(sorted(talk.frames, key=lambda frame: frame.at)),
        _close_of(socket),
        started,
        time.monotonic(),
        answer_headers=_raw(answer.headers.raw_items()) if answer is not None else (),
    )
    was_lost = socket.protocol.close_rcvd is None
    return Conversed(move, session, None, socket.subprotocol, tuple(talk.pongs), problem, was_lost)


async def _left(socket: ClientConnection) -> None:
    """Close what a failed step left open; a gateway that does not answer the close is left behind."""
    try:
        async with asyncio.timeout(3.0):
            await socket.close()
    except (TimeoutError, OSError):
        socket.transport.abort()
    await socket.wait_closed()


def _close_of(socket: ClientConnection) -> Close | None:
    """Who closed first, and how; None if neither side sent a close frame."""
    protocol, now = socket.protocol, time.monotonic()
    received, sent = protocol.close_rcvd, protocol.close_sent
    first_is_server = received is not None and (sent is None or bool(protocol.close_rcvd_then_sent))
    close = received if first_is_server else sent
    if close is None:
        return Close("server", None, "", now)
    code = None if close.code == NO_CODE else close.code
    return Close("server" if first_is_server else "client", code, close.reason, now)


def _refused(move: Converse, request: Request, refused: InvalidStatus, started: float) -> Conversed:
    answer, now = refused.response, time.monotonic()
    headers = _raw(answer.headers.raw_items())
    body = bytes(answer.body or b"")
    response = Response(answer.status_code, headers, (Chunk(body, now),) if body else ())
    session = Session(0, request, answer.status_code, (), None, started, now, answer_headers=headers)
    return Conversed(move, session, response)


def _raw(items: Iterable[tuple[str, str]]) -> RawHeaders:
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in items)
