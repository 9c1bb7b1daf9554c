"""The reference of all ratios: an aiohttp application that answers prebuilt bytes, or Live frames with themselves."""

from aiohttp import WSMsgType, web

from ..payloads import events, unary_answer
from .serving import serve


async def answer(request: web.Request) -> web.StreamResponse:
    """The answer that the upstream would give."""
    if request.headers.get("Upgrade", "").lower() == "websocket":
        return await _live(request)
    await request.read()
    if ":streamGenerateContent" in request.path:
        return await _stream(request)
    return web.Response(body=unary_answer(), content_type="application/json")


async def _stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for event in events():
        await response.write(event)
    await response.write_eof()
    return response


async def _live(request: web.Request) -> web.StreamResponse:
    session = web.WebSocketResponse(compress=False)
    await session.prepare(request)
    async for message in session:
        if message.type is WSMsgType.TEXT:
            await session.send_str(message.data)
    return session


def application() -> web.Application:
    """The application, for all paths."""
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    return app


if __name__ == "__main__":
    serve(application())
