"""JSON and streams laid out exactly as Google lays them out (wire-http 2, 4.6, 4.7, 5.1)."""

import json
import re
from typing import Any, Final

import msgspec

from understudy.scenario.layout import json_text

SSE_PREFIX: Final = b"data: "
ARRAY_START: Final = b"["
ARRAY_SEPARATOR: Final = b"\n,\r\n"
ARRAY_END: Final = b"\n]"
"""Nothing may follow it: readers that go character by character refuse any byte after `]` (wire-http 4.7)."""


def pretty_json(value: Any) -> bytes:
    """The layout of unary answers and errors: two spaces, `"k": v`, a newline at the end; `{}` is `{}` and newline."""
    try:
        text = msgspec.json.format(msgspec.json.encode(value), indent=2)
    except (TypeError, ValueError):
        # A mapping that is no dict, a lone surrogate: rare, and not worth a slower way for all.
        return json_text(value, "google").encode("utf-8", "replace")
    if b"0.0000" in text or _EXPONENT.search(text):
        # Exponents have two digits at Google (wire-http 2), as they have in Python's own encoder.
        return json_text(value, "google").encode("utf-8", "replace")
    if b"<" in text or b">" in text:
        text = text.replace(b"<", b"\\u003c").replace(b">", b"\\u003e")
    return text + b"\n"


def array_element(value: Any) -> bytes:
    """One element of the JSON array of a stream without `alt=sse`: pretty, without the newline at the end."""
    return pretty_json(value).removesuffix(b"\n")


def one_line_json(value: Any) -> bytes:
    """The layout inside server-sent events: one line, a space after colons, none after commas."""
    return json_text(value, "event").encode("utf-8", "replace")


def error_array(value: Any) -> bytes:
    """An error on a stream without `alt=sse`: the error object in a one-element array (wire-http 5.1)."""
    return b"[" + pretty_json(value) + b"]"


def relaid_array_element(text: bytes) -> bytes:
    """JSON text laid out anew as an array element; what is not JSON stays as it is."""
    try:
        return array_element(json.loads(text))
    except (ValueError, RecursionError):
        return text


_EXPONENT: Final = re.compile(rb"e-?[0-9]{1,3}(?:,?\n|\Z)")
"""The end of a number with an exponent: on a line of its own, as every value is; texts end with a quote."""


class ArrayFraming:
    """Puts elements into one JSON array, step by step."""

    def __init__(self) -> None:
        self._is_open = False

    def element(self, text: bytes) -> bytes:
        """The bytes that add one element."""
        start = ARRAY_SEPARATOR if self._is_open else ARRAY_START
        self._is_open = True
        return start + text

    def end(self) -> bytes:
        """The bytes that close the array; an array without elements is `[]`."""
        return ARRAY_END if self._is_open else b"[]"


class SseFraming:
    """Puts payloads into server-sent events."""

    def element(self, text: bytes) -> bytes:
        """One event. Line breaks in the text become further `data` lines, as the event stream format wants."""
        lines = text.replace(b"\r\n", b"\n").split(b"\n")
        return b"".join(SSE_PREFIX + line + b"\r\n" for line in lines) + b"\r\n"

    def end(self) -> bytes:
        """Nothing: a stream ends by closing the body."""
        return b""


class NoFraming:
    """Leaves payloads as they are."""

    def element(self, text: bytes) -> bytes:
        """The payload itself."""
        return text

    def end(self) -> bytes:
        """Nothing."""
        return b""


Framer = ArrayFraming | SseFraming | NoFraming
