"""A provider for thousands of idle Live sessions, in a process of its own: prints its port, ends with its input."""

import asyncio
import sys
from base64 import b64encode
from hashlib import sha1
from typing import cast

SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
ECHO = b"\x82\x02ok"


class Connection(asyncio.Protocol):
    """Takes every handshake, answers every other request, and says `ok` to whatever comes in a session."""

    __slots__ = ("is_live", "transport")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.is_live = cast("asyncio.Transport", transport), False

    def data_received(self, data: bytes) -> None:
        if self.is_live:
            self.transport.write(b"\x88\x02\x03\xe8" if data[0] == 0x88 else ECHO)
            return
        fields = dict(line.lower().split(b": ", 1) for line in data.split(b"\r\n") if b": " in line)
        if b"upgrade" not in fields:
            self.transport.write(ANSWER)
            return
        key = next(
            line.split(b": ", 1)[1] for line in data.split(b"\r\n") if line.lower().startswith(b"sec-websocket-k")
        )
        accept = b64encode(sha1(key + SALT, usedforsecurity=False).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self.transport.write(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        self.is_live = True


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


asyncio.run(main())
