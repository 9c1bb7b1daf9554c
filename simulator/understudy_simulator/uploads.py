"""Google's upload protocols: resumable (start, data, query, finalize, cancel), raw and multipart (wire-http 8.1).

Bytes go to disk as they come. When a client vanishes, what came stays: `query` says how much, and the upload goes on
from there. A chunk that is sent again because its answer was lost is taken as the one that came.

Captured: the answers to start and data. Documented: granularity, query, cancel. Assumed: the words of refusals.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, cast
from urllib.parse import quote

from understudy.scenario.json_subset import LazyJson

from .answers.reading import Members
from .call import Answer, Call, Json, Upload
from .google_errors import GoogleError, body_too_large, invalid_argument, own_error
from .multipart_related import MultipartRelated
from .replies import Manner, Outgoing, service_headers
from .routing import UploadHandler
from .spool import NoRoomError, Spool, SpooledFile
from .store import Resource
from .validation.loading import descriptions
from .validation.reading import request_error

GRANULARITY: Final = 8 * 1024 * 1024
"""Bytes of which a chunk that is not the last has a multiple."""

LARGEST_FILE: Final = 2 * 1024**3
"""2 GB for a file: the Files API's documented limit."""

_SESSIONS: Final = "uploads"
_ID_LENGTH: Final = 100
_LIFETIME: Final = timedelta(days=7)
"""How long an upload can be resumed: what Google says of resumable uploads elsewhere (Cloud Storage)."""

_METADATA_LIMIT: Final = 1024 * 1024
_BINARY: Final = "application/octet-stream"
_START: Final = frozenset({"start"})
_QUERY: Final = frozenset({"query"})
_CANCEL: Final = frozenset({"cancel"})
_STATUS: Final = b"X-Goog-Upload-Status"
_RECEIVED: Final = b"X-Goog-Upload-Size-Received"


@dataclass(frozen=True, slots=True)
class Received:
    """An upload that is complete: its bytes, their number, what they are, and the file's name as the client gave it."""

    content: SpooledFile
    size: int
    mime_type: str
    file_name: str


Finalizer = Callable[[Call, Received, Mapping[str, Any]], Answer]
"""Makes a resource of an upload; gets the call that began it, what came, and the metadata of that call.

Ids and scope are those of the first call: the later ones need not carry the scope, as clients use the upload URL as it
is and add no header fields of their own.
"""


class _Session:
    """A resumable upload; it changes with every piece that comes.

    `chunk` is the offset at which the latest chunk began; `turn` counts data requests, so that an older one that has
    not ended yet can tell that it is no longer heard. `file` is None once the upload is over; `size` is then its size.
    """

    __slots__ = ("answer", "call", "chunk", "declared", "file", "file_name", "metadata", "mime_type", "size", "turn")

    def __init__(self, call: Call, file: SpooledFile, metadata: Members, mime_type: str, declared: int | None) -> None:
        # The call is kept without its body, which the metadata are.
        self.call = replace(call, body=LazyJson(b""))
        self.file: SpooledFile | None = file
        self.metadata = metadata
        self.mime_type = mime_type
        self.file_name = call.header("x-goog-upload-file-name") or ""
        self.declared = declared
        self.chunk = 0
        self.size = 0
        self.turn = 0
        self.answer: Answer | None = None

    @property
    def state(self) -> str:
        """What `X-Goog-Upload-Status` says."""
        if self.file is not None:
            return "active"
        return "cancelled" if self.answer is None else "final"

    @property
    def received(self) -> int:
        """How many bytes there are."""
        return self.size if self.file is None else self.file.size

    def end(self, answer: Answer | None) -> None:
        """The upload is over: finished with an answer, or (None) given up."""
        self.size = self.received
        self.file, self.answer = None, answer
        self.turn += 1

    def discard(self) -> None:
        """Remove what came, unless it has become a file."""
        if self.file is not None:
            self.file.discard()
            self.end(None)


class _Refused(Exception):
    """Ends a request; `status` is that of the upload."""

    def __init__(self, error: GoogleError, status: str = "final") -> None:
        super().__init__(error.message)
        self.error = error
        self.status = status


