"""The names by which a model's prices are looked up, whatever form a path, a body or an answer has (pricing 2)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

_PROVIDERS: Final = ("gemini/", "vertex_ai/")
_RESOURCE: Final = re.compile(
    r"/?(?:v[0-9]+[a-z0-9]*/)?(?:projects/[^/]+/locations/[^/]+/)?"
    r"(?:publishers/(?P<publisher>[^/]+)/)?(?:models|tunedModels)/(?P<model>.+)"
)
_OTHER_RESOURCE: Final = re.compile(r"/?(?:v[0-9]+[a-z0-9]*/)?projects/[^/]+/locations/[^/]+/(?P<name>.+)")
_METHOD: Final = re.compile(r":[A-Za-z]+$")
_VERSION: Final = re.compile(r"@[A-Za-z0-9._-]+$|-[0-9]{3}$")


def names_of(model: str) -> tuple[str, ...]:
    """The names under which a model may stand in a price file, best first; empty if there is none.

    `models/m`, `publishers/google/models/m`, `projects/p/locations/l/publishers/google/models/m` and `m:method` are
    all `m`, and `m@version` stays as it is. Publishers other than Google keep their name before the model's:
    `publishers/meta/models/m` is `meta/m`, then `m`. A provider in front (`vertex_ai/m`) is dropped: it is asked for
    apart.
    """
    found = _RESOURCE.fullmatch(model)
    publisher, name = (found["publisher"] or "", found["model"]) if found else ("", _without_project(model))
    name = _METHOD.sub("", name)
    for prefix in _PROVIDERS:
        name = name.removeprefix(prefix)
    if not name:
        return ()
    before, slash, after = name.partition("/")
    if slash and not publisher and before == "google":
        return (name, after)
    match publisher:
        case "":
            return (name,)
        case "google":
            return (name, f"google/{name}")
        case _:
            return (f"{publisher}/{name}", name)


def _without_project(model: str) -> str:
    """A resource that is no model, such as an endpoint, without project and location."""
    found = _OTHER_RESOURCE.fullmatch(model)
    return found["name"] if found else model


def without_version(model: str) -> str:
    """The name without its version: `m@default` and `m-001` are `m`."""
    return _VERSION.sub("", model)


def by_last_part(names: Iterable[str], provider: str) -> Mapping[str, str]:
    """Entries of publishers, by the model alone: a body or a route often leaves the publisher out.

    Only names that are the only ones to end so.
    """
    found: dict[str, list[str]] = {}
    for name in names:
        parts = name.split("/")
        if len(parts) == 3 and parts[0] == provider:
            found.setdefault(parts[2], []).append(name)
    return {last: full[0] for last, full in found.items() if len(full) == 1}


def tried(model: str, model_version: str | None) -> Iterator[str]:
    """All names to look up, in order: the path's, the answer's `modelVersion`, and both without their versions."""
    seen = dict.fromkeys(names_of(model))
    seen |= dict.fromkeys(names_of(model_version or ""))
    yield from seen
    for name in tuple(seen):
        bare = without_version(name)
        if bare not in seen:
            seen[bare] = None
            yield bare
