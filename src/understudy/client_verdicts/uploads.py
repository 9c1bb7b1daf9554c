"""Rules about resumable uploads: what came already need not be sent again. Pure."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from ..messages import Exchange, header_value
from .endings import BROKE_OFF, CLIENT_LEFT, INJECTED
from .model import Finding, Rule
from .seen import Seen

AGAIN_WITHIN_S: Final = 600.0
"""A later start may be another upload of the same."""

_COMMAND: Final = b"x-goog-upload-command"
_URL: Final = b"x-goog-upload-url"
_SAME: Final = (b"x-goog-upload-header-content-length", b"x-goog-upload-file-name", b"user-agent")
_CUT: Final = (INJECTED, CLIENT_LEFT, BROKE_OFF)
_SERVER_ERROR: Final = 500


@dataclass(slots=True)
class _Upload:
    """One upload: its start, what makes another one the same, and what was sent to its URL."""

    start: Exchange
    same: Hashable
    parts: list[Exchange] = field(default_factory=list[Exchange])


def _upload_not_resumed(seen: Seen) -> Iterator[Finding]:
    uploads = _uploads(seen)
    again: defaultdict[Hashable, list[_Upload]] = defaultdict(list)
    for upload in uploads:
        again[upload.same].append(upload)
    for upload in uploads:
        if not upload.parts or not _is_broken(upload.parts[-1]) or not _sent(upload):
            continue
        last = upload.parts[-1]
        others = again[upload.same]
        place = bisect_left(others, last.ended, key=_began)
        if place < len(others) and others[place].start.started - last.ended <= AGAIN_WITHIN_S:
            why = f"{_sent(upload)} bytes or more had come when it broke off, and it began anew"
            yield Finding(why, (upload.start.id, last.id, others[place].start.id))


def _began(upload: _Upload) -> float:
    return upload.start.started


def _uploads(seen: Seen) -> list[_Upload]:
    found: dict[str, _Upload] = {}
    for exchange in seen.exchanges:
        request, response = exchange.request, exchange.response
        words = (header_value(request.headers, _COMMAND) or b"").lower()
        url = header_value(response.headers, _URL) if response is not None else None
        if b"start" in words and url is not None:
            named = (header_value(request.headers, name) for name in _SAME)
            found[_id(url.decode("latin-1"))] = _Upload(exchange, (request.target, request.body, *named))
        elif (upload := found.get(_id(request.target))) is not None:
            upload.parts.append(exchange)
    return list(found.values())


def _id(url: str) -> str:
    query = url.partition("#")[0].partition("?")[2]
    return dict(parse_qsl(query)).get("upload_id", "")


def _is_broken(exchange: Exchange) -> bool:
    """Whether a part ended in a way after which the upload can go on: cut off, or an error of the service's."""
    if exchange.failure is not None:
        return exchange.failure.startswith(_CUT)
    return exchange.response is not None and exchange.response.status >= _SERVER_ERROR


def _sent(upload: _Upload) -> int:
    """How many bytes were sent, as far as the transcript has them."""
    return sum(len(part.request.body) for part in upload.parts)


RULES: Final = (
    Rule(
        "upload_not_resumed",
        "warned",
        "It sent a file from its start again, in place of the rest of it.",
        "A part of a resumable upload broke off or was answered 5xx, nothing more came for that upload, and within 10"
        " minutes the same upload was started anew.",
        "wire-http 8.1: `X-Goog-Upload-Command: query` tells how much there is",
        _upload_not_resumed,
    ),
)
