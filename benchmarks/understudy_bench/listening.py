"""A raw receiver of Live audio: one session that asks for speech and notes when each frame of it came."""

import socket
import ssl
import time
from typing import Final

from understudy.errors import TargetError

from .engine import Channel, Engine
from .load import CONNECT_LIMIT_S, Aim, Tally, handshake
from .payloads import MASK, frame

LIVE_PATH: Final = b"/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
SETUP: Final = b'{"setup":{"model":"models/gemini-2.5-flash-native-audio-latest"}}'
QUESTION: Final = (
    b'{"clientContent":{"turns":[{"role":"user","parts":[{"text":"Write 400 words about the sound of the sea"}]}],'
    b'"turnComplete":true}}'
)
"""An answer to it takes some three minutes to say."""

_SETUP_DONE: Final = b'{"setupComplete"'
_SPEECH: Final = b'{"serverContent":{"modelTurn"'
_SHOWN: Final = 200


class Listener(Channel):
    """One session. When it is set up it counts as ready; after `ask` each frame of speech adds its time to `times`."""

    def __init__(self, engine: Engine, aim: Aim, tally: Tally, tls: ssl.SSLContext | None = None) -> None:
        """Dial; with `tls` over TLS. Raises OSError if that fails."""
        sock = socket.create_connection(("127.0.0.1", aim.port), timeout=CONNECT_LIMIT_S)
        if tls is not None:
            sock = tls.wrap_socket(sock, server_hostname="127.0.0.1")
        super().__init__(engine, sock)
        self._aim = aim
        self._tally = tally
        self._rest = b""
        self._is_open_socket = False
        self._is_set_up = False
        self.times: list[float] = []
        self.send(handshake(aim, LIVE_PATH))

    def ask(self) -> None:
        """Have it speak."""
        self.send(frame(QUESTION, MASK))

    def received(self, size: int) -> None:
        """Note the time of each frame that is whole now."""
        now = time.monotonic()
        data = self._rest + self._engine.buffer[:size]
        if not self._is_open_socket:
            end = data.find(b"\r\n\r\n") + 4
            if end < 4:
                self._rest = data
                return
            if not data.startswith(b"HTTP/1.1 101"):
                raise TargetError(f"{self._aim.name}: no WebSocket: {data[:_SHOWN]!r}")
            self._is_open_socket = True
            self.send(frame(SETUP, MASK))
            data = data[end:]
        at = 0
        while (span := message_at(data, at)) is not None:
            self._take(data, span[0], now)
            at = span[1]
        self._rest = data[at:]

    def lost(self) -> None:
        """Nobody may close while we measure."""
        self.close()
        raise TargetError(f"{self._aim.name} closed a session that it should have kept")

    def _take(self, data: bytes, at: int, now: float) -> None:
        if data.startswith(_SPEECH, at):
            self.times.append(now)
        elif not self._is_set_up and data.startswith(_SETUP_DONE, at):
            self._is_set_up = True
            self._tally.ready += 1
        else:
            raise TargetError(f"{self._aim.name}: a message that was not expected: {data[at : at + _SHOWN]!r}")


def message_at(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the payload of the unmasked frame at `at` begins and ends; None if it is not whole (RFC 6455, 5.2)."""
    left = len(data) - at
    if left < 2:
        return None
    size, begin = data[at + 1], at + 2
    if size >= 126:
        begin += 2 if size == 126 else 8
        if len(data) < begin:
            return None
        size = int.from_bytes(data[at + 2 : begin], "big")
    return (begin, begin + size) if len(data) >= begin + size else None
