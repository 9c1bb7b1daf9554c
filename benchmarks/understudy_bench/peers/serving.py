"""What the peers share: they listen on a free port, say so in their first line, and end when their input ends."""

import asyncio
import json
import os
import sys
import threading
from typing import Final

import uvloop
from aiohttp import web

_SHUTDOWN_S: Final = 1.0


def serve(app: web.Application) -> None:
    """Run `app` on uvloop, without an access log, until standard input ends."""
    uvloop.run(_serve(app))


async def _serve(app: web.Application) -> None:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(json.dumps({"port": runner.addresses[0][1], "pid": os.getpid()}), flush=True)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait_for_the_end() -> None:
        sys.stdin.read()  # nothing comes; it ends with the program that started us
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    await ended.wait()
    await runner.cleanup()
