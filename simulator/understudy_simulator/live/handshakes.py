"""What befalls a WebSocket handshake before it is answered: waits, ends without an answer, silence."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from aiohttp import web

from understudy.scenario.model import Fault

from ..clock import Clock
from ..draws import Draws
from ..faults import HOLD_S, reset_connection
from ..layers import Injected
from ..recorder import SessionEntry

HANDSHAKE: Final = 0
"""The `at` of what concerns the handshake; messages are counted from 1."""


def of_handshake(injected: Sequence[Injected]) -> tuple[Fault, ...]:
    """The faults among what comes that concern the handshake."""
    return tuple(one.what for one in injected if one.at == HANDSHAKE and isinstance(one.what, Fault))


async def befall(
    request: web.BaseRequest, entry: SessionEntry, faults: Sequence[Fault], clock: Clock, draws: Draws
) -> bool:
    """Do these faults to a handshake; whether it may still be answered. Each is written down as it takes effect."""
    for fault in faults:
        entry.note_fault(str(fault))
        transport = request.transport
        match fault.kind:
            case "latency":
                await clock.sleep(fault.seconds)
            case "jitter":
                await clock.sleep(fault.seconds * draws.next())
            case "stall":
                await _stall(transport, fault.seconds, clock)
            case "reset_peer":
                entry.close("server", None)
                reset_connection(transport)
                return False
            case "half_close" | "stop":
                await _hold(transport, is_half_closed=fault.kind == "half_close")
                return False
            case _:
                entry.close("server", None)
                if transport is not None:
                    transport.close()
                return False
    return True


async def _stall(transport: asyncio.Transport | None, seconds: float, clock: Clock) -> None:
    """Not even read for so long."""
    if transport is not None:
        transport.pause_reading()
    try:
        await clock.sleep(seconds)
    finally:
        if transport is not None and not transport.is_closing():
            transport.resume_reading()


async def _hold(transport: asyncio.Transport | None, *, is_half_closed: bool) -> None:
    """Say nothing until the client leaves, which cancels this."""
    if is_half_closed and transport is not None and transport.can_write_eof():
        transport.write_eof()
    with suppress(TimeoutError):
        async with asyncio.timeout(HOLD_S):
            await asyncio.Event().wait()
    if transport is not None:
        transport.close()
