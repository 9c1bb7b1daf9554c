"""Environments and their files on both services (sdk-surface, rows e1 to e7).

Uploads take the resumable protocol of wire-http 8.1, with PUT in place of the first POST; on Vertex AI the SDK leaves
project and location out of the path, so that an environment is found there by its id alone.
"""

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Final
from urllib.parse import quote

from ..call import Answer, Call, Json, Media, Upload
from ..next_generation.environments import (
    COLLECTION,
    LARGEST_FILE,
    clean_path,
    counted,
    created,
    entries,
    file_name,
    put_file,
)
from ..replies import Outgoing
from ..routing import Route
from ..snake_resources import (
    checked,
    found_in,
    getter,
    lister,
    refusal,
    remover,
    to_seconds,
    unknown,
)
from ..store import Resource, page_of

_KIND: Final = "Environment"
_SESSIONS: Final = "environmentUploads"
_GRANULARITY: Final = 8 * 1024 * 1024
_ID_LENGTH: Final = 100


@dataclass(frozen=True, slots=True)
class _Session:
    """An upload under way: where it goes, what it is, what came of it so far."""

    environment: str
    path: str
    mime_type: str
    size: int
    extracts: bool
    received: bytes = b""
    state: str = "active"


def create(call: Call) -> Answer:
    """A new environment, ready at once."""
    made = created(call, call.members)
    return made if isinstance(made, Json) else Json(made.value)


def files(call: Call) -> Answer:
    """A file's metadata, the entries of a directory, or (`alt=media`) the bytes of a file."""
    environment, path = _found(call), clean_path(call.names.get("path", ""))
    if isinstance(environment, Json):
        return environment
    if path is None:
        return refusal("invalid_request", "Invalid value at 'path': it leads out of the environment.")
    file = call.shelf.find(file_name(environment, path)) if path else None
    if call.query.get("alt") == "media":
        if file is None:
            return unknown("File", path)
        return Media(file.hidden, file.value["mime_type"], len(file.hidden))
    if file is not None:
        return Json({"files": [file.value]})
    found = entries(call, environment, path, is_deep=call.query.get("recursive") == "true")
    if path and not found:
        return unknown("File", path)
    made = [Resource(entry["path"], entry, call.now) for entry in found]
    size, token = call.query.get("page_size", ""), call.query.get("page_token", "")
    page = page_of(made, size, token, usual=100, most=1000)
    if page is None:
        return refusal("invalid_request", "Invalid value at 'page_size' or 'page_token'.")
    return Json(page.value("files", "next_page_token"))


def start(call: Call) -> Answer:
    """Begin an upload: the answer says where its bytes go."""
    environment, path = _found(call), clean_path(call.names["path"])
    if isinstance(environment, Json):
        return environment
    length = call.header("x-goog-upload-header-content-length") or ""
    is_start = call.header("x-goog-upload-command") == "start"
    if not is_start or call.header("x-goog-upload-protocol") != "resumable" or not path:
        return refusal("invalid_request", "The upload must begin with the command 'start' of the resumable protocol.")
    if not (length.isascii() and length.isdigit()):
        return refusal("invalid_request", "Invalid value at 'X-Goog-Upload-Header-Content-Length'.")
    if int(length) > LARGEST_FILE:
        return refusal("invalid_request", f"The file is larger than {LARGEST_FILE} bytes.")
    extracts = call.query.get("extract") == "true"
    is_there = call.shelf.find(file_name(environment, path)) is not None
    if is_there and not extracts and call.query.get("overwrite") != "true":
        return refusal("already_exists", f"File '{path}' already exists.")
    kind = call.header("x-goog-upload-header-content-type") or ""
    session = _Session(environment.name, path, kind, int(length), extracts)
    upload_id = call.identity.urlsafe("environment upload", _ID_LENGTH)
    call.shelf.put(Resource(f"{_SESSIONS}/{upload_id}", {}, call.now, hidden=session))
    url = f"{call.origin}{quote(call.request.path, safe='/%~:')}?upload_id={upload_id}&upload_protocol=resumable"
    return _told("active", url=url)


