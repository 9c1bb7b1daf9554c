"""Environments and their files on both services (sdk-surface, rows e1 to e7).

Uploads take the resumable protocol of wire-http 8.1, with PUT in place of the first POST; on Vertex AI the SDK leaves
project and location out of the path, so that an environment is found there by its id alone.
"""

import lzma
import tarfile
import zlib
from collections.abc import Mapping
from typing import Final

from ..call import Answer, Call, Json, Upload
from ..downloads import media_of
from ..google_errors import GoogleError
from ..kept_bytes import Content
from ..next_generation.environments import (
    COLLECTION,
    clean_path,
    counted,
    created,
    entries,
    file_name,
    put_file,
)
from ..routing import Route
from ..snake_resources import found_in, getter, lister, refusal, remover, route, to_seconds, unknown
from ..spool import Spool, SpooledFile
from ..store import Resource, page_of
from ..uploads import Received, Uploads

_KIND: Final = "Environment"
_LONGEST_NUMBER: Final = 16
_LARGEST_UNPACKED: Final = 256 * 1024 * 1024
_MOST_ENTRIES: Final = 10_000
"""Limits of ours on what is in an archive: unpacking it keeps everybody waiting."""

_PIECE: Final = 1024 * 1024


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
        return media_of(file.hidden, file.value["mime_type"])
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


def _refused_start(call: Call) -> Json | None:
    """Why an upload cannot begin, or None."""
    environment, path = _found(call), clean_path(call.names["path"])
    if isinstance(environment, Json):
        return environment
    length = call.header("x-goog-upload-header-content-length") or ""
    is_start = call.header("x-goog-upload-command") == "start"
    if not is_start or call.header("x-goog-upload-protocol") != "resumable" or not path:
        return refusal("invalid_request", "The upload must begin with the command 'start' of the resumable protocol.")
    if not (length.isascii() and length.isdigit() and len(length) < _LONGEST_NUMBER):
        return refusal("invalid_request", "Invalid value at 'X-Goog-Upload-Header-Content-Length'.")
    is_there = call.shelf.find(file_name(environment, path)) is not None
    if is_there and call.query.get("extract") != "true" and call.query.get("overwrite") != "true":
        return refusal("already_exists", f"File '{path}' already exists.")
    return None


def _in_own_words(answer: Answer) -> Answer:
    """A refusal of the upload protocol in this family's form; what is wrong with this machine stays ours."""
    if not isinstance(answer, GoogleError) or answer.status >= 500:
        return answer
    code = "invalid_request"
    if answer.status == 404:
        code = "not_found"
    elif answer.status == 409 or answer.name == "FAILED_PRECONDITION":
        code = "failed_precondition"
    return Json({"error": {"message": answer.message, "code": code}}, answer.status, answer.headers)


def _kept(spool: Spool, call: Call, received: Received) -> Answer:
    """The files of a finished upload: one, or what is in an archive. `call` is the one that began it."""
    environment, path = _found(call), clean_path(call.names["path"])
    if isinstance(environment, Json):
        return environment
    files: Mapping[str, Content] | None = {path or "": received.content}
    kind = call.header("x-goog-upload-header-content-type") or ""
    if call.query.get("extract") == "true":
        files, kind = _unpacked(spool, received.content, path or ""), ""
    if files is None:
        return refusal("invalid_request", "The file is not a tar archive that can be unpacked here.")
    made = [put_file(call, environment, name, content, kind) for name, content in files.items()]
    counted(call, environment.showing(updated=to_seconds(call)))
    return Json({"files": [file.value for file in made]})


def _unpacked(spool: Spool, packed: SpooledFile, directory: str) -> Mapping[str, Content] | None:
    """The files of an archive by their paths; None if it is none, or holds too much. Raises NoRoomError."""
    found: dict[str, Content] = {}
    total = 0
    try:
        with tarfile.open(packed.path) as archive:
            for number, entry in enumerate(archive):
                path = clean_path(f"{directory}/{entry.name}")
                total += entry.size
                if path is None or total > _LARGEST_UNPACKED or number >= _MOST_ENTRIES:
                    return None
                data = archive.extractfile(entry) if entry.isfile() else None
                if data is None:
                    continue
                file = found[path] = spool.new()
                while piece := data.read(_PIECE):
                    file.append(piece)
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError):
        return None
    return found


def _found(call: Call) -> Resource | Json:
    last = call.names["environment"]
    found = found_in(call, COLLECTION, last)
    if found is None and call.project is None:
        ending = f"/{COLLECTION}/{last}"
        found = next((other for other in call.shelf.below("projects") if other.name.endswith(ending)), None)
    return unknown(_KIND, last) if found is None else found


_FILE: Final = "environments/{environment}/files/{path...}"

ROUTES: Final[tuple[Route, ...]] = (
    route("POST", "environments", "CreateEnvironment", create),
    Route("GET", "environments", lister(COLLECTION)),
    Route("GET", "environments/{environment}", getter(COLLECTION, _KIND, "environment")),
    Route("DELETE", "environments/{environment}", remover(COLLECTION, _KIND, "environment")),
    Route("GET", "environments/{environment}/files", files, rpc="listFiles"),
    Route("GET", _FILE, files, rpc="getFiles"),
)


def upload_routes(spool: Spool) -> tuple[Route, ...]:
    """The routes of uploads, for a simulator that keeps them in `spool`."""
    uploads = Uploads(spool, "", lambda call, received, _: _kept(spool, call, received))

    async def start(upload: Upload) -> Answer:
        """Begin an upload: the answer says where its bytes go."""
        return _refused_start(upload.call) or _in_own_words(await uploads.handler(upload))

    async def receive(upload: Upload) -> Answer:
        """Take a piece of a file, say how much there is, or make an end of it."""
        if "upload_id" not in upload.call.query:
            return unknown("Upload", "")
        return _in_own_words(await uploads.handler(upload))

    return (
        Route("PUT", f"upload/{_FILE}", rpc="startUpload", upload=start),
        Route("POST", f"upload/{_FILE}", rpc="upload", upload=receive),
    )
