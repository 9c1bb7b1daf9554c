"""The fields of a multipart/form-data body (RFC 7578). Pure."""

import re
from dataclasses import dataclass
from typing import Final

_BOUNDARY: Final = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;,"]{1,70}))', re.IGNORECASE)
_NAME: Final = re.compile(r'[;\s]name="([^"]*)"')
_FILE_NAME: Final = re.compile(r'[;\s]filename="([^"]*)"')


@dataclass(frozen=True, slots=True)
class FormField:
    """One field. `file_name` is None for a plain value; `content_type` is empty if none is given."""

    name: str
    data: bytes
    file_name: str | None = None
    content_type: str = ""

    @property
    def text(self) -> str:
        """The value as text."""
        return self.data.decode("utf-8", "replace")


def fields_of(body: bytes, content_type: str) -> tuple[FormField, ...] | None:
    """The fields in order, or None if the body is no such form."""
    found = _BOUNDARY.search(content_type)
    if found is None or not content_type.lower().startswith("multipart/form-data"):
        return None
    boundary = b"--" + (found[1] or found[2]).encode("latin-1", "replace")
    pieces = (b"\r\n" + body).split(b"\r\n" + boundary)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        return None
    fields = [_field(piece) for piece in pieces[1:-1]]
    return None if None in fields else tuple(field for field in fields if field is not None)


def _field(piece: bytes) -> FormField | None:
    head, separator, data = piece.partition(b"\r\n\r\n")
    if not separator:
        return None
    name = file_name = None
    content_type = ""
    for line in head.decode("utf-8", "replace").split("\r\n"):
        key, _, value = line.partition(":")
        if key.strip().lower() == "content-disposition":
            name, file_name = _NAME.search(value), _FILE_NAME.search(value)
        elif key.strip().lower() == "content-type":
            content_type = value.strip()
    if name is None:
        return None
    return FormField(name[1], data, None if file_name is None else file_name[1], content_type)
