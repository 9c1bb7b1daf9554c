"""Embeddings: stable, of unit length, of the asked dimension, and near for texts that share words and spellings.

Words and their groups of three letters are hashed into dimensions; a part that all texts have in common keeps every
dimension filled. A shorter embedding is the beginning of the long one, brought to unit length again. The task type does
not change it (ours; the services' do). Shapes: wire-http 4.1, 4.5, 7.
"""

import math
import re
import struct
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b, shake_128
from typing import Any, Final

from ..catalogue import Model
from .reading import Members, count_in, flag_in, member, members_in, text_in
from .tokens import BYTES_PER_TOKEN, characters_of, details_of, tokens_of_part, tokens_of_text

_WORD: Final = re.compile(r"\w+")
_PLAIN_WORDS: Final = "a an and are as at be by for from in is it of on or that the this to was with"
_PLAIN: Final = frozenset(_PLAIN_WORDS.split())
_WORD_WEIGHT: Final = 1.0
_PLAIN_WEIGHT: Final = 0.25
_LETTERS_WEIGHT: Final = 0.4
_COMMON_WEIGHT: Final = 0.5
_PLACES: Final = 16
"""In how many dimensions each feature shows."""

_DIGITS: Final = 9
_USUAL_DIMENSION: Final = 768
_TELLS_USAGE: Final = "gemini-embedding-2"


def embedding(text: str, full: int, dimension: int | None = None) -> list[float]:
    """The first `dimension` values, brought to unit length, of the `full` values that stand for `text`."""
    values = [0.0] * full
    for feature, weight in _features(text):
        found = struct.unpack(f"<{2 * _PLACES}H", blake2b(feature.encode("utf-8", "replace")).digest())
        for place in range(0, 2 * _PLACES, 2):
            values[found[place] % full] += weight if found[place + 1] & 1 else -weight
    length = math.sqrt(math.fsum(value * value for value in values)) or 1.0
    wanted = min(dimension or full, full)
    mixed = [value / length + common for value, common in zip(values[:wanted], _common(full), strict=False)]
    length = math.sqrt(math.fsum(value * value for value in mixed))
    return [round(value / length, _DIGITS) for value in mixed]


def embed_answer(request: Any, model: Model, is_vertex: bool) -> dict[str, Any]:
    """The answer to embedContent; Vertex AI's nested `embedContentConfig` is read as well."""
    text, is_cut = _cut(_text_of(request), model)
    answer: dict[str, Any] = {"embedding": {"values": embedding(text, _full(model), _asked(request))}}
    if not is_vertex:
        return answer
    counts = _counts(request, model)
    answer["usageMetadata"] = {
        "promptTokenCount": sum(counts.values()),
        "totalTokenCount": sum(counts.values()),
        "promptTokensDetails": details_of(counts),
    }
    return answer | ({"truncated": True} if is_cut else {})


def batch_embed_answer(body: Any, model: Model, is_vertex: bool) -> dict[str, Any]:
    """The answer to batchEmbedContents: one embedding for each of its `requests`."""
    requests = members_in(body, "requests")
    full = _full(model)
    answer: dict[str, Any] = {
        "embeddings": [
            {"values": embedding(_cut(_text_of(request), model)[0], full, _asked(request))} for request in requests
        ]
    }
    if not is_vertex and model.id == _TELLS_USAGE:
        counts: Counter[str] = Counter()
        for request in requests:
            counts.update(_counts(request, model))
        # The Gemini API writes the name in the singular here (wire-http 4.5).
        answer["usageMetadata"] = {"promptTokenCount": counts.total(), "promptTokenDetails": details_of(counts)}
    return answer


def predict_embeddings(body: Any, model: Model) -> dict[str, Any]:
    """The answer to predict of a text embedding model (wire-http 7; the statistics are in snake_case there)."""
    dimension = count_in(member(body, "parameters"), "outputDimensionality")
    predictions: list[dict[str, Any]] = []
    characters = 0
    for instance in members_in(body, "instances"):
        whole = text_in(instance, "content") or ""
        text, is_cut = _cut(_titled(whole, instance), model)
        characters += characters_of(whole)
        statistics = {"truncated": is_cut, "token_count": tokens_of_text(text)}
        values = embedding(text, _full(model), dimension)
        predictions.append({"embeddings": {"statistics": statistics, "values": values}})
    return {"predictions": predictions, "metadata": {"billableCharacterCount": characters}}


