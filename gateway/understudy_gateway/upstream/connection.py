"""One HTTP/1.1 connection to a provider as a machine: requests in, bytes out; bytes in, events out. No I/O, no clock.

One exchange at a time. The two directions move on their own, since an answer may come before its request is whole:

    request   idle -> body -> sent -> idle          (idle -> sent where there is no body)
    answer    idle -> head -> body -> over -> idle  (head -> head at each interim answer, head -> over without body)

`rest` leads both back to idle, if the connection may carry another exchange (`is_reusable`). What may never happen is
that bytes of one exchange are taken for another's (S-39). So the connection is spent as soon as anything came that was
not asked for (in idle, behind the answer's end), the answer's head came before the request was whole, the answer ends
with the connection, the provider said `close`, or something could not be read. A spent connection is to be closed.

httptools reads heads and chunks. Where a head ends is found here, so that every byte behind an answer is accounted for:
httptools passes silently over line breaks there. Interim answers (1xx) are dropped, trailers are read and dropped.
"""

from dataclasses import dataclass
from typing import Final, Literal

import httptools

from ..refusals import Reason
from .exchanges import RequestHead, ResponseHead
from .framing import LAST_CHUNK, chunk, framing_of, is_phrase, keeps_open, request_bytes

HEAD_LIMIT: Final = 256 * 1024
"""Bytes that may come before an answer's body, interim answers included, and between two pieces of a chunked one."""

FIELD_LIMIT: Final = 1000

_START: Final = b"HTTP/1."


@dataclass(frozen=True, slots=True)
class End:
    """The answer is whole."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The answer will never be whole. `reason` fits if its head had not come yet."""

    reason: Reason


Event = ResponseHead | bytes | End | Broken
"""What came: the final head; bytes of the body; its end; or that it broke off."""


_Sending = Literal["idle", "body", "sent"]
_Answer = Literal["idle", "head", "length", "chunked", "close", "over", "broken"]


