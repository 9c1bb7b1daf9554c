"""Pieces of other companies' messages as parts of a generateContent request. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, cast

_DATA_URL: Final = re.compile(r"data:([A-Za-z0-9.+/-]{3,80})(?:;[a-z0-9=;-]{0,80})?;base64,(.*)", re.DOTALL)
_TYPES: Final = {
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "mp4": "video/mp4",
    "pdf": "application/pdf",
}


def media_part(url: str) -> dict[str, Any]:
    """A file by its URL: a `data:` URL is carried inline, any other is pointed to."""
    found = _DATA_URL.fullmatch(url)
    if found is not None:
        return inline_part(found[1], found[2])
    ending = url.rpartition(".")[2].lower()
    return {"fileData": {"mimeType": _TYPES.get(ending, "image/jpeg"), "fileUri": url}}


def inline_part(mime_type: str, data: str) -> dict[str, Any]:
    """A file in base64."""
    return {"inlineData": {"mimeType": mime_type, "data": data}}


def call_part(name: str, arguments: Any, call_id: str, signature: str = "") -> dict[str, Any]:
    """A function call that the model made; arguments that are no object are none."""
    call: dict[str, Any] = {"name": name, "args": arguments if isinstance(arguments, dict) else {}}
    if call_id:
        call["id"] = call_id
    return {"functionCall": call} | ({"thoughtSignature": signature} if signature else {})


def response_part(name: str, text: str, call_id: str) -> dict[str, Any]:
    """The result of a function: a JSON object as it is, anything else under `result`."""
    value = json_or_none(text)
    response = cast("dict[str, Any]", value) if isinstance(value, dict) else {"result": text}
    return {"functionResponse": {"name": name, "id": call_id, "response": response}}


def json_or_none(text: str) -> Any:
    """The value of a JSON text, or None if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def joined(turns: list[tuple[str, list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """Turns (role and parts) as contents; neighbours of the same role become one, turns without parts are left out."""
    contents: list[dict[str, Any]] = []
    for role, parts in turns:
        if not parts:
            continue
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"].extend(parts)
        else:
            contents.append({"role": role, "parts": list(parts)})
    return contents


def without_nothing(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that are not None."""
    return {name: value for name, value in members.items() if value is not None}
