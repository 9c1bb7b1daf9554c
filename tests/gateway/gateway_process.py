"""A gateway in a process of its own, as an operator runs it, that can be killed."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway_stand import KEY, UPSTREAM_KEY, Client, Reply

from command_line import ANY_PORTS, LIMIT_S, command, environment

MASTER = "sk-master-key-0123456789"


@dataclass
class Running:
    """The process, where it listens, and what it has said."""

    process: asyncio.subprocess.Process
    http: str
    admin: str
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8")

    async def killed(self) -> None:
        self.process.kill()
        await asyncio.wait_for(self.process.wait(), LIMIT_S)

    async def ended(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), LIMIT_S)


def written_config(folder: Path, base: str, **ours: object) -> Path:
    """The configuration file of a gateway in front of the provider at `base`."""
    settings = {"keys": [{"id": "team", "key": KEY}], **ours}
    config = folder / "config.yaml"
    document = {"general_settings": {"master_key": MASTER}, "understudy_settings": settings}
    config.write_text(json.dumps(document), "utf-8")
    config.chmod(0o600)
    return config


def surroundings(folder: Path, base: str) -> dict[str, str]:
    more = {"GEMINI_API_KEY": UPSTREAM_KEY, "GEMINI_API_BASE": base}
    return environment(folder, more)


@asynccontextmanager
async def process(
    folder: Path, base: str, *options: str, environ: Mapping[str, str] | None = None, **ours: object
) -> AsyncIterator[Running]:
    """A gateway whose state folder is `folder`; killed at the end if it still runs."""
    config = written_config(folder, base, **ours)
    log = folder / "log"
    with log.open("ab") as talk:
        child = await asyncio.create_subprocess_exec(
            *command("gateway", "--config", str(config), "--json", *ANY_PORTS, *options),
            env={**surroundings(folder, base), **(environ or {})},
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=talk,
            stdin=asyncio.subprocess.DEVNULL,
        )
    try:
        assert child.stdout is not None
        line = await asyncio.wait_for(child.stdout.readline(), LIMIT_S)
        assert line, log.read_text("utf-8")
        said = json.loads(line)
        yield Running(child, said["http"], said["admin"], log)
    finally:
        if child.returncode is None:
            child.kill()
        await asyncio.wait_for(child.wait(), LIMIT_S)
        child._transport.close()  # pyright: ignore


async def refused(folder: Path, base: str, *options: str) -> tuple[int, str]:
    """The exit status and the words of a gateway that does not start."""
    child = await asyncio.create_subprocess_exec(
        *command("gateway", "--config", str(written_config(folder, base)), *ANY_PORTS, *options),
        env=surroundings(folder, base),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
    )
    _, said = await asyncio.wait_for(child.communicate(), LIMIT_S)
    assert child.returncode is not None
    return child.returncode, said.decode()


async def ask(origin: str, data: bytes) -> Reply:
    """One request on a connection of its own."""
    host, _, port = origin.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**20)
    try:
        writer.write(data)
        return await asyncio.wait_for(Client(reader, writer).reply(), LIMIT_S)
    finally:
        writer.close()


def get(path: str, key: str | None = MASTER, headers: Sequence[str] = ()) -> bytes:
    """A GET of the admin port."""
    lines = [f"GET {path} HTTP/1.1", *(headers or ["Host: 127.0.0.1"]), *([f"x-litellm-api-key: {key}"] if key else [])]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


async def asked_admin(running: Running, path: str) -> Any:
    """What the admin port answers to the master key."""
    reply = await ask(running.admin, get(path))
    assert reply.status == 200, reply
    return json.loads(reply.body)
