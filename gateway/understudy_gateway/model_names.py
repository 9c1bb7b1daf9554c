"""How paths and Live setups name a model, and which names a key may use (AUTH-10, SEC-9, S-29). Pure.

Names are compared after they were percent-decoded exactly once. Where a rule applies, what two readers could take for
two things is refused before it is compared.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

from understudy.messages import RawHeaders
from understudy.surfaces import VERSION, place_of

from .query import parameters
from .refusals import Reason, Refusal
from .routes import Route

EVERYTHING: Final = frozenset({"*", "all-proxy-models", "all-team-models"})
"""LiteLLM's words for every model."""

NOTHING: Final = "no-default-models"
"""LiteLLM's word for none; beside others it adds nothing."""

WORD: Final = re.compile(r"[A-Za-z0-9*._@:~/-]+")
"""What a word of a key's `models` may look like; always with `fullmatch`."""

PROVIDERS: Final = ("gemini", "vertex_ai")
_METHOD_OVERRIDES: Final = frozenset(
    {b"x-http-method-override", b"x-http-method", b"x-method-override", b"$httpmethod", b"httpmethod"}
)
"""Fields and parameters by which a client could make another request of it than the one that was judged (S-31)."""

_READ_ONLY: Final = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
_AMBIGUOUS: Final = re.compile(rb"\\|%(?:25|2f|5c|[01][0-9a-f]|7f|[89a-f][0-9a-f])", re.IGNORECASE)
_MAKES_NOTHING: Final = frozenset({"files", "cachedContents", "fileSearchStores", "batches", "operations"})
_SETUP_NAME: Final = re.compile(
    r"(?:models/|publishers/[A-Za-z0-9-]+/models/|projects/[^/%]+/locations/[^/%]+/publishers/[A-Za-z0-9-]+/models/)?"
    r"(?P<id>[A-Za-z0-9._@~-]+)"
)


@dataclass(frozen=True, slots=True)
class _Word:
    """One word of a key's list: the provider it is for (None: any), and the name, in pieces between its stars."""

    provider: str | None
    pieces: tuple[str, ...]

    def matches(self, provider: str, name: str) -> bool:
        """Whether it stands for this name; stars stand for anything. Takes time in proportion to the name."""
        if self.provider not in (None, provider):
            return False
        first, *rest = self.pieces
        if not rest:
            return name == first
        *middle, last = rest
        if not name.startswith(first) or not name.endswith(last) or len(name) < len(first) + len(last):
            return False
        at, end = len(first), len(name) - len(last)
        for piece in middle:
            at = name.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True


@dataclass(frozen=True, slots=True)
class ModelRule:
    """The models that a key may use. Made by `rule_of`, once for each key."""

    words: tuple[_Word, ...]

    def allows(self, provider: str, name: str) -> bool:
        """Whether this name of this provider is on the list."""
        return any(word.matches(provider, name) for word in self.words)

    def allows_all(self, provider: str) -> bool:
        """Whether every model of the provider is on the list (`gemini/*`)."""
        return any(word.provider == provider and word.pieces == ("", "") for word in self.words)


def rule_of(words: Iterable[str]) -> ModelRule | None:
    """The rule that a key's `models` make; None if the key may use every model."""
    words = tuple(words)
    if not words or not EVERYTHING.isdisjoint(words):
        return None
    return ModelRule(tuple(_word(word) for word in words if word != NOTHING))


def _word(text: str) -> _Word:
    provider, slash, name = text.partition("/")
    if slash and provider in PROVIDERS:
        return _Word(provider, tuple(name.removeprefix("models/").split("*")))
    return _Word(None, tuple(text.removeprefix("models/").split("*")))


def judged(rule: ModelRule, http_method: str, route: Route) -> Refusal | None:
    """Why a key with this rule may not have this HTTP request, or None. `route` is no Live route.

    A request that names no model passes if it only reads or deletes, if it is about files, caches, batches or
    operations, and if the key may use all of the provider's models; else the model may stand in its body, which is
    not read (BODY-2).
    """
    if route.endpoint is not None:
        return None
    provider = route.upstream.kind
    path = route.target.partition(b"?")[0][len(route.upstream.base_path) :]
    if is_ambiguous(path):
        return Refusal(Reason.AMBIGUOUS_REQUEST)
    name = named_model(path)
    if name is not None:
        allowed = rule.allows(provider, name) or (route.asked is not None and rule.allows(provider, route.asked))
        return None if allowed else Refusal(Reason.MODEL_REFUSED)
    if http_method in _READ_ONLY or _makes_nothing(path) or rule.allows_all(provider):
        return None
    return Refusal(Reason.MODEL_NOT_NAMED)


