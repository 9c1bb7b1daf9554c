"""Which base model answers for a tuned one: by the name of the tuned model, or of the endpoint that serves it. Pure."""

from dataclasses import dataclass

from .store import Shelf


@dataclass(frozen=True, slots=True)
class TunedFrom:
    """What the `hidden` of a tuned model, a registered model or an endpoint says: the bare id of its base model."""

    base: str
    is_ready: bool = True


def tuned_base(shelf: Shelf, name: str) -> str | None:
    """The bare id of the base model of what is called `name`; None if nothing of that name can answer (yet).

    `name` is the full name: `tunedModels/t`, `projects/p/locations/l/endpoints/1`, `projects/p/locations/l/models/1`
    (also with a version, `models/1@1`).
    """
    found = shelf.find(name.partition("@")[0])
    if found is None or not isinstance(found.hidden, TunedFrom) or not found.hidden.is_ready:
        return None
    return found.hidden.base
