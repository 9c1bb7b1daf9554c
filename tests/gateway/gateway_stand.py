"""A gateway on free ports in front of a provider double, and a raw client for it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from understudy.pricing.book import Layer, PriceBook
from understudy_gateway.app import Gateway
from understudy_gateway.config import parse_config
from understudy_gateway.listeners import Listen
from understudy_gateway.settings import GatewayConfig

KEY = "sk-gateway-key-0123456789"
UPSTREAM_KEY = "AIza-the-providers-own-key"

BOOK = PriceBook.from_layers(
    [
        Layer(
            "test",
            {
                f"{provider}/gemini-2.5-flash": {
                    "litellm_provider": provider.replace("vertex_ai", "vertex_ai-language-models"),
                    "mode": "chat",
                    "input_cost_per_token": "3e-7",
                    "output_cost_per_token": "2.5e-6",
                }
                for provider in ("gemini", "vertex_ai")
            }
            | {
                "gemini/veo-3.0-generate-001": {
                    "litellm_provider": "gemini",
                    "mode": "video_generation",
                    "output_cost_per_second": "0.40",
                }
            },
        )
    ]
)


def config_of(base: str, **ours: object) -> GatewayConfig:
    environ = {
        "GEMINI_API_KEY": UPSTREAM_KEY,
        "GEMINI_API_BASE": base,
        "VERTEXAI_API_BASE": base,
        "VERTEX_API_KEY": UPSTREAM_KEY,
    }
    settings: dict[str, object] = {"keys": [{"id": "team", "key": KEY}], **ours}
    return parse_config({"understudy_settings": settings}, environ)


@asynccontextmanager
async def gateway(
    base: str,
    *,
    spend_path: Path | None = None,
    config: GatewayConfig | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    **ours: object,
) -> AsyncIterator[Gateway]:
    settings = config or config_of(base, **ours)
    async with Gateway(settings, Listen(), book=BOOK, spend_path=spend_path, monotonic=monotonic) as running:
        yield running


@dataclass
class Reply:
    """An answer as it stood on the wire. `is_whole`: its framing says that it is complete."""

    head: bytes
    body: bytes
    is_whole: bool = True

    @property
    def status(self) -> int:
        return int(self.head.split(b" ")[1])

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        lines = self.head.split(b"\r\n")[1:]
        return [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines if line)]

    def value(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.fields if key.lower() == name.lower()), None)

    @property
    def reason(self) -> str:
        return json.loads(self.body)["error"]["details"][0]["reason"]


class Client:
    """One connection to a gateway, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        return (await self.reader.readuntil(b"\r\n\r\n"))[:-2]

    async def reply(self, *, is_head: bool = False) -> Reply:
        found = Reply(await self.head(), b"")
        length = found.value(b"content-length")
        if is_head or found.status in (204, 304):
            return found
        try:
            if found.value(b"transfer-encoding") == b"chunked":
                while chunk := await self.chunk():
                    found.body += chunk
            elif length is not None:
                found.body = await self.reader.readexactly(int(length))
            else:
                found.body = await self.reader.read()
        except asyncio.IncompleteReadError as error:
            found.is_whole = False
            found.body += error.partial
        except ConnectionError:
            found.is_whole = False
        return found

    async def chunk(self) -> bytes:
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    def leave(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def client(running: Gateway) -> AsyncIterator[Client]:
    host, _, port = running.http_url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**20)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


GENERATE = "/gemini/v1beta/models/gemini-2.5-flash:generateContent"


def request(
    target: str | bytes = GENERATE,
    *,
    method: str = "POST",
    headers: Mapping[str, str] | list[tuple[str, str]] | None = None,
    body: bytes | None = b"{}",
    key: str | None = KEY,
) -> bytes:
    raw = target.encode() if isinstance(target, str) else target
    lines = [method.encode() + b" " + raw + b" HTTP/1.1", b"Host: gateway.example"]
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers or [])
    pairs += [("x-goog-api-key", key)] if key is not None else []
    lines += [f"{name}: {value}".encode("latin-1") for name, value in pairs]
    lines += [b"Content-Length: %d" % len(body)] if body is not None else []
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


async def asked(running: Gateway, data: bytes, *, is_head: bool = False) -> Reply:
    async with client(running) as talk:
        await talk.send(data)
        return await talk.reply(is_head=is_head)


async def recorded(running: Gateway, count: int = 1) -> list:
    """The spend records, once there are `count`."""
    while len(running.spend.records) < count:  # noqa: ASYNC110 - records come after the answer
        await asyncio.sleep(0.001)
    return list(running.spend.records)


def usage(prompt: int, answer: int) -> dict[str, object]:
    return {"promptTokenCount": prompt, "candidatesTokenCount": answer, "totalTokenCount": prompt + answer}


def cost(prompt: int, answer: int) -> Decimal:
    return prompt * Decimal("3e-7") + answer * Decimal("2.5e-6")
