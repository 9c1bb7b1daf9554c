"""Autobahn's cases through the gateway: its fuzzing client, the gateway, a strict echo server as the provider.

Run by `make autobahn`. The suite itself (`wstest`, of the package autobahntestsuite) runs on Python 2.7 only, so it is
taken from where it is: the program that AUTOBAHN names, `wstest` on the path, or else Docker's image of it. Without any
of them this says so and ends with 2; with a case that fails it ends with 1. The report is in the folder given as the
only argument, `.autobahn` by default: open its index.html.
"""

import asyncio
import json
import os
import shutil
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from understudy.pricing.book import PriceBook
from understudy_gateway.app import Gateway
from understudy_gateway.config import parse_config
from understudy_gateway.listeners import Listen

IMAGE: Final = "crossbario/autobahn-testsuite"
LIVE: Final = "/gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
AGENT: Final = "understudy-gateway"
GOOD: Final = frozenset({"OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED"})
"""Autobahn calls late what is strict at the end of a message only: UTF-8 is judged by the ends. UNIMPLEMENTED is a
variant of compression that the echo server does not take up."""

NOT_OURS: Final = ["7.1.5"]
"""Left out: websockets, the echo server, calls a close inside a fragmented message a protocol error."""

MISSING: Final = """Autobahn's testsuite is not here. Any one of these does:
  - Docker with a running daemon (the image {image} is used);
  - wstest on the path, or its place in AUTOBAHN: a Python 2.7 with `pip install autobahntestsuite`.
"""


async def main(folder: Path, cases: list[str]) -> int:
    command = await _wstest(folder)
    if command is None:
        print(MISSING.format(image=IMAGE), file=sys.stderr)
        return 2
    async with serve(_echo, "127.0.0.1", 0, max_size=None, ping_interval=None, compression="deflate") as provider:
        port = next(iter(provider.sockets)).getsockname()[1]
        environ = {"GEMINI_API_BASE": f"http://127.0.0.1:{port}", "GEMINI_API_KEY": "the-providers"}
        settings: dict[str, Any] = {"development": True}
        config = parse_config({"understudy_settings": settings}, environ)
        async with Gateway(config, Listen(), book=PriceBook.from_layers([])) as running:
            url = running.http_url.replace("http", "ws") + f"{LIVE}?key=autobahn"
            _write_spec(folder, url, cases, in_docker=command[0] == "docker")
            process = await asyncio.create_subprocess_exec(*command, cwd=folder)
            if await process.wait() != 0:
                print("wstest itself failed", file=sys.stderr)
                return 2
    return _judged(folder)


async def _echo(session: ServerConnection) -> None:
    with suppress(ConnectionClosed):  # many cases end so
        async for message in session:
            await session.send(message)


async def _wstest(folder: Path) -> list[str] | None:
    """The command that runs the suite with the specification in `folder`; None if there is none."""
    arguments = ["-m", "fuzzingclient", "-s", "spec.json"]
    found = os.environ.get("AUTOBAHN") or shutil.which("wstest")
    if found:
        return [*found.split(), *arguments]
    docker = shutil.which("docker")
    if docker is None:
        return None
    quiet = asyncio.subprocess.DEVNULL
    asking = await asyncio.create_subprocess_exec(docker, "info", stdout=quiet, stderr=quiet)
    if await asking.wait() != 0:
        return None
    mount = f"{folder}:/autobahn"
    return ["docker", "run", "--rm", "--network", "host", "-v", mount, "-w", "/autobahn", IMAGE, "wstest", *arguments]


def _write_spec(folder: Path, url: str, cases: list[str], *, in_docker: bool) -> None:
    spec: dict[str, Any] = {
        "outdir": "/autobahn" if in_docker else ".",
        "servers": [{"agent": AGENT, "url": url, "options": {"version": 18}}],
        "cases": cases,
        "exclude-cases": NOT_OURS,
        "exclude-agent-cases": {},
    }
    (folder / "spec.json").write_text(json.dumps(spec), "utf-8")


def _judged(folder: Path) -> int:
    """Print what became of the cases; 1 if any failed or none ran."""
    results = json.loads((folder / "index.json").read_text("utf-8")).get(AGENT, {})
    counts = Counter(result["behavior"] for result in results.values())
    bad = {
        case: result
        for case, result in results.items()
        if result["behavior"] not in GOOD or result["behaviorClose"] not in GOOD
    }
    print(f"{len(results)} cases: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    for case, result in sorted(bad.items()):
        print(f"  {case}: {result['behavior']}, close {result['behaviorClose']}")
    return 1 if bad or not results else 0


if __name__ == "__main__":
    where = Path(sys.argv[1] if len(sys.argv) > 1 else ".autobahn").resolve()
    where.mkdir(parents=True, exist_ok=True)
    sys.exit(asyncio.run(main(where, sys.argv[2:] or ["*"])))
