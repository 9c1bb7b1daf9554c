"""How the simulator counts tokens: a documented rule of our own for text, Google's published rates for media.

* text: one token for every four bytes of UTF-8 begun, part by part; a part that is neither text nor media counts as
  its compact JSON, and so do the tools of a request;
* image: 258, if both sides have at most 384 pixels or the size cannot be read; larger ones 258 for each tile of
  768 x 768 pixels begun; 64 with MEDIA_RESOLUTION_LOW;
* audio: 32 for each second, a token begun counts; spoken answers 25 for each second;
* video: 263 for each second begun (258 for its frame, 5 for its sound), at `fps` frames a second if `videoMetadata`
  says so, of the stretch that its offsets cut out; 66 with MEDIA_RESOLUTION_LOW;
* document: 258 for each page of a PDF; a document in plain text counts as text;
* generated image: 1290, or 1120 (1K, 2K) and 2000 (4K) from Gemini 3 on;
* a file given by its URI is not looked into: one image, one page, ten seconds.

Google's tokenizers are not imitated. docs/explanation/how-tokens-are-counted.md says the same for readers.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, Final, cast

from .media_sizes import audio_seconds, image_size, pdf_pages, size_of_base64, video_seconds
from .reading import Members, member, members_in, number_in, text_in

BYTES_PER_TOKEN: Final = 4
TOKENS_PER_MEDIA_PART: Final = 258
AUDIO_TOKENS_PER_SECOND: Final = 32
SPOKEN_TOKENS_PER_SECOND: Final = 25
VIDEO_TOKENS_PER_SECOND: Final = 263
UNSEEN_SECONDS: Final = 10
"""How long a sound or film is taken to be that is given by its URI."""

_SMALL_SIDE: Final = 384
_TILE_SIDE: Final = 768
_LOW: Final = "MEDIA_RESOLUTION_LOW"
_LOW_IMAGE: Final = 64
_LOW_VIDEO: Final = 66
_SPEECH_BYTES_PER_SECOND: Final = 48_000

Counts = Mapping[str, int]
"""Tokens by modality: TEXT, IMAGE, VIDEO, AUDIO, DOCUMENT."""

_ORDER: Final = ("TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT")


def tokens_of_text(text: str) -> int:
    """Tokens of a text; none for the empty one."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return -(-size // BYTES_PER_TOKEN)


def modality_of(mime_type: str) -> str:
    """The modality that a media type counts as."""
    kind = mime_type.partition("/")[0].upper()
    return kind if kind in ("IMAGE", "VIDEO", "AUDIO", "TEXT") else "DOCUMENT"


def tokens_of_part(part: Members, resolution: str = "") -> tuple[str, int]:
    """Modality and tokens of one part; `resolution` is the request's `mediaResolution`."""
    text = part.get("text")
    if isinstance(text, str):
        return "TEXT", tokens_of_text(text)
    for name in ("inlineData", "fileData"):
        blob = member(part, name)
        if blob is not None:
            return _tokens_of_media(part, blob, resolution)
    return "TEXT", tokens_of_text(compact_json(dict(part))) if part else 0


def tokens_of_request(body: Any) -> Counts:
    """Tokens of a request's contents, system instruction and tools, by modality."""
    counts: dict[str, int] = {}
    resolution = text_in(member(body, "generationConfig"), "mediaResolution") or ""
    contents = (*members_in(body, "systemInstruction"), *members_in(body, "contents"))
    for content in contents:
        for part in members_in(content, "parts"):
            modality, tokens = tokens_of_part(part, resolution)
            counts[modality] = counts.get(modality, 0) + tokens
    tools = member(body, "tools")
    if tools:
        counts["TEXT"] = counts.get("TEXT", 0) + tokens_of_text(compact_json(tools))
    return counts


