"""File search stores and their documents as resources: made, counted, named (wire-http 9). Pure.

A document that a client uploads is active at once; one that is imported is pending until its operation is polled or it
is looked at. Its bytes are kept as they came: nothing is embedded.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .call import Call
from .clock import rfc3339
from .kept_bytes import Readable
from .long_running import typed
from .store import Resource, Shelf

_PACKAGE: Final = "google.ai.generativelanguage.v1main."
_NOT_SLUG: Final = re.compile(r"[^a-z0-9]+")
_SLUG: Final = 27

ACTIVE: Final = "STATE_ACTIVE"
PENDING: Final = "STATE_PENDING"

_COUNTED: Final[Mapping[str, str]] = {
    ACTIVE: "activeDocumentsCount",
    PENDING: "pendingDocumentsCount",
    "STATE_FAILED": "failedDocumentsCount",
}


@dataclass(frozen=True, slots=True)
class NewDocument:
    """What becomes a document: its bytes, what they are, and what the client says of them."""

    content: Readable
    size: int
    mime_type: str
    display_name: str
    metadata: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the operation of a document keeps beside its value: the document, and how its response is to look."""

    document: str
    response: Mapping[str, Any]


def slug_id(call: Call, display_name: str, purpose: str) -> str:
    """An id as the service makes it: the display name in small letters, and 12 characters of its own."""
    slug = _NOT_SLUG.sub("", display_name.lower())[:_SLUG]
    return "-".join(part for part in (slug, call.identity.lower(purpose, 12)) if part)


def shown_store(shelf: Shelf, store: Resource) -> dict[str, Any]:
    """A store with what its documents add up to; zeros are left out, as Google does."""
    counts: dict[str, int] = {}
    for document in documents_of(shelf, store.name):
        state = _COUNTED.get(document.value["state"])
        if state is not None:
            counts[state] = counts.get(state, 0) + 1
        counts["sizeBytes"] = counts.get("sizeBytes", 0) + int(document.value["sizeBytes"])
    return {**store.value, **{name: str(count) for name, count in counts.items() if count}}


def documents_of(shelf: Shelf, store: str) -> tuple[Resource, ...]:
    """The documents of a store, in order of creation."""
    return shelf.home_of(store).of(f"{store}/documents")


def add_document(call: Call, store: Resource, given: NewDocument, state: str) -> Resource:
    """A new document of a store, kept; the store is newer then."""
    shelf, moment = call.shelf.home_of(store.name), rfc3339(call.now)
    value: dict[str, Any] = {
        "name": f"{store.name}/documents/{slug_id(call, given.display_name, 'document')}",
        "displayName": given.display_name,
        "createTime": moment,
        "updateTime": moment,
        "state": state,
        "sizeBytes": str(given.size),
        "mimeType": given.mime_type,
    }
    if given.metadata:
        value["customMetadata"] = [dict(entry) for entry in given.metadata]
    shelf.put(store.showing(updateTime=moment))
    return shelf.put(Resource(value["name"], value, call.now, hidden=given.content))


def activated(call: Call, document: Resource) -> Resource:
    """The same document, searchable now."""
    if document.value["state"] != PENDING:
        return document
    return call.shelf.change(document.showing(state=ACTIVE, updateTime=rfc3339(call.now)))


def arrival(call: Call, store: Resource, document: Resource, *, is_upload: bool) -> Resource:
    """The operation of a document: of an upload with its response at once, of an import under way (wire-http 8.1)."""
    last = call.identity.lower("operation", 12)
    place = f"{store.name}/upload/operations" if is_upload else f"{store.name}/operations"
    value: dict[str, Any] = {"name": f"{place}/{slug_id(call, document.value['displayName'], 'operation') or last}"}
    about = {"parent": store.name, "documentName": document.name}
    if is_upload:
        about |= {"mimeType": document.value["mimeType"], "sizeBytes": document.value["sizeBytes"]}
    kind = "UploadToFileSearchStoreResponse" if is_upload else "ImportFileResponse"
    response = typed(_PACKAGE + kind, about)
    if is_upload:
        value["response"] = response
    hidden = Arrival(document.name, response)
    return call.shelf.home_of(store.name).put(Resource(value["name"], value, call.now, hidden=hidden))
