"""A stand-in for Cloud Storage: the objects that VEO wrote, and those that clients put there (its JSON API, v1).

Clients come here with STORAGE_EMULATOR_HOST, which makes Google's own send no credentials; none are asked for. Every
bucket exists. Shapes: https://cloud.google.com/storage/docs/json_api/v1/objects.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

from understudy.scenario.json_subset import decode_json

from ..answers.reading import text_in
from ..call import Answer, Call, Json
from ..clock import rfc3339
from ..films.film import Film
from ..films.making import film_file
from ..kept_bytes import KeptBytes, bytes_of
from ..multipart_related import MultipartRelated
from ..operations import OperationDesk
from ..replies import Media, Outgoing
from ..routing import Route
from ..storage_uploads import Incoming, crc32c_of, md5_of, sent_range
from ..store import Resource

_SHELF: Final = "storage"
_UPLOADS: Final = "storage uploads"
_OCTETS: Final = "application/octet-stream"
_USUAL_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class _Object:
    """One object: its bytes and their CRC-32C, its type, and the moment it was written."""

    bucket: str
    name: str
    data: bytes
    crc32c: str
    kind: str
    written: datetime

    def value(self, origin: str) -> dict[str, Any]:
        """The object's resource; `origin` is the address at which the client calls the simulator."""
        generation = str(int(self.written.timestamp() * 1_000_000))
        place = f"b/{self.bucket}/o/{quote(self.name, safe='')}"
        moment = rfc3339(self.written)
        return {
            "kind": "storage#object",
            "id": f"{self.bucket}/{self.name}/{generation}",
            "selfLink": f"{origin}/storage/v1/{place}",
            "mediaLink": f"{origin}/download/storage/v1/{place}?generation={generation}&alt=media",
            "name": self.name,
            "bucket": self.bucket,
            "generation": generation,
            "metageneration": "1",
            "contentType": self.kind,
            "storageClass": "STANDARD",
            "size": str(len(self.data)),
            "md5Hash": md5_of(self.data),
            "crc32c": self.crc32c,
            "etag": f"{generation[-8:]}=",
            "timeCreated": moment,
            "updated": moment,
        }

    @property
    def hashes(self) -> tuple[tuple[bytes, bytes], ...]:
        """The header fields by which clients check what they got, one for each sum."""
        sums = (("crc32c", self.crc32c), ("md5", md5_of(self.data)))
        return tuple((b"X-Goog-Hash", f"{name}={value}".encode()) for name, value in sums)


class Storage:
    """The objects of a simulator's operations and clients."""

    def __init__(self, desk: OperationDesk) -> None:
        self._desk = desk

    def get(self, call: Call) -> Answer:
        """One object: its resource, or with `alt=media` its bytes."""
        found = self._found(call, call.names["bucket"], call.names["object"])
        if found is None:
            return _missing(call.names["bucket"], call.names["object"])
        if call.query.get("alt") != "media":
            return Json(found.value(call.origin))
        headers = (*found.hashes, (b"X-Goog-Storage-Class", b"STANDARD"))
        return Media(found.data, found.kind, len(found.data), headers)

    def list_objects(self, call: Call) -> Answer:
        """The objects of a bucket below `prefix`, in the order of their names; with `delimiter` folders apart."""
        bucket, prefix = call.names["bucket"], call.query.get("prefix", "")
        delimiter = call.query.get("delimiter", "")
        names = sorted(name for name in self._names(call, bucket) if name.startswith(prefix))
        folders: list[str] = []
        items: list[Mapping[str, Any]] = []
        for name in names:
            head, mark, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
            if mark:
                folders.append(prefix + head + mark)
            elif (found := self._found(call, bucket, name)) is not None:
                items.append(found.value(call.origin))
        answer: dict[str, Any] = {"kind": "storage#objects"}
        if folders:
            answer["prefixes"] = list(dict.fromkeys(folders))
        return Json(answer | ({"items": items[:_USUAL_PAGE]} if items else {}))

    def delete(self, call: Call) -> Answer:
        """Take an object away, for good."""
        bucket, name = call.names["bucket"], call.names["object"]
        if self._found(call, bucket, name) is None:
            return _missing(bucket, name)
        # Its name stays: what an operation wrote would else be found again.
        call.shelf.put(Resource(_key(bucket, name), {}, call.now))
        return Outgoing(204)

    def _names(self, call: Call, bucket: str) -> set[str]:
        front = _key(bucket, "")
        start = f"gs://{bucket}/"
        names = {uri.removeprefix(start) for uri in self._desk.stored(call.now) if uri.startswith(start)}
        return names | {resource.name.removeprefix(front) for resource in call.shelf.below(front.rstrip("/"))}

    def _found(self, call: Call, bucket: str, name: str) -> _Object | None:
        kept = call.shelf.find(_key(bucket, name))
        if kept is not None:
            data = bytes_of(kept.hidden)
            if data is None:
                return None
            return _Object(bucket, name, data, kept.value["crc32c"], kept.value["contentType"], kept.created)
        made = self._desk.stored(call.now).get(f"gs://{bucket}/{name}")
        if made is None:
            return None
        operation, file = made
        film, mark = operation.film, operation.mark_of(file)
        return _Object(bucket, name, film_file(film, mark), _sum_of_film(film, mark), "video/mp4", operation.ready)