class Connection:
    """The machine. Its owner writes the bytes that methods return, and closes the connection when it is spent."""

    def __init__(self) -> None:
        self._sending: _Sending = "idle"
        self._answer: _Answer = "idle"
        self._is_spent = False
        self._has_answered = False
        self._method = ""
        self._is_chunked = False
        self._left_to_send = 0
        self._left_to_come = 0
        self._held = bytearray()
        self._before_head = 0
        self._reader: _Reader | None = None
        self._tail = b""
        self._between = 0

    # -- what may be asked at any time

    @property
    def is_spent(self) -> bool:
        """Whether no further exchange can be carried, whatever still comes."""
        return self._is_spent

    @property
    def is_reusable(self) -> bool:
        """Whether a whole request and its whole answer have passed, and nothing else."""
        return not self._is_spent and self._sending == "sent" and self._answer == "over"

    @property
    def has_answered(self) -> bool:
        """Whether any byte came since the request began."""
        return self._has_answered

    # -- the request

    def begin(self, request: RequestHead) -> bytes:
        """The head of a request, to be written. Raises ValueError if it cannot be sent, or in mid-exchange."""
        if self._sending != "idle" or self._is_spent:
            raise ValueError("the connection is in use")
        head = request_bytes(request)
        self._method, self._is_chunked = request.method, request.is_chunked
        self._left_to_send = request.length or 0
        self._sending = "body" if request.has_body else "sent"
        self._answer, self._has_answered, self._before_head = "head", False, 0
        return head

    def body(self, data: bytes) -> bytes:
        """Bytes of the body as they are to be written. Raises ValueError for more than was announced."""
        if not data:
            return b""
        if self._sending != "body" or (not self._is_chunked and len(data) > self._left_to_send):
            raise ValueError("more body than was announced")
        if self._is_chunked:
            return chunk(data)
        self._left_to_send -= len(data)
        return data

    def end(self) -> bytes:
        """What ends the body, to be written. Raises ValueError for less than was announced: it must be broken off."""
        if self._sending == "body":
            if self._left_to_send:
                raise ValueError("less body than was announced")
            self._sending = "sent"
            return LAST_CHUNK if self._is_chunked else b""
        return b""

    def rest(self) -> None:
        """The exchange is over and another may come. Raises ValueError if the connection is not reusable."""
        if not self.is_reusable:
            raise ValueError("the connection carries no further exchange")
        self._sending, self._answer = "idle", "idle"

    # -- the answer

    def receive(self, data: bytes) -> list[Event]:
        """What bytes from the provider mean, in order. Never raises; empty bytes mean nothing."""
        if not data:
            return []
        self._has_answered = True
        match self._answer:
            case "length":
                return self._take_sized(data)
            case "chunked":
                return self._take_chunks(data)
            case "head":
                return self._take_head(data)
            case "close":
                return [data]
            case "idle" | "over" | "broken":
                self._is_spent = True
                return []

    def receive_end(self, *, is_clean: bool) -> list[Event]:
        """What it means that nothing more comes. `is_clean`: the provider ended its side; else it is lost or reset.

        Only a clean end can be that of an answer which ends with the connection (RFC 9112 8, R-5, R-6).
        """
        self._is_spent = True
        match self._answer:
            case "close" if is_clean:
                self._answer = "over"
                return [End()]
            case "head" | "length" | "chunked" | "close":
                return self._break(Reason.UPSTREAM_BROKE)
            case "idle" | "over" | "broken":
                return []

    def _break(self, reason: Reason) -> list[Event]:
        self._answer, self._is_spent = "broken", True
        self._held.clear()
        self._drop_reader()
        return [Broken(reason)]

    def _over(self, behind: bytes) -> list[Event]:
        """The answer's end; `behind` is what came after it."""
        self._answer = "over"
        self._drop_reader()
        if behind:
            self._is_spent = True
        return [End()]

    def _drop_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _take_head(self, data: bytes) -> list[Event]:
        held = self._held
        if held:
            searched = max(0, len(held) - 3)
            if (held[searched:] + data).find(b"\r\n\r\n") < 0:
                return self._hold(data)
            data = bytes(held) + data
            held.clear()
        while data:
            end = data.find(b"\r\n\r\n") + 4
            if end == 3:
                return self._hold(data)
            self._before_head += end
            if self._before_head > HEAD_LIMIT or not data.startswith(_START):
                break
            reader = _Reader()
            if not reader.takes_head(data[:end]):
                break
            data = data[end:]
            if reader.status >= 200:
                return self._begin_answer(reader, data)
            reader.close()
        else:
            return []
        return self._break(Reason.UPSTREAM_MALFORMED)

    def _hold(self, data: bytes) -> list[Event]:
        """Keep the beginning of a head, if it can become one: what has no end that will be found is not waited for."""
        held = self._held
        fresh = b"\r" + data if held.endswith(b"\r") else data
        has_bare_feeds = fresh.count(b"\n") != fresh.count(b"\r\n")
        held += data
        is_too_long = self._before_head + len(held) > HEAD_LIMIT
        if has_bare_feeds or is_too_long or not _START.startswith(bytes(held[: len(_START)])):
            return self._break(Reason.UPSTREAM_MALFORMED)
        return []

    def _begin_answer(self, reader: "_Reader", data: bytes) -> list[Event]:
        headers = tuple(reader.headers)
        try:
            framing, length = framing_of(self._method, reader.status, reader.version, headers)
        except ValueError:
            return self._break(Reason.UPSTREAM_MALFORMED)
        if framing == "close" or self._sending != "sent" or not keeps_open(reader.version, headers):
            self._is_spent = True
        head = ResponseHead(reader.status, reader.phrase, headers, length)
        if framing != "chunked":
            reader.close()
        match framing:
            case "none":
                return [head, *self._over(data)]
            case "length":
                self._answer, self._left_to_come = "length", length or 0
                return [head, *self._take_sized(data)] if data else [head]
            case "chunked":
                self._answer, self._reader, self._tail, self._between = "chunked", reader, b"", 0
                return [head, *self._take_chunks(data)] if data else [head]
            case "close":
                self._answer = "close"
                return [head, data] if data else [head]

    def _take_sized(self, data: bytes) -> list[Event]:
        left = self._left_to_come - len(data)
        if left > 0:
            self._left_to_come = left
            return [data]
        if left == 0:
            return [data, *self._over(b"")]
        return [data[:left], *self._over(data[left:])]

    def _take_chunks(self, data: bytes) -> list[Event]:
        reader = self._reader
        assert reader is not None
        is_sound = reader.takes_chunks(data)
        events: list[Event] = [body] if (body := reader.taken()) else []
        if reader.is_over:
            # Line breaks behind the last chunk go unnoticed by httptools; no proper end looks like one and a half.
            tail = self._tail + data[-6:]
            is_clean = is_sound and tail.endswith(b"\r\n\r\n") and not tail.endswith(b"\r\n\r\n\r\n")
            return [*events, *self._over(b"" if is_clean else b"?")]
        self._between = 0 if events else self._between + len(data)
        if not is_sound or self._between > HEAD_LIMIT:
            return [*events, *self._break(Reason.UPSTREAM_MALFORMED)]
        self._tail = (self._tail + data[-6:])[-6:]
        return events


class _Reader:
    """What httptools calls while it reads one answer: its head, then the chunks of its body."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.phrase = b""
        self.status = 0
        self.version = ""
        self.is_over = False
        self._is_head = True
        self._body: list[bytes] = []
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def takes_head(self, head: bytes) -> bool:
        """Read a head, which must be whole; false if it is none that may be passed on (S-41)."""
        parser = self._parser
        assert parser is not None
        try:
            parser.feed_data(head)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):  # it also stops at every 101
            return False
        if self._is_head:
            return False
        self.status, self.version = parser.get_status_code(), parser.get_http_version()
        is_one = self.status >= 100 and self.version in ("1.0", "1.1")
        return is_one and len(self.headers) <= FIELD_LIMIT and is_phrase(self.phrase)

    def takes_chunks(self, data: bytes) -> bool:
        """Read bytes of a chunked body; false if they are malformed. What is good of them has been taken."""
        assert self._parser is not None
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return False
        return True

    def close(self) -> None:
        """Let go of httptools' parser, which holds this object: so it needs no collector."""
        self._parser = None

    def taken(self) -> bytes:
        """The bytes of the body that were read since last asked."""
        body = self._body
        if len(body) == 1:
            data = body[0]
            body.clear()
            return data
        data = b"".join(body)
        body.clear()
        return data

    def on_message_begin(self) -> None:
        """A message begins: behind the end it is one that nobody asked for."""

    def on_status(self, status: bytes) -> None:
        """A piece of the reason phrase."""
        if self._is_head:
            self.phrase += status

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head; behind it a trailer, which is dropped."""
        if self._is_head:
            self.headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._is_head = False

    def on_body(self, body: bytes) -> None:
        """Bytes of the body; what follows its end is nobody's."""
        if not self.is_over:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """The last chunk and the trailers are there. (For other bodies this is found out without httptools.)"""
        self.is_over = True
