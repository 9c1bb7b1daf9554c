"""One Live session of a client, by the websockets library: the handshake, the steps, and how it ended."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.typing import Subprotocol

from ..messages import Chunk, Close, RawHeaders, Request, Response, Session
from .http_client import CONNECT_LIMIT_S, SWITCHING, Address
from .live_talk import Stopped, Talk
from .model import Converse, Conversed

NO_CODE: Final = 1005
"""What websockets shows for a close frame without a code; never on the wire (RFC 6455 7.4.1)."""


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
    talk = Talk(socket, values, speed)
    listening = asyncio.ensure_future(talk.listen())
    problem: str | None = None
    try:
        async with asyncio.timeout(move.limit_s):
            await talk.play(move.steps)
            await socket.close()
    except Stopped as stopped:
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