def predict_multimodal_embeddings(body: Any, model: Model) -> dict[str, Any]:
    """The answer to predict of `multimodalembedding@001`: an embedding for each text, image and video."""
    dimension = count_in(member(body, "parameters"), "dimension")
    full = _full(model)
    predictions: list[dict[str, Any]] = []
    for instance in members_in(body, "instances"):
        prediction: dict[str, Any] = {}
        text = text_in(instance, "text")
        if text is not None:
            prediction["textEmbedding"] = embedding(text, full, dimension)
        for name, key in (("image", "imageEmbedding"), ("video", "videoEmbeddings")):
            media = member(instance, name)
            if media is None:
                continue
            values = embedding(_media_text(media), full, dimension)
            film = [{"startOffsetSec": 0, "endOffsetSec": 16, "embedding": values}]
            prediction[key] = film if name == "video" else values
        predictions.append(prediction)
    return {"predictions": predictions}


def embedding_mistake(request: Any, model: Model) -> str | None:
    """What refuses a request for one embedding: too large a dimension, or a text too long to keep (assumed)."""
    asked = _asked(request) or count_in(member(request, "parameters"), "outputDimensionality")
    if asked is not None and asked > _full(model):
        return f"Unable to submit request because the output dimensionality must be between 1 and {_full(model)}."
    config = member(request, "embedContentConfig") or member(request, "parameters")
    if member(config, "autoTruncate") is False and not flag_in(config, "autoTruncate"):
        for text in (
            _text_of(request),
            *(text_in(entry, "content") or "" for entry in members_in(request, "instances")),
        ):
            if tokens_of_text(text) > model.input_limit:
                return (
                    f"The input token count is {tokens_of_text(text)} but the model supports up to {model.input_limit}."
                )
    return None


# ---- what is embedded


def _full(model: Model) -> int:
    return model.dimension or _USUAL_DIMENSION


def _asked(request: Any) -> int | None:
    nested = member(request, "embedContentConfig")
    return count_in(request, "outputDimensionality") or count_in(nested, "outputDimensionality")


def _text_of(request: Any) -> str:
    texts = [_part_text(part) for content in members_in(request, "content") for part in members_in(content, "parts")]
    return _titled("\n".join(texts), request)


def _part_text(part: Members) -> str:
    text = text_in(part, "text")
    if text is not None:
        return text
    return _media_text(member(part, "inlineData") or member(part, "fileData") or {})


def _media_text(media: Any) -> str:
    """What media count as in words: other bytes get other words."""
    names = ("data", "bytesBase64Encoded", "fileUri", "gcsUri")
    data = next((found for name in names if (found := text_in(media, name))), "")
    digest = blake2b(data.encode("utf-8", "replace"), digest_size=16).hexdigest()
    return " ".join(digest[start : start + 4] for start in range(0, 32, 4))


def _titled(text: str, request: Any) -> str:
    title = text_in(request, "title") or text_in(member(request, "embedContentConfig"), "title")
    return f"{title}\n{text}" if title else text


def _cut(text: str, model: Model) -> tuple[str, bool]:
    if tokens_of_text(text) <= model.input_limit:
        return text, False
    kept = text.encode("utf-8", "replace")[: model.input_limit * BYTES_PER_TOKEN]
    return kept.decode("utf-8", "ignore"), True


def _counts(request: Any, model: Model) -> dict[str, int]:
    counts: dict[str, int] = {}
    for content in members_in(request, "content"):
        for part in members_in(content, "parts"):
            modality, tokens = tokens_of_part(part)
            counts[modality] = min(counts.get(modality, 0) + tokens, model.input_limit)
    return counts


def _features(text: str) -> Iterable[tuple[str, float]]:
    words = Counter(_WORD.findall(text.casefold()))
    if not words and text.strip():
        # Nothing but signs: they are what there is.
        words = Counter(text.split())
    letters: Counter[str] = Counter()
    for word, count in words.items():
        weight = _PLAIN_WEIGHT if word in _PLAIN else _WORD_WEIGHT
        yield word, weight * math.sqrt(count)
        padded = f"<{word[:40]}>"
        if word not in _PLAIN:
            letters.update(padded[at : at + 3] for at in range(len(padded) - 2))
    for group, count in letters.items():
        yield f"#{group}", _LETTERS_WEIGHT * math.sqrt(count)


@lru_cache(maxsize=8)
def _common(full: int) -> tuple[float, ...]:
    """What all embeddings of a model have in common, of length `_COMMON_WEIGHT`."""
    data = shake_128(b"common").digest(full)
    values = [byte - 127.5 for byte in data]
    length = math.sqrt(math.fsum(value * value for value in values))
    return tuple(_COMMON_WEIGHT * value / length for value in values)
