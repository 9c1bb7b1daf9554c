"""How JSON is laid out on the wire, and how slots in a text become places to be filled.

Google's layouts: wire-http 2 (unary answers are indented by two, stream events stand on one line; non-ASCII letters
as they are, `<` and `>` escaped).
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, cast

from ..errors import did_you_mean
from .model import Payload, Slot

Layout = Literal["google", "compact", "event"]
SLOTS: Final = (
    *("model", "model_path", "scope", "response_id", "create_time", "operation"),
    *("project", "location", "version", "method", "rpc_method", "path"),
)
"""The slots that whoever plays a scenario can fill; those of the second line in answers to HTTP requests alone."""

_SLOT = re.compile(r"\{\{ *([A-Za-z][A-Za-z0-9_]*) *\}\}")


def json_text(value: Any, layout: Layout) -> str:
    """`value` as JSON: `google` as unary answers are, `event` as stream events are, `compact` without any space.

    Raises ValueError for NaN and infinities.
    """
    match layout:
        case "google":
            text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        case "event":
            text = json.dumps(value, separators=(",", ": "), ensure_ascii=False, allow_nan=False)
        case "compact":
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    # Only inside strings does JSON have these two characters.
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


def payload_of_text(text: str, kind: Literal["json", "text", "html"]) -> Payload:
    """The text as bytes, with its slots as places to be filled."""
    pieces: list[bytes | Slot] = []
    for index, piece in enumerate(_SLOT.split(text)):
        if index % 2:
            pieces.append(Slot(piece))
        elif piece:
            pieces.append(piece.encode())
    return Payload(tuple(pieces), kind)


def slot_mistakes(value: Any) -> Iterator[str]:
    """A message for each unknown slot in the strings of a JSON value."""
    if isinstance(value, str):
        for name in _SLOT.findall(value):
            if name not in SLOTS:
                yield f"unknown slot '{{{{{name}}}}}'{did_you_mean(name, SLOTS)}"
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, Any]", value).items():
            yield from slot_mistakes(key)
            yield from slot_mistakes(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from slot_mistakes(inner)