async def receive(upload: Upload) -> Answer:
    """Take a piece of a file, say how much there is, or make an end of it."""
    call = upload.call
    resource = call.shelf.find(f"{_SESSIONS}/{call.query.get('upload_id', '')}")
    commands = {word.strip() for word in (call.header("x-goog-upload-command") or "").split(",")}
    if resource is None or not commands & {"upload", "finalize", "query", "cancel"}:
        return unknown("Upload", call.query.get("upload_id", ""))
    session: _Session = resource.hidden
    if "query" in commands:
        return _told(session.state, size=len(session.received))
    if "cancel" in commands:
        call.shelf.change(replace(resource, hidden=replace(session, state="cancelled", received=b"")))
        return _told("cancelled")
    if session.state != "active":
        return refusal("failed_precondition", f"The upload is {session.state}.")
    if "upload" in commands:
        offset = call.header("x-goog-upload-offset") or "0"
        if offset != str(len(session.received)):
            return refusal("invalid_request", f"The upload is at offset {len(session.received)}, not {offset[:20]}.")
        data = bytearray(session.received)
        async for piece in upload.body:
            data += piece
            if len(data) > session.size:
                return refusal("invalid_request", f"The upload has more than its {session.size} bytes.")
        session = replace(session, received=bytes(data))
        call.shelf.change(replace(resource, hidden=session))
    if "finalize" not in commands:
        return _told("active")
    return _finalized(call, resource, session)


def _finalized(call: Call, resource: Resource, session: _Session) -> Answer:
    if len(session.received) != session.size:
        text = f"The upload has {len(session.received)} of its {session.size} bytes."
        return refusal("invalid_request", text)
    environment = call.shelf.find(session.environment)
    if environment is None:
        return unknown(_KIND, session.environment)
    contents = _contents(session)
    if contents is None:
        return refusal("invalid_request", "The file is not a tar archive that can be unpacked here.")
    made = [put_file(call, environment, path, data, kind) for path, (data, kind) in contents.items()]
    counted(call, environment.showing(updated=to_seconds(call)))
    call.shelf.change(replace(resource, hidden=replace(session, state="final", received=b"")))
    return Json({"files": [file.value for file in made]}, headers=((b"X-Goog-Upload-Status", b"final"),))


def _contents(session: _Session) -> Mapping[str, tuple[bytes, str]] | None:
    """Paths, bytes and media types: of one file, or of what is in an archive; None if that is none."""
    if not session.extracts:
        return {session.path: (session.received, session.mime_type)}
    found: dict[str, tuple[bytes, str]] = {}
    total = 0
    try:
        with tarfile.open(fileobj=BytesIO(session.received)) as archive:
            for entry in archive:
                path = clean_path(f"{session.path}/{entry.name}")
                total += entry.size
                if path is None or total > LARGEST_FILE:
                    return None
                data = archive.extractfile(entry) if entry.isfile() else None
                if data is not None:
                    found[path] = (data.read(), "")
    except (tarfile.TarError, EOFError, OSError):
        return None
    return found


def _told(status: str, *, url: str = "", size: int | None = None) -> Outgoing:
    """An answer of the upload protocol that has no body."""
    headers = ((b"Content-Type", b"text/plain; charset=utf-8"), (b"X-Goog-Upload-Status", status.encode()))
    if url:
        headers += ((b"X-Goog-Upload-URL", url.encode()), (b"X-Goog-Upload-Control-URL", url.encode()))
        headers += ((b"X-Goog-Upload-Chunk-Granularity", str(_GRANULARITY).encode()),)
    if size is not None:
        headers += ((b"X-Goog-Upload-Size-Received", str(size).encode()),)
    return Outgoing(200, (*headers, (b"Content-Length", b"0")))


def _found(call: Call) -> Resource | Json:
    last = call.names["environment"]
    found = found_in(call, COLLECTION, last)
    if found is None and call.project is None:
        ending = f"/{COLLECTION}/{last}"
        found = next((other for other in call.shelf.below("projects") if other.name.endswith(ending)), None)
    return unknown(_KIND, last) if found is None else found


_FILE: Final = "environments/{environment}/files/{path...}"

ROUTES: Final[tuple[Route, ...]] = (
    Route("POST", "environments", checked("CreateEnvironment", create)),
    Route("GET", "environments", lister(COLLECTION)),
    Route("GET", "environments/{environment}", getter(COLLECTION, _KIND, "environment")),
    Route("DELETE", "environments/{environment}", remover(COLLECTION, _KIND, "environment")),
    Route("GET", "environments/{environment}/files", files, rpc="listFiles"),
    Route("GET", _FILE, files, rpc="getFiles"),
    Route("PUT", f"upload/{_FILE}", start, rpc="startUpload"),
    Route("POST", f"upload/{_FILE}", upload=receive, rpc="upload"),
)
