"""Environments in which agents work: their metadata, and their files as resources below them. Pure.

A file is kept under `environments/ID/files/PATH`; its bytes are its hidden part. Directories are what paths imply.
"""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

from ..answers.reading import members_in, text_in
from ..call import Call, Json
from ..clock import rfc3339
from ..kept_bytes import Content, KeptBytes
from ..snake_resources import found_in, full_name, refusal, to_seconds, unknown
from ..store import Resource

COLLECTION: Final = "environments"
_TYPES: Final = {
    "csv": "text/csv",
    "gif": "image/gif",
    "gz": "application/gzip",
    "html": "text/html",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "js": "text/javascript",
    "json": "application/json",
    "md": "text/markdown",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "pdf": "application/pdf",
    "png": "image/png",
    "py": "text/x-python",
    "svg": "image/svg+xml",
    "tar": "application/x-tar",
    "txt": "text/plain",
    "wav": "audio/wav",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "zip": "application/zip",
}
"""Media types by the endings of names, for uploads that do not tell theirs."""


def created(call: Call, wish: Mapping[str, Any]) -> Resource | Json:
    """A new environment with its sources or as a copy of another; `wish` is a request that fits its description."""
    last, now = call.identity.lower("environment", 16), to_seconds(call)
    value: dict[str, Any] = {"id": last, "status": "active", "created": now, "updated": now, "last_accessed": now}
    origin = text_in(wish, "from_environment")
    source = None if origin is None else found_in(call, COLLECTION, origin)
    if origin is not None and source is None:
        return unknown("Environment", origin)
    if source is not None and wish.get("sources"):
        return refusal("invalid_request", "Invalid value at 'sources': it must be empty with 'from_environment'.")
    shown: Mapping[str, Any] = source.value if source is not None else {}
    for name in ("network", "sources"):
        if wish.get(name) or shown.get(name):
            value[name] = wish.get(name) or shown[name]
    resource = call.shelf.put(Resource(full_name(call, COLLECTION, last), value, call.now))
    if source is not None:
        for file in call.shelf.below(source.name):
            call.shelf.put(replace(file, name=resource.name + file.name.removeprefix(source.name)))
    for number, entry in enumerate(members_in(wish, "sources")):
        mistake = _mounted(call, resource, entry, number)
        if mistake is not None:
            for file in (*call.shelf.below(resource.name), resource):
                call.shelf.remove(file.name)
            return mistake
    return counted(call, resource)


def environment_for(call: Call, wish: Any) -> Resource | Json | None:
    """The environment that an interaction asks for: by its id, a new one (`remote`, or an object), or none."""
    if wish is None:
        return None
    last = wish if isinstance(wish, str) else text_in(wish, "environment_id")
    if last is None or last == "remote":
        return created(call, {} if isinstance(wish, str) else cast("Mapping[str, Any]", wish))
    found = found_in(call, COLLECTION, last)
    return unknown("Environment", last) if found is None else found


def put_file(call: Call, environment: Resource, path: str, content: Content, mime_type: str = "") -> Resource:
    """Keep a file at a path of an environment; gives its resource."""
    name = file_name(environment, path)
    before = call.shelf.find(name)
    kind = mime_type or _TYPES.get(path.rpartition(".")[2].lower(), "application/octet-stream")
    now = rfc3339(call.now)
    value = {
        "name": path.rpartition("/")[2],
        "path": path,
        "type": "file",
        "mime_type": kind,
        "size_bytes": content.size,
        "created": now if before is None else before.value["created"],
        "modified": now,
    }
    return call.shelf.change(Resource(name, value, call.now, hidden=content))


def file_name(environment: Resource, path: str) -> str:
    """The name under which the file at a path is kept."""
    return f"{environment.name}/files/{path}"


def counted(call: Call, environment: Resource) -> Resource:
    """The environment with the number and size of its files as they are now."""
    files = call.shelf.below(environment.name)
    size = sum(file.value["size_bytes"] for file in files)
    return call.shelf.change(environment.showing(file_count=len(files), size_bytes=size))


def entries(call: Call, environment: Resource, path: str, *, is_deep: bool) -> list[dict[str, Any]]:
    """What is in a directory: its files and directories, or (deep) all files below it; sorted by path."""
    front = file_name(environment, path).rstrip("/") + "/"
    start = len(file_name(environment, ""))
    found: dict[str, dict[str, Any]] = {}
    for file in call.shelf.below(front.rstrip("/")):
        name, _, rest = file.name[len(front) :].partition("/")
        if is_deep or not rest:
            found[file.value["path"]] = dict(file.value)
            continue
        inner = front[start:] + name
        made = {"name": name, "path": inner, "type": "directory", "created": file.value["created"]}
        entry = found.setdefault(inner, made | {"modified": file.value["modified"], "size_bytes": 0})
        entry["size_bytes"] += file.value["size_bytes"]
        entry["modified"] = max(entry["modified"], file.value["modified"])
    return [found[name] for name in sorted(found)]


def clean_path(path: str) -> str | None:
    """A path as it is kept, without a slash at either end; None if it leads out of the environment."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return None if ".." in parts else "/".join(parts)


def _mounted(call: Call, environment: Resource, source: Mapping[str, Any], number: int) -> Json | None:
    """Put an inline source where it belongs; the contents of others are not to be had."""
    text = text_in(source, "content")
    if text is None or text_in(source, "type") not in ("inline", None):
        return None
    path = clean_path(text_in(source, "target") or f"source-{number}")
    if not path:
        return refusal("invalid_request", f"Invalid value at 'sources[{number}].target'.")
    if text_in(source, "encoding") != "base64":
        put_file(call, environment, path, KeptBytes(text.encode()))
        return None
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        return refusal("invalid_request", f"Invalid value at 'sources[{number}].content': it is not base64.")
    put_file(call, environment, path, KeptBytes(data))
    return None
