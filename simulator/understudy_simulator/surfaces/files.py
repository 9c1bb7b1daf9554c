"""The Files API: uploads, their resources, downloads of what was generated (wire-http 8). Gemini alone has it."""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final, Protocol

from ..answers.reading import strings_in, text_in
from ..call import Answer, Call, Json
from ..canonical import canonical
from ..clock import proto_duration, rfc3339
from ..downloads import media_of
from ..film_length import film_seconds
from ..google_errors import GoogleError, invalid_argument, unknown_file
from ..pages import paged
from ..routing import Route
from ..spool import Spool, SpooledFile
from ..store import Resource
from ..uploads import Received, Uploads
from ..validation.loading import descriptions

_HOST: Final = "https://generativelanguage.googleapis.com"
"""What stands in `uri`; clients take the id out of it and never follow the host (wire-http 6.4)."""

_LIFETIME: Final = timedelta(hours=48)
_ID: Final = re.compile(r"files/[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_LONGEST_NAME: Final = 512
_USUAL_PAGE: Final = 10
_LARGEST_PAGE: Final = 100


def uploaded(call: Call, received: Received, metadata: Mapping[str, Any]) -> Answer:
    """The file of a finished upload. A film is being processed until it has been asked for once."""
    given = _described(call, metadata)
    if isinstance(given, GoogleError):
        return given
    kind = text_in(given, "mimeType") or received.mime_type
    shown: dict[str, Any] = {"sizeBytes": str(received.size), "sha256Hash": received.content.sha256_hash()}
    is_film = kind.startswith("video/")
    if is_film:
        seconds = film_seconds(received.content.span, received.size)
        if seconds is not None:
            shown["videoMetadata"] = {"videoDuration": proto_duration(seconds)}
    resource = _created(call, given, kind, "PROCESSING" if is_film else "ACTIVE", shown, received.content)
    return resource if isinstance(resource, GoogleError) else Json({"file": resource.value})


def create(call: Call) -> Answer:
    """A file of which there is only the description (`POST files`)."""
    given = _described(call, call.members)
    if isinstance(given, GoogleError):
        return given
    shown = {"sizeBytes": text_in(given, "sizeBytes") or "0"}
    resource = _created(call, given, text_in(given, "mimeType") or "", "ACTIVE", shown, None)
    return resource if isinstance(resource, GoogleError) else Json({"file": resource.value})


def _described(call: Call, body: Mapping[str, Any]) -> Mapping[str, Any] | GoogleError:
    """The `file` of a request, in Google's own spelling; or what is wrong with it."""
    whole = canonical(descriptions(call.service, call.version), "CreateFileRequest", body)
    file: Mapping[str, Any] = whole.get("file") or {}
    name = text_in(file, "name")
    if name and not _ID.fullmatch(name if name.startswith("files/") else f"files/{name}"):
        return invalid_argument(f"* CreateFileRequest.file.name: invalid file name: {name[:80]}\n")
    if len(text_in(file, "displayName") or "") > _LONGEST_NAME:
        return invalid_argument("* CreateFileRequest.file.display_name: must be at most 512 characters long\n")
    return file


def _created(
    call: Call,
    given: Mapping[str, Any],
    mime_type: str,
    state: str,
    shown: Mapping[str, Any],
    content: SpooledFile | None,
) -> Resource | GoogleError:
    asked = text_in(given, "name") or call.identity.lower("file", 12)
    name = asked if asked.startswith("files/") else f"files/{asked}"
    if call.shelf.find(name) is not None:
        return GoogleError(409, "Requested entity already exists", name="ALREADY_EXISTS")
    now, ends = rfc3339(call.now), call.now + _LIFETIME
    value: dict[str, Any] = {"name": name}
    if text_in(given, "displayName"):
        value["displayName"] = given["displayName"]
    if mime_type:
        value["mimeType"] = mime_type
    value |= {
        "sizeBytes": shown["sizeBytes"],
        "createTime": now,
        "updateTime": now,
        "expirationTime": rfc3339(ends),
        **{key: member for key, member in shown.items() if key == "sha256Hash"},
        "uri": f"{_HOST}/{call.version or 'v1beta'}/{name}",
        "state": state,
        "source": "UPLOADED",
        **{key: member for key, member in shown.items() if key == "videoMetadata"},
    }
    return call.shelf.put(Resource(name, value, call.now, ends, content))


def _found(call: Call) -> Resource | GoogleError:
    # The last part is the id, also in `files/https://host/v1beta/files/ID` (wire-http 6.4, the SDK trap).
    file_id = call.names["file"].rpartition("/")[2].partition(":")[0]
    return call.shelf.find(f"files/{file_id}") or unknown_file(file_id)


def get(call: Call) -> Answer:
    """One file."""
    resource = _found(call)
    if isinstance(resource, GoogleError):
        return resource
    if resource.value.get("state") == "PROCESSING":
        call.shelf.change(resource.showing(state="ACTIVE", updateTime=rfc3339(call.now)))
    return Json(resource.value)


class MadeFiles(Protocol):
    """The files that the service made: videos that operations delivered."""

    def files(self, call: Call) -> Iterable[Resource]:
        """Those of the call's scope."""
        ...

    def delete(self, call: Call) -> bool:
        """Forget the one that the call names; whether there was such a one."""
        ...


def _list(made: MadeFiles, call: Call) -> Answer:
    """One page of files, the newest first, those that were made among them."""
    everything = sorted((*call.shelf.of("files"), *made.files(call)), key=lambda resource: resource.created)
    return paged(call, reversed(everything), "files", usual=_USUAL_PAGE, most=_LARGEST_PAGE)


def _delete(made: MadeFiles, call: Call) -> Answer:
    """Take a file away."""
    if made.delete(call):
        return Json({})
    resource = _found(call)
    if isinstance(resource, GoogleError):
        return resource
    # Its bytes go with it, unless a document of a store has them too.
    call.shelf.remove(resource.name)
    return Json({})


def download(call: Call) -> Answer:
    """The bytes of a file that the service made; what a client uploaded is not given back (wire-http 8.2)."""
    resource = _found(call)
    if isinstance(resource, GoogleError):
        return resource
    if resource.value.get("source") != "GENERATED":
        return invalid_argument(f"File {resource.name} cannot be downloaded: only generated files can be.")
    return media_of(resource.hidden, text_in(resource.value, "mimeType") or "application/octet-stream")


def register(call: Call) -> Answer:
    """Files of Cloud Storage that are used where they lie (sdk-surface, f7)."""
    uris = strings_in(call.members, "uris")
    if not uris:
        return invalid_argument("* RegisterFilesRequest.uris: uris is not specified\n")
    if any(not uri.startswith("gs://") for uri in uris):
        return invalid_argument("* RegisterFilesRequest.uris: must be Cloud Storage URIs (gs://bucket/object)\n")
    made: list[Mapping[str, Any]] = []
    now = rfc3339(call.now)
    for number, uri in enumerate(uris):
        name = f"files/{call.identity.lower(f'registered {number}', 12)}"
        value = {"name": name, "createTime": now, "updateTime": now, "uri": uri, "state": "ACTIVE"}
        resource = Resource(name, {**value, "source": "REGISTERED"}, call.now)
        made.append(call.shelf.put(resource).value)
    return Json({"files": made})


def routes(spool: Spool, made: MadeFiles) -> tuple[Route, ...]:
    """The routes, for a simulator that keeps uploads in `spool` and has `made` files itself."""
    uploads = Uploads(spool, "CreateFileRequest", uploaded)
    return (
        Route("POST", "upload/files", service="gemini", rpc="upload", upload=uploads.handler),
        Route("POST", "files", create, "gemini", message="CreateFileRequest"),
        Route("GET", "files", partial(_list, made), "gemini", rpc="list"),
        Route("POST", "files:register", register, "gemini", message="RegisterFilesRequest"),
        Route("GET", "files/{file...}:download", download, "gemini", "known"),
        Route("GET", "files/{file...}", get, "gemini", "known", rpc="get"),
        Route("DELETE", "files/{file...}", partial(_delete, made), "gemini", rpc="delete"),
    )