def tokens_of_answer(part: Members, image_tokens: int) -> tuple[str, int]:
    """Modality and tokens of one generated part; `image_tokens` is what the model's images count."""
    text = part.get("text")
    if isinstance(text, str):
        return "TEXT", tokens_of_text(text)
    blob = part.get("inlineData")
    if isinstance(blob, dict):
        media = cast("dict[str, Any]", blob)
        if modality_of(media["mimeType"]) == "IMAGE":
            return "IMAGE", image_tokens
        seconds = size_of_base64(media["data"]) / _SPEECH_BYTES_PER_SECOND
        return "AUDIO", _begun(seconds * SPOKEN_TOKENS_PER_SECOND)
    return "TEXT", tokens_of_text(compact_json(dict(part)))


def details_of(counts: Counts) -> list[dict[str, Any]]:
    """`promptTokensDetails` and its like: one entry per modality that occurs."""
    if len(counts) == 1:
        return [{"modality": modality, "tokenCount": tokens} for modality, tokens in counts.items() if tokens]
    return [{"modality": modality, "tokenCount": counts[modality]} for modality in _ORDER if counts.get(modality)]


def billable_characters(body: Any) -> int:
    """Vertex's `totalBillableCharacters`: the characters of all texts without white space."""
    contents = (*members_in(body, "systemInstruction"), *members_in(body, "contents"))
    return sum(characters_of(text_in(part, "text") or "") for c in contents for part in members_in(c, "parts"))


def characters_of(text: str) -> int:
    """The billable characters of a text: all but white space."""
    return sum(map(len, text.split()))


def compact_json(value: Any) -> str:
    """A value as JSON in one line without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _tokens_of_media(part: Members, blob: Any, resolution: str) -> tuple[str, int]:
    mime_type = text_in(blob, "mimeType") or ""
    data = text_in(blob, "data") or ""
    own = member(part, "mediaResolution")
    is_low = (text_in(own, "level") or resolution) == _LOW
    modality = modality_of(mime_type)
    match modality:
        case "IMAGE":
            return modality, _LOW_IMAGE if is_low else _tokens_of_image(data)
        case "AUDIO":
            seconds = audio_seconds(data, mime_type) if data else UNSEEN_SECONDS
            return modality, max(_begun(seconds * AUDIO_TOKENS_PER_SECOND), 1)
        case "VIDEO":
            return modality, _tokens_of_video(part, data, is_low)
        case "TEXT":
            size = size_of_base64(data)
            return modality, -(-size // BYTES_PER_TOKEN) if data else TOKENS_PER_MEDIA_PART
        case _:
            return modality, TOKENS_PER_MEDIA_PART * (pdf_pages(data) if data else 1)


def _tokens_of_image(data: str) -> int:
    size = image_size(data) if data else None
    if size is None or max(size) <= _SMALL_SIDE:
        return TOKENS_PER_MEDIA_PART
    tiles = math.ceil(size[0] / _TILE_SIDE) * math.ceil(size[1] / _TILE_SIDE)
    return TOKENS_PER_MEDIA_PART * max(tiles, 1)


def _tokens_of_video(part: Members, data: str, is_low: bool) -> int:
    seconds = video_seconds(data) if data else UNSEEN_SECONDS
    cut = member(part, "videoMetadata")
    start = _offset(cut, "startOffset") or 0
    end = _offset(cut, "endOffset")
    if end is not None:
        seconds = end if not data else min(end, seconds)
    seconds = max(math.ceil(seconds - start - 1e-6), 1)
    frames = number_in(cut, "fps")
    if frames is None or not 0 < frames <= 24:
        frames = 1
    per_second = _LOW_VIDEO if is_low else VIDEO_TOKENS_PER_SECOND
    sound = 0 if is_low else VIDEO_TOKENS_PER_SECOND - TOKENS_PER_MEDIA_PART
    return _begun(seconds * ((per_second - sound) * frames + sound))


def _offset(cut: Any, name: str) -> float | None:
    """A Duration like `12.5s` in seconds."""
    text = (text_in(cut, name) or "").removesuffix("s")
    if len(text) > 12 or not text.replace(".", "", 1).isdigit() or not text.isascii():
        return None
    return float(text)


def _begun(tokens: float) -> int:
    # A product of whole samples may be off by a hair; a millionth of a token is no token.
    return math.ceil(tokens - 1e-6)
