"""What a request says about its cost where the answer does not: the text that is billed by the character.

Only models that bill by it need this reading: pricing 12 and 15. Everything else is in the answer.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from .skeleton import Body, is_placeholder
from .wire_json import as_array, as_object, as_text, decoded, field, is_object

LONGEST_TEXT: Final = 128 * 1024
"""Bytes of a text up to which its characters can be counted."""

_BY_CHARACTER: Final = re.compile(r"gemini-1\.[05].*|gemini-pro.*|medlm.*|.*-bison.*|multimodalembedding.*")
_EMBED_METHODS: Final = frozenset({"embedContent", "batchEmbedContents"})


def is_by_character(provider: str, model: str) -> bool:
    """Whether the model bills characters where the answer counts tokens alone (pricing 15): on Vertex, and old."""
    return provider == "vertex_ai" and _BY_CHARACTER.fullmatch(model) is not None


def needs_request(provider: str, method: str, model: str) -> bool:
    """Whether the cost of an exchange may depend on its request's text."""
    return method in _EMBED_METHODS or (provider == "vertex_ai" and is_by_character(provider, model))


def needs_content(provider: str, model: str) -> bool:
    """Whether the cost of an answer may depend on its content: on its text, or on its pictures (pricing 11, 15)."""
    return "-image" in model or (provider == "vertex_ai" and is_by_character(provider, model))


def billable(text: str) -> int:
    """The billable characters of a text: code points, white space free (pricing 15)."""
    return sum(map(len, text.split()))


@dataclass(frozen=True, slots=True)
class RequestReading:
    """The text of a request: its billable characters, and its tokens by a rough rule, four bytes of UTF-8 each.

    `problem` says why it could not be counted.
    """

    characters: int = 0
    rough_tokens: int = 0
    problem: str | None = None


class RequestReader:
    """Reads a request's body as it passes; long strings that are no text are not kept."""

    def __init__(self) -> None:
        self._body = Body(LONGEST_TEXT)

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._body.feed(data)

    def finish(self) -> RequestReading:
        """The text of the request: of its contents, its system instruction, or its instances."""
        value = None if self._body.is_too_large else decoded(self._body.data)
        if not is_object(value):
            return RequestReading(problem="the request could not be read")
        texts = list(_texts(value))
        if any(is_placeholder(text) for text in texts):
            return RequestReading(problem=f"the request has a text of more than {LONGEST_TEXT} bytes")
        rough = sum((len(text.encode("utf-8", "replace")) + 3) // 4 for text in texts)
        return RequestReading(sum(map(billable, texts)), rough)


def request_reading(body: bytes) -> RequestReading:
    """The same from a whole body."""
    reader = RequestReader()
    reader.feed(body)
    return reader.finish()


def _texts(value: dict[str, Any]) -> Iterator[str]:
    for request in (value, *map(as_object, as_array(value.get("requests")))):
        contents: object = request.get("contents")
        places = (contents, field(request, "systemInstruction", "system_instruction"), request.get("content"))
        for place in places:
            for content in as_array(place) or [place]:
                for part in as_array(as_object(content).get("parts")):
                    yield as_text(as_object(part).get("text"))
    for instance in map(as_object, as_array(value.get("instances"))):
        messages = [as_object(message).get("content") for message in as_array(instance.get("messages"))]
        said = (*(instance.get(name) for name in ("content", "prompt", "text", "context")), *messages)
        yield from map(as_text, said)