def overrides_method(headers: RawHeaders, query: bytes | None) -> bool:
    """Whether a request asks to be taken for one of another method."""
    names = [name.lower().removeprefix(b"x-pass-") for name, _ in headers]
    names += [one.name.lower() for one in parameters(query)]
    return not _METHOD_OVERRIDES.isdisjoint(names)


def is_ambiguous(path: bytes) -> bool:
    """Whether a path has what decodes twice, separates only once decoded, or may be resolved on the way.

    That is `%25`, `%2F`, `%5C`, a backslash, encoded control characters and bytes outside ASCII, and dot segments.
    """
    if _AMBIGUOUS.search(path):
        return True
    return b"." in path.replace(b"%2e", b".").replace(b"%2E", b".") and any(
        segment in (b".", b"..") for segment in unquote_to_bytes(path).split(b"/")
    )


def named_model(path: bytes) -> str | None:
    """The model that an unambiguous path names, decoded: `m`, `tunedModels/t`, `endpoints/1`; None if it names none."""
    place = place_of(path.decode("latin-1"))
    if place is None:
        return None
    names = place.name.split("/")
    if not place.surface.is_vertex:
        if len(names) > 1 and names[1] and names[0] in ("tunedModels", "dynamic"):
            return "/".join(names[:2])
        return place.model
    if place.model is not None:
        return place.model
    rest = names[4:] if names[0] == "projects" else names
    is_endpoint = len(rest) > 1 and rest[0] == "endpoints" and rest[1] not in ("", "openapi")
    return "/".join(rest[:2]) if is_endpoint else None


def _makes_nothing(path: bytes) -> bool:
    if path.lstrip(b"/").startswith((b"upload/", b"resumable/")):
        return True
    place = place_of(path.decode("latin-1"))
    if place is None:
        return False
    names = place.name.split("/")
    return (names[4] if place.surface.is_vertex and names[0] == "projects" and len(names) > 4 else names[0]) in (
        _MAKES_NOTHING
    )


def setup_id(name: str) -> str | None:
    """The bare id in a setup's model string, in any of the forms that Google takes; None for any other text."""
    found = _SETUP_NAME.fullmatch(name)
    return found["id"] if found else None


def model_span(path: bytes) -> tuple[int, int] | None:
    """Where in a raw path the id of a model stands, as `place_of` finds it; None where that is no single segment.

    Only `models/M` and `publishers/P/models/M` count: other collections hold names that nobody gives an alias.
    """
    at = len(path) - len(path.lstrip(b"/"))
    segments = path[at:].split(b"/")
    if VERSION.fullmatch(segments[0].decode("latin-1")):
        at += len(segments[0]) + 1
        segments = segments[1:]
    plain = [unquote(segment.decode("latin-1")) for segment in segments[:8]]
    index = _model_index(plain)
    if index is None or index >= len(segments):
        return None
    at += sum(len(segment) + 1 for segment in segments[:index])
    segment = segments[index]
    length = _without_verb(segment) if index == len(segments) - 1 else len(segment)
    return (at, at + length) if length else None


def _model_index(names: list[str]) -> int | None:
    """Which of the decoded segments below the version is the model's."""
    if names[:1] == ["models"]:
        return 1
    start = 4 if names[:1] == ["projects"] and names[2:3] == ["locations"] else 0
    is_publisher = names[start : start + 1] == ["publishers"] and names[start + 2 : start + 3] == ["models"]
    return start + 3 if is_publisher else None


def _without_verb(segment: bytes) -> int:
    """The length of the last segment less its verb; `%3A` counts as a colon (URL-13)."""
    at = max(segment.rfind(b":"), segment.lower().rfind(b"%3a"))
    return len(segment) if at < 0 else at