class Uploads:
    """The uploads of one kind: what their first call must fit, and what becomes of them."""

    def __init__(self, spool: Spool, message: str, finalize: Finalizer) -> None:
        """`message` is the description of the first call's body; empty: that body is not read."""
        self._spool = spool
        self._message = message
        self._finalize = finalize

    @property
    def handler(self) -> UploadHandler:
        """The handler of `POST upload/...`."""
        return self._handle

    async def _handle(self, upload: Upload) -> Answer:
        call = upload.call
        is_known = "upload_id" in call.query
        try:
            if is_known:
                return await self._continue(upload)
            protocol = (call.header("x-goog-upload-protocol") or call.query.get("uploadType") or "").lower()
            if protocol == "resumable":
                return await self._start(upload)
            kind = (call.header("content-type") or "").lower()
            if protocol == "multipart" or (not protocol and kind.startswith("multipart/related")):
                return await self._multipart(upload)
            return await self._raw(upload)
        except _Refused as refused:
            return _with_status(refused.error, refused.status)
        except NoRoomError as error:
            return _with_status(no_room(error), "active" if is_known else "final")

    # -- resumable

    async def _start(self, upload: Upload) -> Answer:
        call = upload.call
        if _commands(call) != _START:
            raise _Refused(invalid_argument("The first request of a resumable upload has the command 'start'."))
        metadata = self._metadata(call, await _whole(upload.body))
        declared = _number(call, "X-Goog-Upload-Header-Content-Length", "final")
        if declared is not None and declared > LARGEST_FILE:
            raise _Refused(invalid_argument(f"The file has more than {LARGEST_FILE} bytes."))
        mime_type = call.header("x-goog-upload-header-content-type") or ""
        session = _Session(call, self._spool.new(), metadata, mime_type, declared)
        upload_id = call.identity.urlsafe("upload", _ID_LENGTH)
        call.shelf.put(Resource(f"{_SESSIONS}/{upload_id}", {}, call.now, call.now + _LIFETIME, session))
        path = quote(call.request.path, safe="/%~:@")
        url = f"{call.origin}{path}?upload_id={upload_id}&upload_protocol=resumable".encode()
        return _told(
            session,
            (b"X-Goog-Upload-URL", url),
            (b"X-Goog-Upload-Control-URL", url),
            (b"X-Goog-Upload-Chunk-Granularity", str(GRANULARITY).encode()),
            (b"X-GUploader-UploadID", upload_id.encode()),
        )

    async def _continue(self, upload: Upload) -> Answer:
        call = upload.call
        session, commands = _session_of(call), _commands(call)
        if commands == _QUERY:
            return _told(session, (_RECEIVED, str(session.received).encode()))
        if commands == _CANCEL:
            session.discard()
            return _told(session)
        if not commands or not commands <= {"upload", "finalize"}:
            raise _Refused(invalid_argument("Invalid value of the header X-Goog-Upload-Command."), session.state)
        if session.answer is not None and await _is_said_again(session, upload, commands):
            return session.answer
        if session.file is None:
            refusal = GoogleError(400, f"The upload is {session.state} already.", name="FAILED_PRECONDITION")
            raise _Refused(refusal, session.state)
        if "upload" in commands:
            await _take_chunk(upload, session, session.file, is_last="finalize" in commands)
        return self._end(session) if "finalize" in commands else _told(session)

    def _end(self, session: _Session) -> Answer:
        file = session.file
        if file is None:
            raise _Refused(_lost(), "final")
        if session.declared is not None and file.size != session.declared:
            why = f"The upload has {file.size} bytes, and announced {session.declared}."
            raise _Refused(invalid_argument(why), "active")
        received = Received(file, file.size, session.mime_type or _BINARY, session.file_name)
        answer = _final(self._finalize(session.call, received, session.metadata))
        session.end(answer)
        return answer

    # -- in one request

    async def _raw(self, upload: Upload) -> Answer:
        """The body is the file."""
        call, file = upload.call, self._spool.new()
        async for piece in upload.body:
            _put(file, piece, LARGEST_FILE)
        kind = call.header("x-goog-upload-header-content-type") or call.header("content-type") or _BINARY
        received = Received(file, file.size, kind, call.header("x-goog-upload-file-name") or "")
        return _final(self._finalize(call, received, {}))

    async def _multipart(self, upload: Upload) -> Answer:
        """The body is multipart/related: the metadata as JSON, then the file."""
        call, file = upload.call, self._spool.new()
        try:
            parts = MultipartRelated(call.header("content-type") or "")
            async for piece in upload.body:
                _put(file, parts.feed(piece), LARGEST_FILE)
        except ValueError as error:
            raise _Refused(invalid_argument(str(error))) from error
        if parts.metadata is None or not parts.is_complete:
            raise _Refused(invalid_argument("A multipart upload has two parts: the metadata as JSON, then the bytes."))
        metadata = self._metadata(call, parts.metadata)
        return _final(self._finalize(call, Received(file, file.size, parts.media_type or _BINARY, ""), metadata))

    def _metadata(self, call: Call, body: bytes) -> Members:
        if not self._message or not body.strip():
            return {}
        given = LazyJson(body)
        mistake = request_error(descriptions(call.service, call.version), self._message, given)
        if mistake is not None:
            raise _Refused(mistake)
        value = given.value
        return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def no_room(error: NoRoomError) -> GoogleError:
    """The refusal of bytes for which the disk has no room."""
    return own_error(507, "DISK_FULL", f"understudy: the upload cannot be kept on this machine's disk: {error}.")


# ---- the data of a resumable upload


