"""The formats that `generationConfig` asks for: of text by `responseMimeType` and a schema, of images by `imageConfig`.

google-genai 3 has `responseFormat` in place of both, a list with one entry for each modality.
"""

from typing import Any, Final

from .reading import member, members_in, text_in

_JSON: Final = "application/json"
_NUMBERS: Final = {
    "ONE": "1",
    "TWO": "2",
    "THREE": "3",
    "FOUR": "4",
    "FIVE": "5",
    "EIGHT": "8",
    "NINE": "9",
    "SIXTEEN": "16",
    "TWENTY_ONE": "21",
}
_SIZES: Final = {
    "IMAGE_SIZE_FIVE_TWELVE": "512",
    "IMAGE_SIZE_ONE_K": "1K",
    "IMAGE_SIZE_TWO_K": "2K",
    "IMAGE_SIZE_FOUR_K": "4K",
}


def text_format(config: Any) -> tuple[str, Any]:
    """The media type of the text (JSON where only a schema is given; empty if none is asked for), and its schema."""
    mime_type = text_in(config, "responseMimeType") or ""
    schema = member(config, "responseSchema") or member(config, "responseJsonSchema")
    for entry in members_in(config, "responseFormat"):
        wanted = member(entry, "text")
        if wanted is not None:
            mime_type = mime_type or (text_in(wanted, "mimeType") or "").lower().replace("application_", "application/")
            schema = schema or member(wanted, "schema") or member(wanted, "jsonSchema")
    return mime_type or (_JSON if schema is not None else ""), schema


def image_format(config: Any) -> tuple[str, str]:
    """Aspect ratio like `16:9` and size like `1K` of the images."""
    wanted = member(config, "imageConfig")
    ratio, size = text_in(wanted, "aspectRatio") or "", text_in(wanted, "imageSize") or ""
    for entry in members_in(config, "responseFormat"):
        image = member(entry, "image")
        ratio = ratio or _ratio(text_in(image, "aspectRatio") or "")
        size = size or _SIZES.get(text_in(image, "imageSize") or "", "")
    return ratio or "1:1", size or "1K"


def _ratio(name: str) -> str:
    """`ASPECT_RATIO_SIXTEEN_BY_NINE` as `16:9`."""
    wide, _, high = name.removeprefix("ASPECT_RATIO_").partition("_BY_")
    return f"{_NUMBERS[wide]}:{_NUMBERS[high]}" if wide in _NUMBERS and high in _NUMBERS else ""
