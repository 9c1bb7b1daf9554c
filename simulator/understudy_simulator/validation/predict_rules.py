"""Rules on `:predict` (Imagen and embeddings) and on the embedding methods of both services. Pure.

Members: wire-http 4.1, 7. Quoted in public issues: the limit of 100 requests in a batch. Recalled or assumed: all other
texts; that Imagen ignores parameters it does not know.
"""

from collections.abc import Sequence
from typing import Any, Final

from .asked import Asked, Members, every, got, members_of, text

_MOST_IN_BATCH: Final = 100
_MOST_INSTANCES: Final = 250
_FAILED: Final = "Image generation failed with the following error: "
_RATIOS: Final = ("1:1", "3:4", "4:3", "9:16", "16:9", "2:3", "3:2", "4:5", "5:4", "21:9")
_PROMPTLESS: Final = ("image-segmentation", "virtual-try-on", "imagen-product-recontext")


def predict_request(asked: Asked) -> str | None:
    """The first mistake in a `:predict` request, or None."""
    instances = every(asked.body, "instances")
    if not instances:
        return "Request contains an invalid argument."
    if asked.card is not None and asked.card.kind == "embedding":
        return _texts(instances)
    if asked.card is not None and asked.card.kind == "imagen":
        return _images(instances, asked)
    return None


def _texts(instances: Sequence[Members]) -> str | None:
    if len(instances) > _MOST_INSTANCES:
        return f"{_MOST_INSTANCES} instance(s) is allowed per prediction. Actual: {len(instances)}."
    if not all(text(instance, "content") for instance in instances):
        return "The text content is empty."
    return None


def _images(instances: Sequence[Members], asked: Asked) -> str | None:
    known = members_of(got(asked.body, "parameters"))
    is_upscaling = got(known, "mode") == "upscale" or got(known, "upscaleConfig") is not None
    if not is_upscaling and not asked.model.startswith(_PROMPTLESS) and not text(instances[0], "prompt"):
        return f"{_FAILED}Text prompt is empty."
    count = got(known, "sampleCount")
    if count is not None and (isinstance(count, bool) or not isinstance(count, int | float) or not 1 <= count <= 4):
        return f"{_FAILED}The number of images must be between 1 and 4, not {count}."
    ratio = got(known, "aspectRatio")
    if ratio is not None and ratio not in _RATIOS:
        return f"{_FAILED}Unsupported aspect ratio: {ratio}."
    return None


def embed_request(asked: Asked) -> str | None:
    """The first mistake in an embedContent request, or None."""
    return _content(got(asked.body, "content"), "EmbedContentRequest")


def batch_embed_request(asked: Asked) -> str | None:
    """The first mistake in a batchEmbedContents request, or None."""
    requests = every(asked.body, "requests")
    if not requests:
        return "* BatchEmbedContentsRequest.requests: at least one request is required\n"
    if len(requests) > _MOST_IN_BATCH:
        return "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch\n"
    for index, request in enumerate(requests):
        place = f"BatchEmbedContentsRequest.requests[{index}]"
        if not asked.is_vertex and not text(request, "model"):
            return f"* {place}.model: unexpected model name format\n"
        mistake = _content(got(request, "content"), place)
        if mistake is not None:
            return mistake
    return None


def _content(content: Any, place: str) -> str | None:
    if not every(content, "parts"):
        return f"* {place}.content: contents is not specified\n"
    return None
