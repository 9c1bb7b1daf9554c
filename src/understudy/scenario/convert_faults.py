"""Faults of a document, their triggers, and what requests they are for, as the values of `model.py`."""

from collections.abc import Callable
from typing import cast

from ..surfaces import Surface
from . import criteria, model
from .document_bodies import FAULT_WORDS, BodyDoc, FaultDoc
from .document_faults import InjectionDoc
from .document_match import MatchDoc
from .layout import Layout


def fault_of(doc: FaultDoc, payload: Callable[[BodyDoc, Layout], model.Payload]) -> model.Fault:
    """The fault that a document names; `payload` makes bytes of a body."""
    kind = next(word for word in FAULT_WORDS if getattr(doc, word) is not None)
    value = getattr(doc, kind)
    known = cast("model.FaultKind", kind)
    if isinstance(value, BodyDoc):
        return model.Fault(known, payload=payload(value, "compact"))
    if isinstance(value, str):
        return model.Fault(known, text=value)
    if isinstance(value, float):
        return model.Fault(known, seconds=value)
    return model.Fault(known) if isinstance(value, bool) else model.Fault(known, size=value)


def trigger_of(doc: InjectionDoc) -> criteria.Trigger:
    """When it comes. Of what its own `match` does not name, anything fits."""
    return criteria.Trigger(
        nth=doc.nth,
        first=doc.first,
        until_s=doc.until,
        probability=doc.probability,
        weight=doc.weight,
        match=None if doc.match is None else match_of(doc.match, None, None, None),
    )


def match_of(doc: MatchDoc, own: Surface | None, own_model: str | None, is_live: bool | None) -> criteria.Match:
    """What `match` says. `own` and `own_model` are the scenario's: what it means where it names none.

    `is_live` says of which kind `surface: "*"` are, and those of a match that names a path; None: of any.
    """
    call = criteria.CallRange(doc.call.first, doc.call.last) if doc.call else None
    return criteria.Match(
        surface=_surfaces(doc, own, is_live),
        method=doc.method,
        model=doc.model if doc.model is not None else own_model,
        path=doc.path,
        headers=tuple((name.lower(), value) for name, value in doc.headers.items()),
        query=tuple(doc.query.items()),
        json=doc.json_,
        last_text=doc.last_text,
        call=call,
        scope=doc.scope,
    )


def _surfaces(doc: MatchDoc, own: Surface | None, is_live: bool | None) -> tuple[Surface, ...]:
    """Those that are named; else the scenario's own. Where a path is named it alone says which requests are meant, and
    a film's scenario may name the path of its file: then all that are Live sessions, or all that are not."""
    if doc.surface and doc.surface != ["*"]:
        return tuple(Surface(name) for name in doc.surface)
    if doc.surface is None and doc.path is None and own is not None:
        return (own,)
    return () if is_live is None else tuple(surface for surface in Surface if surface.is_live == is_live)