@lru_cache(maxsize=256)
def _sum_of_film(film: Film, mark: str) -> str:
    """The CRC-32C of a film, which takes far longer than to make it."""
    return crc32c_of(film_file(film, mark))


def upload(call: Call) -> Answer:
    """A new object, whole in one request (`uploadType` media or multipart), or the start of a resumable upload."""
    manner = call.query.get("uploadType")
    if manner == "resumable":
        return _begun(call)
    if manner not in ("media", "multipart"):
        return _refused(400, "invalid", f"uploadType={manner}: send media, multipart or resumable.")
    name, kind, data = call.query.get("name", ""), call.header("content-type") or _OCTETS, call.request.body
    if manner == "multipart":
        try:
            parts = MultipartRelated(kind)
            data = parts.feed(call.request.body)
        except ValueError as error:
            return _refused(400, "invalid", str(error))
        about = decode_json(parts.metadata or b"{}")
        name, kind = text_in(about, "name") or name, text_in(about, "contentType") or parts.media_type or _OCTETS
    if not name:
        return _refused(400, "required", "Required object name")
    return _kept(call, name, kind, data)


def _kept(call: Call, name: str, kind: str, data: bytes) -> Answer:
    made = _Object(call.names["bucket"], name, data, crc32c_of(data), kind, call.now)
    about = {"contentType": kind, "crc32c": made.crc32c}
    call.shelf.put(Resource(_key(made.bucket, name), about, call.now, hidden=KeptBytes(data)))
    return Json(made.value(call.origin))


def _begun(call: Call) -> Answer:
    about = call.members
    name = text_in(about, "name") or call.query.get("name", "")
    if not name:
        return _refused(400, "required", "Required object name")
    kind = text_in(about, "contentType") or call.header("x-upload-content-type") or _OCTETS
    upload_id = call.identity.lower("storage upload", 64)
    call.shelf.put(Resource(f"{_UPLOADS}/{upload_id}", {}, call.now, hidden=Incoming(name, kind, b"")))
    place = f"{call.origin}/upload/storage/v1/b/{call.names['bucket']}/o?uploadType=resumable&upload_id={upload_id}"
    marks = ((b"Location", place.encode()), (b"X-GUploader-UploadID", upload_id.encode()))
    return Outgoing(200, (*marks, (b"Content-Length", b"0")))


def go_on(call: Call) -> Answer:
    """More of a resumable upload, or how much of it is there; with its last byte there is the object."""
    found = call.shelf.find(f"{_UPLOADS}/{call.query.get('upload_id', '')}")
    if found is None or not isinstance(found.hidden, Incoming):
        return _refused(404, "notFound", "Not found: no such upload is under way")
    data = call.request.body
    sent = sent_range(call.header("content-range"), len(data))
    grown = None if sent is None else found.hidden.with_more(data, sent)
    if sent is None or grown is None:
        return _refused(400, "invalid", "Invalid request: the Content-Range does not fit what is there or was sent.")
    if sent.total is not None and len(grown.data) >= sent.total:
        call.shelf.remove(found.name)
        return _kept(call, grown.name, grown.kind, grown.data)
    call.shelf.change(replace(found, hidden=grown))
    return Outgoing(308, grown.headers)


def give_up(call: Call) -> Answer:
    """End a resumable upload without an object."""
    name = f"{_UPLOADS}/{call.query.get('upload_id', '')}"
    if call.shelf.find(name) is None:
        return _refused(404, "notFound", "Not found: no such upload is under way")
    call.shelf.remove(name)
    return Outgoing(499, ((b"Content-Length", b"0"),))


def bucket(call: Call) -> Answer:
    """A bucket; every one exists."""
    name = call.names["bucket"]
    moment = rfc3339(call.now)
    value = {"kind": "storage#bucket", "id": name, "name": name, "selfLink": f"{call.origin}/storage/v1/b/{name}"}
    return Json({**value, "location": "US", "storageClass": "STANDARD", "timeCreated": moment, "updated": moment})


def _key(bucket: str, name: str) -> str:
    return f"{_SHELF}/{bucket}/{name}"


def _missing(bucket: str, name: str) -> Answer:
    return _refused(404, "notFound", f"No such object: {bucket}/{name}"[:300])


def _refused(status: int, reason: str, message: str) -> Answer:
    """A refusal as the JSON API writes it, with the older `errors`."""
    errors = [{"message": message, "domain": "global", "reason": reason}]
    return Json({"error": {"code": status, "message": message, "errors": errors}}, status)


def routes(desk: OperationDesk) -> tuple[Route, ...]:
    """The routes, for a simulator whose operations are on `desk`."""
    storage = Storage(desk)
    front = "storage/v1/b/{bucket}"

    def route(method: str, pattern: str, handler: Any, rpc: str) -> Route:
        return Route(
            *(method, pattern, handler, "gemini"), rpc=f"storage.{rpc}", needs_credentials=False, surface="storage"
        )

    return (
        route("GET", front, bucket, "buckets.get"),
        route("GET", f"{front}/o", storage.list_objects, "objects.list"),
        route("GET", f"{front}/o/{{object...}}", storage.get, "objects.get"),
        route("DELETE", f"{front}/o/{{object...}}", storage.delete, "objects.delete"),
        route("POST", f"upload/{front}/o", upload, "objects.insert"),
        route("PUT", f"upload/{front}/o", go_on, "objects.insert"),
        route("DELETE", f"upload/{front}/o", give_up, "objects.insert"),
    )
