"""A relay as one writes it with aiohttp's server and client: no keys, no cost, no limits, no log."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import ClientSession, ClientTimeout, ClientWebSocketResponse, TCPConnector, WSMsgType, web

from .serving import serve

_OWN: Final = frozenset({"host", "connection", "transfer-encoding", "upgrade"})


class Relay:
    """Passes everything on to the upstream at `origin`."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def application(self) -> web.Application:
        """The application, for all paths."""
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._answer)
        app.cleanup_ctx.append(self._with_session)
        return app

    async def _with_session(self, app: web.Application) -> AsyncIterator[None]:
        connector = TCPConnector(limit=0)
        async with ClientSession(connector=connector, auto_decompress=False, timeout=ClientTimeout(None)) as session:
            self._session = session
            yield

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._live(request)
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _OWN]
        url = self._origin + request.path_qs
        async with self._session.request(request.method, url, headers=headers, data=await request.read()) as answer:
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _OWN]
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            response.headers.extend(kept)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    async def _live(self, request: web.Request) -> web.StreamResponse:
        async with self._session.ws_connect(self._origin + request.path_qs, max_msg_size=0) as upstream:
            client = web.WebSocketResponse(compress=False, max_msg_size=0)
            await client.prepare(request)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(_pump(client, upstream))
                pumps.create_task(_pump(upstream, client))
            return client


Side = web.WebSocketResponse | ClientWebSocketResponse


async def _pump(source: Side, sink: Side) -> None:
    async for message in source:
        if message.type is WSMsgType.TEXT:
            await sink.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await sink.send_bytes(message.data)
    await sink.close()


if __name__ == "__main__":
    serve(Relay(sys.argv[1]).application())
