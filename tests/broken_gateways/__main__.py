"""`python -m broken_gateways NAME... --upstream URL --key KEY`: gateways as a process, each on a port of its own.

One line of JSON for each says where it is, in the words of `understudy gateway --json`, with its name.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

from understudy.price_books import price_book

from .books import Spend
from .rules import Setting
from .table import GATEWAYS
from .wire import HEAD_LIMIT


def main() -> None:
    """Serve until SIGTERM or SIGINT, or, if asked for, until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m broken_gateways", epilog=f"names: {', '.join(GATEWAYS)}")
    parser.add_argument("names", nargs="+", choices=list(GATEWAYS), metavar="NAME")
    parser.add_argument("--upstream", required=True, help="the provider's URL")
    parser.add_argument("--key", required=True, help="the gateway key")
    parser.add_argument("--port", type=int, default=0, help="where the first listens; the others, and 0: a free one")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--spend", type=Path, help="where the costs are written, if one name is given")
    where.add_argument("--folder", type=Path, help="where each writes its costs, as NAME.jsonl")
    parser.add_argument("--project", default="understudy-project")
    parser.add_argument("--location", default="us-central1")
    parser.add_argument("--until-stdin-ends", action="store_true")
    asyncio.run(serve(parser.parse_args()))


async def serve(options: argparse.Namespace) -> None:
    """Listen with every gateway that was named."""
    upstream, prices = urlsplit(options.upstream), price_book("frozen")
    address = (upstream.hostname or "127.0.0.1", upstream.port or 80)
    servers: list[asyncio.Server] = []
    for number, name in enumerate(options.names):
        file = options.folder / f"{name}.jsonl" if options.folder else options.spend
        setting = Setting(address, options.key, Spend(file, prices), options.project, options.location)
        port = options.port if number == 0 else 0
        server = await asyncio.start_server(GATEWAYS[name](setting).serve, "127.0.0.1", port, limit=HEAD_LIMIT)
        servers.append(server)
        url = "http://{}:{}".format(*server.sockets[0].getsockname())
        line = {"name": name, "http": url, "https": None, "admin": None, "ca": None, "pid": os.getpid()}
        print(json.dumps(line), flush=True)
    await _ended(options.until_stdin_ends)
    for server in servers:
        server.close()


async def _ended(with_stdin: bool) -> None:
    """Return when the process is told to end."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if with_stdin:
        # Read by the loop: a thread that waits for input would keep the process from ending.
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        watching = asyncio.ensure_future(reader.read())
        watching.add_done_callback(lambda _: ended.set())
    await ended.wait()


if __name__ == "__main__":
    main()
