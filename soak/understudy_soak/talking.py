"""One Live session of a client: setup, a few turns, then a close, or none."""

import asyncio
import json
from random import Random
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.typing import Subprotocol

from .canaries import LIVE_CARRIERS, Canaries
from .plan import LEAVES
from .wire import NoAnswer

PATH: Final = "/gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
MODEL: Final = "models/gemini-2.5-flash-native-audio-preview-09-2025"
SESSION_S: Final = 30.0
_SUBPROTOCOL: Final = "openai-insecure-api-key."


class Talker:
    """Holds sessions with the gateway on `port`."""

    def __init__(self, port: int, canaries: Canaries, draws: Random) -> None:
        self._port = port
        self._canaries = canaries
        self._draws = draws

    async def session(self, id: str) -> bool:
        """One session; whether it ended by a close that both sides have sent. Raises NoAnswer if there was none."""
        carrier = self._draws.choice(LIVE_CARRIERS)
        key, headers = self._canaries.keys[carrier], {"x-litellm-call-id": id}
        url, offered = f"ws://127.0.0.1:{self._port}{PATH}", list[Subprotocol]()
        match carrier:
            case "live query":
                url += f"?key={key}"
            case "live subprotocol":
                offered = [Subprotocol(_SUBPROTOCOL + key), Subprotocol("realtime")]
            case _:
                headers[carrier.removeprefix("live ")] = key
        try:
            async with asyncio.timeout(SESSION_S):
                dialled = connect(
                    url, additional_headers=headers, subprotocols=offered or None, proxy=None, max_size=2**24
                )
                async with dialled as talk:
                    return await self._talk(talk)
        except (OSError, InvalidHandshake, InvalidMessage, EOFError) as error:
            raise NoAnswer from error

    async def _talk(self, talk: ClientConnection) -> bool:
        try:
            await talk.send(json.dumps({"setup": {"model": MODEL}}))
            await _until(talk, "setupComplete")
            for _ in range(self._draws.randint(1, 3)):
                parts = [{"text": f"{self._canaries.prompt} {self._draws.random()}"}]
                turn = {"turns": [{"role": "user", "parts": parts}], "turnComplete": True}
                await talk.send(json.dumps({"clientContent": turn}))
                await _until(talk, "turnComplete")
                await asyncio.sleep(self._draws.random() * 0.5)
            if self._draws.random() < LEAVES:
                talk.transport.abort()
                return False
            await talk.close(1000, "done")
        except ConnectionClosed:
            return False
        state = talk.protocol
        return state.close_rcvd is not None and state.close_sent is not None


async def _until(talk: ClientConnection, word: str) -> None:
    """Read until a message tells of `word`."""
    while True:
        message: Any = await talk.recv()
        text = message if isinstance(message, bytes) else str(message).encode()
        if word.encode() in text:
            return
