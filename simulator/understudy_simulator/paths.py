"""Raw request paths taken apart: the version, the verb, the name of the resource (wire-http 1.1, 1.2). Pure."""

from typing import Final
from urllib.parse import unquote

from understudy.surfaces import VERSION

DOWNLOAD: Final = "download"
"""First segment of the paths to which downloads are redirected; what follows is the path as it was."""


def cut_verb(segment: str) -> tuple[str, str]:
    """`m:verb` as its two parts, the verb empty if there is none; `%3A` counts as a colon (wire-http 13.3)."""
    plain, encoded = segment.rfind(":"), segment.lower().rfind("%3a")
    if plain < 0 and encoded < 0:
        return segment, ""
    if plain > encoded:
        return segment[:plain], segment[plain + 1 :]
    return segment[:encoded], segment[encoded + 3 :]


def cut_version(raw_path: str) -> tuple[str, list[str]]:
    """The API version (empty on bare paths) and the raw segments after it; `upload` stays in front of them."""
    segments = raw_path.lstrip("/").split("/")
    if segments[0] == DOWNLOAD:
        segments = segments[1:]
    front: list[str] = []
    if segments[0] == "upload":
        front, segments = ["upload"], segments[1:]
    if segments and VERSION.fullmatch(segments[0]):
        return segments[0], [*front, *segments[1:]]
    return "", [*front, *segments]


def resource_name(raw_path: str) -> str:
    """The decoded name of the resource below the version, without its verb: `models/m`, `projects/p/locations/l/x`."""
    *front, last = cut_version(raw_path)[1] or [""]
    return "/".join(unquote(segment) for segment in (*front, cut_verb(last)[0]))