def _session_of(call: Call) -> _Session:
    """The upload that a request goes on with, at the path where it began."""
    resource = call.shelf.find(f"{_SESSIONS}/{call.query['upload_id']}")
    if resource is None or not isinstance(resource.hidden, _Session) or resource.hidden.call.names != call.names:
        raise _Refused(_lost())
    return resource.hidden


def _lost() -> GoogleError:
    return GoogleError(404, "Upload not found.")


async def _take_chunk(upload: Upload, session: _Session, file: SpooledFile, *, is_last: bool) -> None:
    """Add a chunk. Of one that is refused nothing is kept, of one that breaks off what came."""
    offset = _number(upload.call, "X-Goog-Upload-Offset", "active")
    if offset is None or offset not in (file.size, session.chunk):
        why = f"The upload has {file.size} bytes; the next chunk cannot begin at {offset}."
        raise _Refused(invalid_argument(why), "active")
    length = upload.call.header("content-length") or ""
    if not is_last and length.isascii() and length.isdigit():
        _check_granularity(offset, int(length))
    session.turn += 1
    turn, mark, at = session.turn, file.mark(), offset
    session.chunk = offset
    try:
        async for piece in upload.body:
            if session.turn != turn:
                # The upload was cancelled or forgotten, or goes on in a newer request, whose bytes must not mix.
                raise _Refused(GoogleError(409, "The upload goes on elsewhere."), session.state)
            _add(session, file, piece, at)
            at += len(piece)
        if not is_last:
            _check_granularity(offset, at - offset)
    except (_Refused, NoRoomError):
        if session.turn == turn:
            file.back_to(mark)
        raise
    if session.turn != turn:
        raise _Refused(_lost())


def _add(session: _Session, file: SpooledFile, piece: bytes, at: int) -> None:
    """Add a piece that belongs at `at`; its beginning may be there already, and is the same then."""
    known = max(file.size - at, 0)
    if known and file.span(at, min(known, len(piece))) != piece[:known]:
        raise _Refused(invalid_argument(f"The bytes at offset {at} are not those that came before."), "active")
    _put(file, piece[known:], LARGEST_FILE if session.declared is None else session.declared, "active")


def _put(file: SpooledFile, data: bytes, limit: int, status: str = "final") -> None:
    if file.size + len(data) > limit:
        raise _Refused(invalid_argument(f"The upload has more than {limit} bytes."), status)
    if data:
        file.append(data)


def _check_granularity(offset: int, count: int) -> None:
    """A chunk that goes on where another broke off may also end where that one should have."""
    if count % GRANULARITY and (offset + count) % GRANULARITY:
        why = f"A chunk that is not the last must have a multiple of {GRANULARITY} bytes, not {count}."
        raise _Refused(invalid_argument(why), "active")


async def _is_said_again(session: _Session, upload: Upload, commands: frozenset[str]) -> bool:
    """Whether the last request of an upload that is finished comes once more, as its answer was lost."""
    count = 0
    async for piece in upload.body:
        count += len(piece)
    if "finalize" not in commands:
        return False
    if "upload" not in commands:
        return count == 0
    offset = _number(upload.call, "X-Goog-Upload-Offset", session.state)
    return offset is not None and offset == session.chunk and offset + count == session.size


# ---- what requests say, and what is said to them


async def _whole(body: AsyncIterator[bytes]) -> bytes:
    """All of a body that is metadata."""
    data = bytearray()
    async for piece in body:
        data += piece
        if len(data) > _METADATA_LIMIT:
            raise _Refused(body_too_large(_METADATA_LIMIT))
    return bytes(data)


def _commands(call: Call) -> frozenset[str]:
    words = (call.header("x-goog-upload-command") or "").lower().split(",")
    return frozenset(word.strip() for word in words if word.strip())


def _number(call: Call, field: str, status: str) -> int | None:
    """A count of bytes in a header field; None if the field is not there. `status` is for the refusal."""
    text = (call.header(field.lower()) or "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise _Refused(invalid_argument(f"Invalid value of the header {field}."), status)
    return int(text)


def _told(session: _Session, *fields: tuple[bytes, bytes]) -> Outgoing:
    """An answer without a body: all is in its header fields (wire-http 3, upload start)."""
    manner = Manner(is_vertex=False, duration_ms=session.call.identity.duration_ms)
    usual = service_headers(manner, b"text/plain; charset=utf-8")
    return Outgoing(200, (*usual, (_STATUS, session.state.encode()), *fields, (b"Content-Length", b"0")))


def _final(answer: Answer) -> Answer:
    if isinstance(answer, Json):
        return replace(answer, headers=(*answer.headers, (_STATUS, b"final")))
    return _with_status(answer, "final") if isinstance(answer, GoogleError) else answer


def _with_status(error: GoogleError, status: str) -> GoogleError:
    """An error of the protocol: clients send a request again whose answer does not name the status."""
    return replace(error, headers=(*error.headers, (_STATUS, status.encode())))
