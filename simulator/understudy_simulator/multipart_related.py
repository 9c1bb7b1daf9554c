"""multipart/related bodies of two parts, metadata and media, read as they come (RFC 2387). Pure.

Lines end in CRLF, or in LF alone as Google's API client for Python writes them.
"""

import re
from email.message import Message
from typing import Final

_HEAD_LIMIT: Final = 1024 * 1024


class MultipartRelated:
    """Takes a body piece by piece; gives the bytes of its second part."""

    def __init__(self, content_type: str) -> None:
        """`content_type` is the request's. Raises ValueError if it names no boundary."""
        message = Message()
        message["content-type"] = content_type
        boundary = message.get_param("boundary")
        if not isinstance(boundary, str) or not 0 < len(boundary) <= 70:
            raise ValueError("Missing boundary in multipart body.")
        line = re.escape(b"--" + boundary.encode("latin-1", "replace"))
        heads = rb"[ \t]*\r?\n((?:[^\r\n]+\r?\n)*)\r?\n"
        self._start = re.compile(line + heads + rb"(.*?)\r?\n" + line + heads, re.DOTALL)
        self._end = b"\n--" + boundary.encode("latin-1", "replace")
        self._waiting = b""
        self.metadata: bytes | None = None
        self.media_type = ""
        self.is_complete = False

    def feed(self, data: bytes) -> bytes:
        """What this piece adds to the media. Raises ValueError if the body has no such parts."""
        if self.is_complete:
            return b""
        self._waiting += data
        if self.metadata is None:
            found = self._start.search(self._waiting)
            if found is None:
                if len(self._waiting) > _HEAD_LIMIT:
                    raise ValueError("Multipart body without metadata.")
                return b""
            self.metadata = found[2]
            self.media_type = _type_in(found[3])
            self._waiting = self._waiting[found.end() :]
        return self._media()

    def _media(self) -> bytes:
        # The line end before the boundary is not the media's; an empty second part has none of its own.
        end = (b"\n" + self._waiting).find(self._end) if self._waiting.startswith(self._end[1:]) else -1
        if end < 0:
            end = self._waiting.find(self._end)
        if end >= 0:
            media = self._waiting[:end].removesuffix(b"\r")
            self.is_complete, self._waiting = True, b""
            return media
        ready = max(len(self._waiting) - len(self._end) - 1, 0)
        media, self._waiting = self._waiting[:ready], self._waiting[ready:]
        return media


def _type_in(head: bytes) -> str:
    for line in head.decode("latin-1").splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-type":
            return value.strip()
    return ""
