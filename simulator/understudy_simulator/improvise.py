"""Answers without a scenario: checks a request as the service would, then lets `answers` say something. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from understudy.scenario.json_subset import NOT_JSON, LazyJson, camel_case
from understudy.scenario.model import StartOperation, Videos
from understudy.surfaces import Place

from .answers.counting import compute_answer, count_answer
from .answers.generate import Stamp, stream_answer, whole_answer
from .answers.models import model_list, model_resource
from .answers.reading import members_in
from .answers.videos import unknown_top_level, video_mistake, wish_of
from .catalogue import Model, model_of, models_of
from .clock import rfc3339
from .google_errors import (
    GoogleError,
    invalid_argument,
    malformed_json,
    missing_contents,
    not_implemented_here,
    unknown_model,
    unknown_names,
)
from .ids import Identity

GENERATING: Final = ("generateContent", "streamGenerateContent", "countTokens")
_POLLS_BEFORE_DONE: Final = 1
_EXCERPT: Final = 60
_GENERATE_FIELDS: Final = frozenset(
    {
        *("contents", "systemInstruction", "tools", "toolConfig", "safetySettings", "generationConfig"),
        *("cachedContent", "continuationToken", "serviceTier", "store", "model", "labels", "modelArmorConfig"),
        *("outputConfig", "instances", "generateContentRequest"),
    }
)
"""wire-http 4.2, both services together, and what countTokens has beside it (4.1)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as far as answering it needs: its place, query, body, where its ids come from, and the time."""

    place: Place
    query: Mapping[str, str]
    body: LazyJson
    identity: Identity
    now: datetime


@dataclass(frozen=True, slots=True)
class Unary:
    """A whole answer: a JSON value."""

    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chunks:
    """A streamed answer: one JSON value per chunk."""

    values: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Begin:
    """A new operation; `storage_uri` as Vertex clients ask for it, else empty."""

    start: StartOperation
    storage_uri: str


Improvised = Unary | Chunks | Begin | GoogleError


def static_answer(asked: Asked) -> Unary | GoogleError | None:
    """The answer to a models list or get, which no scenario is needed for; None if it is neither."""
    place = asked.place
    is_vertex = place.surface.is_vertex
    if place.method == "list" and place.name in ("models", "publishers/google/models"):
        page = model_list(models_of(is_vertex, now=asked.now), asked.query, is_vertex)
        return invalid_argument() if page is None else Unary(page)
    if place.method == "get" and place.model is not None and place.operation is None:
        model = _model(place, asked.now)
        return unknown_model(place) if model is None else Unary(model_resource(model, is_vertex))
    return None


def improvised(asked: Asked) -> Improvised:
    """What the simulator does by itself with a request that no scenario answers."""
    place = asked.place
    if place.model is None:
        return not_implemented_here(f"{place.method} of {place.name.partition('/')[0] or 'this path'}")
    model = _model(place, asked.now)
    if model is None or not model.can(place.method):
        known = place.method in (*GENERATING, "predictLongRunning", "fetchPredictOperation")
        return unknown_model(place) if known or model is None else not_implemented_here(place.method)
    body = asked.body.value
    if body is NOT_JSON:
        return malformed_json(asked.body.raw[:_EXCERPT].decode("utf-8", "replace"))
    if not isinstance(body, dict):
        return invalid_argument()
    return _checked(asked, cast("dict[str, Any]", body), model)


def _checked(asked: Asked, body: dict[str, Any], model: Model) -> Improvised:
    place = asked.place
    if place.method == "predictLongRunning":
        return _video(body, model)
    if place.method not in (*GENERATING, "computeTokens"):
        return not_implemented_here(place.method)
    mistake = _generate_mistake(body, place)
    if mistake is not None:
        return mistake
    return _generated(asked, body, model)


def _model(place: Place, now: datetime) -> Model | None:
    is_vertex = place.surface.is_vertex
    if place.model is None or (is_vertex and place.publisher != "google"):
        return None
    # Tuned models are somebody's own: the simulator has none.
    return model_of(place.model, is_vertex, now=now) if is_vertex or place.name.startswith("models/") else None


def _generated(asked: Asked, body: Any, model: Model) -> Improvised:
    place = asked.place
    if place.method == "countTokens":
        return Unary(count_answer(body, place.surface.is_vertex))
    if place.method == "computeTokens":
        return Unary(compute_answer(body))
    stamp = Stamp(
        *(place.surface.is_vertex, model.id, asked.identity.response_id, rfc3339(asked.now), asked.identity.call_id),
        asked.identity.seed,
    )
    if place.method == "streamGenerateContent":
        return Chunks(tuple(stream_answer(body, stamp)))
    return Unary(whole_answer(body, stamp))


def _generate_mistake(body: dict[str, Any], place: Place) -> GoogleError | None:
    strangers = [("", name[:200]) for name in body if camel_case(name) not in _GENERATE_FIELDS]
    if strangers:
        return unknown_names(strangers)
    wrapped = members_in(body, "generateContentRequest") or (body,)
    if not members_in(wrapped[0], "contents") and not (
        place.method in ("countTokens", "computeTokens") and members_in(body, "instances")
    ):
        return missing_contents(place.surface.is_vertex)
    return None


def _video(body: dict[str, Any], model: Model) -> Improvised:
    strangers = unknown_top_level(body)
    if strangers:
        return unknown_names([("", name[:200]) for name in strangers])
    mistake = video_mistake(body, model.id)
    if mistake is not None:
        return invalid_argument(mistake)
    wish = wish_of(body)
    return Begin(StartOperation(Videos(wish.count), _POLLS_BEFORE_DONE), wish.storage_uri)
