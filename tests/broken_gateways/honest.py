"""A small gateway without faults, over HTTP: a control that the suite must pass, and what the broken ones derive from.

It shares no code with the reference gateway. Each rule stands in a method of its own, so that a broken gateway is the
honest one with a method or two changed. A connection carries one request, and so does one to the provider.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

from understudy.surfaces import Place, place_of

from .books import Books, Seen
from .refusals import Refused, error_body
from .rules import (
    CREDENTIAL_FIELDS,
    DENIED,
    DENIED_STARTS,
    HOP_BY_HOP,
    KEY_PARAMETERS,
    KEY_SUBPROTOCOL,
    METHODS,
    PREFIXES,
    SHORT_LIVE,
    VERTEX_LIVE,
    Setting,
    climbs,
    completed,
    parameter_name,
)
from .wire import (
    ALL_RULES,
    HEAD_LIMIT,
    BadRequest,
    BrokenOff,
    Fields,
    Head,
    Rule,
    chunk_bytes,
    head_bytes,
    read_body,
    read_head,
)

GEMINI_KEY = b"upstream-key-of-the-honest"
VERTEX_TOKEN = b"upstream-token-of-the-honest"
_METERED = 8 * 1024 * 1024


@dataclass
class Call:
    """One request under way: its head, where it goes, and copies of what passed of it.

    `body` is for gateways that hold something back.
    """

    id: str
    head: Head
    is_vertex: bool = False
    target: str = ""
    place: Place | None = None
    asked: bytearray = field(default_factory=bytearray)
    said: bytearray = field(default_factory=bytearray)
    body: bytes = b""

    @property
    def is_live(self) -> bool:
        """Whether it is the handshake of a session."""
        return self.head.value(b"upgrade").lower() == b"websocket"

    @property
    def path(self) -> str:
        """Where it goes, without the query."""
        return self.target.partition("?")[0]


class Honest:
    """One gateway."""

    name: ClassVar[str] = "honest"
    sentence: ClassVar[str] = "It does what it should."
    kills: ClassVar[frozenset[str]] = frozenset()
    may_fail: ClassVar[frozenset[str]] = frozenset()
    books_type: ClassVar[type[Books]] = Books
    refused_heads: ClassVar[frozenset[Rule]] = ALL_RULES
    methods: ClassVar[frozenset[str]] = METHODS

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.books = self.books_type(setting.spend)
        # The loop itself forgets who serves a client that has left.
        self._serving: set[asyncio.Task[None] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        call = Call(secrets.token_hex(8), Head((b"", b"", b"")))
        task = asyncio.current_task()
        self._serving.add(task)
        try:
            head = await read_head(reader, self.refused_heads)
            if head is not None:
                call.head = head
                await self.handle(call, reader, writer)
        except BadRequest as error:
            await self.refuse(call, writer, Refused(400, str(error)))
        except Refused as refused:
            await self.refuse(call, writer, refused)
        except (ConnectionError, BrokenOff):
            writer.transport.abort()
        except asyncio.CancelledError:
            # The process ends; a connection that is served must not keep it.
            writer.transport.abort()
        finally:
            writer.close()
            self._serving.discard(task)

    async def handle(self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        if call.head.method not in self.methods:
            raise Refused(405, "no such method here", (b"Allow", ", ".join(sorted(self.methods)).encode()))
        self.route(call)
        await self.check_key(call)
        self.check_path(call)
        await self.pass_on(call, reader, writer)

    # -- before anything goes up

    def route(self, call: Call) -> None:
        """Where the request goes: the prefix off, all else as it came."""
        path, mark, query = call.head.first[1].decode("latin-1").partition("?")
        if call.is_live and path in self.short_routes():
            call.is_vertex, call.target = True, self.short_route_target(query)
        else:
            prefix = next((one for one in PREFIXES if path.startswith(f"{one}/")), None)
            if prefix is None:
                return self.no_route(call)
            call.is_vertex = prefix != "/gemini"
            path, kept = self.provider_path(call, path[len(prefix) :]), self.provider_query(call, query)
            call.target = f"{path}?{kept}" if kept or (mark and not query) else path
        call.place = place_of(call.path)
        return None

    def no_route(self, call: Call) -> None:
        """Nothing serves this path."""
        raise Refused(404, f"no such route; there are {', '.join(PREFIXES)}")

    def short_routes(self) -> tuple[str, ...]:
        """Routes of Live sessions that have no path of the provider's."""
        return SHORT_LIVE

    def short_route_target(self, query: str) -> str:
        """Where they lead; what their query says is the gateway's own."""
        return VERTEX_LIVE

    def provider_path(self, call: Call, path: str) -> str:
        """The path as it came; a short one of Vertex AI is completed."""
        return completed(path, self.setting) if call.is_vertex else path

    def provider_query(self, call: Call, query: str) -> str:
        """The query without what carries keys."""
        return "&".join(part for part in query.split("&") if parameter_name(part) not in KEY_PARAMETERS)

    def check_path(self, call: Call) -> None:
        """Dot segments that climb are refused; others are bytes."""
        if climbs(call.path):
            raise Refused(400, "the path climbs above its base")

    def shown_keys(self, call: Call) -> dict[str, str]:
        """What stands where a key may stand, by carrier."""
        shown: dict[str, str] = {}
        for name in ("x-litellm-api-key", "authorization", "x-goog-api-key", "api-key"):
            for value in call.head.values(name.encode()):
                scheme, _, rest = value.decode("latin-1").partition(" ")
                if scheme.lower() == "bearer":
                    shown.setdefault(name, rest.strip())
                elif name != "authorization":
                    shown.setdefault(name, value.decode("latin-1"))
        for part in call.head.first[1].decode("latin-1").partition("?")[2].split("&"):
            if parameter_name(part) == "key":
                shown.setdefault("query", part.partition("=")[2])
        for one in self.offered_subprotocols(call):
            if one.startswith(KEY_SUBPROTOCOL):
                shown.setdefault("subprotocol", one[len(KEY_SUBPROTOCOL) :])
        return shown

    async def check_key(self, call: Call) -> None:
        """Let in who shows the key in any carrier."""
        if self.setting.key not in self.shown_keys(call).values():
            raise Refused(401, "no valid key", (b"WWW-Authenticate", b"Bearer"))

    # -- what goes up

    def upstream_fields(self, call: Call) -> Fields:
        """The client's fields that go on, those of x-pass, and the credential."""
        named = self.named_in_request(call)
        fields: Fields = [(b"Host", self.host(call))]
        for name, value in call.head.fields:
            lowered = name.lower()
            if lowered in named:
                continue
            if lowered.startswith(b"x-pass-"):
                fields += self.passed(lowered.removeprefix(b"x-pass-"), value)
            elif self.goes_on(call, name):
                fields.append((name, value))
        return [*fields, *self.credential(call)]

    def host(self, call: Call) -> bytes:
        """The provider's."""
        return ":".join(map(str, self.setting.upstream)).encode()

    def named_in_request(self, call: Call) -> set[bytes]:
        """The fields that the client's Connection names."""
        return named_by_connection(call.head)

    def goes_on(self, call: Call, name: bytes) -> bool:
        """Whether a field of the client goes on."""
        lowered = name.lower()
        kept_back = CREDENTIAL_FIELDS | HOP_BY_HOP | {b"host", b"content-length", b"expect", b"tags"}
        return lowered not in kept_back and not lowered.startswith((b"x-litellm-", b"x-mock-testing-"))

    def passed(self, name: bytes, value: bytes) -> Fields:
        """`x-pass-NAME` as `NAME`."""
        if name in DENIED or name.startswith(DENIED_STARTS):
            raise Refused(400, f"x-pass- cannot set {name.decode('latin-1')}")
        return [(name, value)]

    def credential(self, call: Call) -> Fields:
        """The one that the provider is shown."""
        if call.is_vertex:
            return [(b"Authorization", b"Bearer " + VERTEX_TOKEN)]
        return [(b"x-goog-api-key", GEMINI_KEY)]

    def upstream_framing(self, call: Call) -> Fields:
        """How the length of the body is said: as the client said it."""
        if call.head.is_chunked:
            return [(b"Transfer-Encoding", b"chunked")]
        length = call.head.values(b"content-length")
        return [(b"Content-Length", length[0])] if length else []

    def upstream_method(self, call: Call) -> bytes:
        """The client's."""
        return call.head.first[0]

    def upload(self, call: Call, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """The client's body, piece by piece."""
        return read_body(reader, call.head, until_end=False)

    # -- what comes down

    def named_in_answer(self, call: Call, answer: Head) -> set[bytes]:
        """The fields that the provider's Connection names."""
        return named_by_connection(answer)

    def client_fields(self, call: Call, answer: Head) -> Fields:
        """The provider's fields but those of its hop, and ours."""
        named = self.named_in_answer(call, answer) | HOP_BY_HOP
        kept = [(name, value) for name, value in answer.fields if name.lower() not in named]
        return [*kept, *self.own_fields(call)]

    def own_fields(self, call: Call) -> Fields:
        """What the gateway adds to an answer."""
        return [(b"x-litellm-call-id", call.id.encode()), (b"Connection", b"close")]

    def client_status(self, call: Call, answer: Head) -> bytes:
        """The provider's status and phrase."""
        return b"HTTP/1.1 " + b" ".join(answer.first[1:])

    def is_chunked_down(self, call: Call, answer: Head) -> bool:
        """Whether the client gets chunks."""
        return answer.is_chunked or answer.length is None

    def download(self, call: Call, answer: Head, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The provider's body, piece by piece."""
        return pieces

    # -- the relay

    async def pass_on(self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send up and answer down at once, until the answer is whole or a side is gone."""
        fields = self.upstream_fields(call)
        up_reader, up_writer = await self.dial()
        sending = asyncio.ensure_future(self.send(call, reader, writer, up_writer, fields))
        answering = asyncio.ensure_future(self.answer(call, up_reader, writer))
        try:
            await asyncio.wait({sending, answering}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                await self.client_left(call, answering)
            await answering
        finally:
            sending.cancel()
            answering.cancel()
            await asyncio.gather(sending, answering, return_exceptions=True)
            up_writer.transport.abort()

    async def client_left(self, call: Call, answering: "asyncio.Future[None]") -> None:
        """The client is gone: so goes its request."""
        raise BrokenOff

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the provider."""
        try:
            return await asyncio.open_connection(*self.setting.upstream, limit=HEAD_LIMIT)
        except OSError:
            raise Refused(502, "the provider cannot be reached") from None

    async def send(
        self,
        call: Call,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        up_writer: asyncio.StreamWriter,
        fields: Fields,
    ) -> None:
        """Send head and body up, then watch the client; returns when it has left, raises BrokenOff if in mid-body."""
        await self.invite(call, writer)
        framing = self.upstream_framing(call)
        first = self.upstream_method(call) + b" " + call.target.encode("latin-1") + b" HTTP/1.1"
        is_chunked = any(name == b"Transfer-Encoding" for name, _ in framing)
        # The provider may answer and close before it has read all: its answer counts.
        with suppress(ConnectionError):
            up_writer.write(head_bytes(first, [*fields, (b"Connection", b"close"), *framing]))
            async for piece in self.upload(call, reader):
                call.asked += piece[: _METERED - len(call.asked)]
                up_writer.write(chunk_bytes(piece) if is_chunked else piece)
                await up_writer.drain()
            up_writer.write(b"0\r\n\r\n" if is_chunked else b"")
            await up_writer.drain()
        with suppress(ConnectionError):
            while await reader.read(1024):
                pass

    async def invite(self, call: Call, writer: asyncio.StreamWriter) -> None:
        """Answer `Expect: 100-continue`, which does not go on."""
        if call.head.values(b"expect"):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await writer.drain()

    async def answer(self, call: Call, up_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass the provider's answer down."""
        head, up_reader = await self.answer_head(call, up_reader)
        is_whole = False
        try:
            await self.answer_down(call, head, up_reader, writer)
            is_whole = True
        finally:
            self.books.exchange(self.seen(call, head, is_whole))

    def seen(self, call: Call, head: Head, is_whole: bool) -> Seen:
        """The exchange for the books."""
        asked, answer = bytes(call.asked), bytes(call.said)
        kind, coding = head.text(b"content-type"), head.text(b"content-encoding")
        fields = tuple(call.head.fields)
        return Seen(call.id, call.place, call.head.method, fields, asked, head.status, kind, coding, answer, is_whole)

    async def answer_head(self, call: Call, up_reader: asyncio.StreamReader) -> tuple[Head, asyncio.StreamReader]:
        """The head of the final answer, and where its body is read."""
        try:
            while True:
                head = await read_head(up_reader, frozenset())
                if head is None:
                    raise Refused(502, "the provider closed the connection")
                if head.status >= 200 or head.status == 101:
                    return head, up_reader
        except (BadRequest, ConnectionError, ValueError):
            raise Refused(502, "the provider broke off") from None

    async def answer_down(
        self, call: Call, head: Head, up_reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Head and body to the client, each piece as it comes."""
        has_body = call.head.method != "HEAD" and head.status not in (204, 304)
        is_chunked = has_body and self.is_chunked_down(call, head)
        framing: Fields = [(b"Transfer-Encoding", b"chunked")] if is_chunked else []
        await self.write_head(call, writer, self.client_status(call, head), [*self.client_fields(call, head), *framing])
        try:
            if has_body:
                async for piece in self.download(call, head, self.provider_body(call, head, up_reader)):
                    await self.write_down(call, writer, chunk_bytes(piece) if is_chunked else piece)
        except BrokenOff:
            await self.provider_broke(call, head, writer, is_chunked)
            raise
        await self.write_down(call, writer, b"0\r\n\r\n" if is_chunked else b"")

    async def write_head(self, call: Call, writer: asyncio.StreamWriter, first: bytes, fields: Fields) -> None:
        """The head of an answer to the client."""
        await self.write_down(call, writer, head_bytes(first, fields))

    async def write_down(self, call: Call, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Some bytes to the client."""
        writer.write(data)
        await writer.drain()

    async def provider_body(self, call: Call, head: Head, up_reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """The provider's body, of which the books get a copy."""
        try:
            async for piece in read_body(up_reader, head, until_end=True):
                call.said += piece[: _METERED - len(call.said)]
                yield piece
        except ConnectionError as error:
            raise BrokenOff from error

    async def provider_broke(self, call: Call, head: Head, writer: asyncio.StreamWriter, is_chunked: bool) -> None:
        """The provider broke off: so does the answer, behind all that came; it must not look whole."""
        await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    # -- answers of its own

    async def refuse(self, call: Call, writer: asyncio.StreamWriter, refused: Refused) -> None:
        """Answer by itself."""
        body = b"" if call.head.method == "HEAD" else self.error_body(refused)
        fields: Fields = [
            (b"Content-Type", b"application/json"),
            *self.refusal_fields(refused),
            (b"x-understudy-error", refused.reason.encode()),
            *self.own_fields(call),
            (b"Content-Length", str(len(body)).encode()),
        ]
        with suppress(ConnectionError):
            writer.write(head_bytes(b"HTTP/1.1 %d Refused" % refused.status, fields) + body)
            await writer.drain()

    def refusal_fields(self, refused: Refused) -> Fields:
        """What a refusal brings beside its body."""
        return list(refused.fields)

    def error_body(self, refused: Refused) -> bytes:
        """In Google's shape."""
        return error_body(refused)

    def offered_subprotocols(self, call: Call) -> list[str]:
        """What the client of a session offers."""
        values = b",".join(call.head.values(b"sec-websocket-protocol")).decode("latin-1").split(",")
        return [value.strip() for value in values if value.strip()]


def named_by_connection(head: Head) -> set[bytes]:
    """The fields that Connection names: they are of this hop (RFC 9110 7.6.1)."""
    return {one.strip().lower() for value in head.values(b"connection") for one in value.split(b",")}
