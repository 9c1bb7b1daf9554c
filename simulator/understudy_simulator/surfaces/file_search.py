"""File search stores of the Gemini API, their documents, imports and uploads (wire-http 8.1, 9)."""

from typing import Any, Final

from ..answers.reading import Members, member, members_in, text_in
from ..call import Answer, Call, Json
from ..canonical import canonical, canonical_body
from ..clock import rfc3339
from ..downloads import media_of
from ..field_masks import mask_of, masked
from ..file_search_stores import (
    ACTIVE,
    PENDING,
    Arrival,
    NewDocument,
    activated,
    add_document,
    arrival,
    documents_of,
    shown_store,
    slug_id,
)
from ..google_errors import GoogleError, invalid_argument, unknown_file, unknown_operation
from ..kept_bytes import twin_of
from ..long_running import not_there, precondition
from ..pages import paged
from ..routing import Route
from ..spool import Spool, discard
from ..store import Resource
from ..uploads import Received, Uploads
from ..validation.loading import descriptions

_KIND: Final = "FileSearchStore"
_COLLECTION: Final = "fileSearchStores"
_USUAL_PAGE: Final = 10
_LONGEST_PAGE: Final = 20
_LONGEST_NAME: Final = 512
_MOST_METADATA: Final = 20
_CHANGEABLE: Final = frozenset({"displayName"})
_STORE: Final = f"{_COLLECTION}/{{store}}"
_BINARY: Final = "application/octet-stream"


# ---- stores


def create(call: Call) -> Answer:
    """A new store."""
    body = canonical_body(call, _KIND)
    display_name = text_in(body, "displayName") or ""
    if len(display_name) > _LONGEST_NAME:
        return invalid_argument(f"FileSearchStore.display_name must be at most {_LONGEST_NAME} characters long.")
    moment = rfc3339(call.now)
    value: dict[str, Any] = {"name": f"{_COLLECTION}/{slug_id(call, display_name, 'store')}"}
    for name in ("displayName", "embeddingModel"):
        if text_in(body, name):
            value[name] = body[name]
    value |= {"createTime": moment, "updateTime": moment}
    return Json(call.shelf.put(Resource(value["name"], value, call.now)).value)


def found_store(call: Call) -> Resource | GoogleError:
    """The store that the path names; the refusal's words are assumed."""
    name = f"{_COLLECTION}/{call.names['store']}"
    return call.shelf.find(name) or not_there(f"FileSearchStore {name} does not exist.")


def get(call: Call) -> Answer:
    """One store."""
    store = found_store(call)
    return store if isinstance(store, GoogleError) else Json(shown_store(call.shelf, store))


def list_stores(call: Call) -> Answer:
    """One page of stores, in order of creation."""
    stores = (store.showing(**shown_store(call.shelf, store)) for store in call.shelf.of(_COLLECTION))
    return _page(call, tuple(stores), _COLLECTION)


def _page(call: Call, resources: tuple[Resource, ...], key: str) -> Answer:
    return paged(call, resources, key, usual=_USUAL_PAGE, most=_LONGEST_PAGE)


def patch(call: Call) -> Answer:
    """A store with another display name."""
    store = found_store(call)
    if isinstance(store, GoogleError):
        return store
    changes = masked(canonical_body(call, _KIND), mask_of(call.query), _CHANGEABLE)
    changed = call.shelf.change(store.showing(**changes, updateTime=rfc3339(call.now)))
    return Json(shown_store(call.shelf, changed))


def _is_forced(call: Call) -> bool:
    """`force`, also as Python's clients write it (`True`)."""
    return call.query.get("force", "").lower() in ("true", "1")


def delete(call: Call) -> Answer:
    """Forget a store; one that has documents only with `force` (words: googleapis/python-genai#1774)."""
    store = found_store(call)
    if isinstance(store, GoogleError):
        return store
    if documents_of(call.shelf, store.name) and not _is_forced(call):
        return precondition("Cannot delete non-empty FileSearchStore")
    for below in call.shelf.home_of(store.name).below(store.name):
        call.shelf.remove(below.name)
        discard(below.hidden)
    call.shelf.remove(store.name)
    return Json({})


# ---- documents


def _found_document(call: Call) -> Resource | GoogleError:
    store = found_store(call)
    if isinstance(store, GoogleError):
        return store
    name = f"{store.name}/documents/{call.names['document']}"
    return call.shelf.find(name) or not_there(f"Document {name} does not exist.")


def get_document(call: Call) -> Answer:
    """One document; a pending one is active from the next look on."""
    document = _found_document(call)
    if isinstance(document, GoogleError):
        return document
    activated(call, document)
    return Json(document.value)


def list_documents(call: Call) -> Answer:
    """One page of a store's documents, in order of creation."""
    store = found_store(call)
    return store if isinstance(store, GoogleError) else _page(call, documents_of(call.shelf, store.name), "documents")


def delete_document(call: Call) -> Answer:
    """Forget a document. It has chunks as soon as it is active, so that `force` is needed (words: see `delete`)."""
    document = _found_document(call)
    if isinstance(document, GoogleError):
        return document
    if document.value["state"] == ACTIVE and document.value["sizeBytes"] != "0" and not _is_forced(call):
        return precondition("Cannot delete non-empty Document")
    call.shelf.remove(document.name)
    discard(document.hidden)
    return Json({})


def download(call: Call) -> Answer:
    """The bytes of a document: the media of a store are its documents, by their ids."""
    store = found_store(call)
    if isinstance(store, GoogleError):
        return store
    document = call.shelf.find(f"{store.name}/documents/{call.names['media']}")
    if document is None:
        return not_there(f"Media {store.name}/media/{call.names['media']} does not exist.")
    return media_of(document.hidden, document.value["mimeType"])


# ---- how documents come


def _too_much_metadata() -> GoogleError:
    """The limit is documented, the words are assumed."""
    return invalid_argument(f"A Document can have at most {_MOST_METADATA} custom metadata entries.")


def import_file(call: Call) -> Answer:
    """An uploaded file becomes a document; the answer is an operation."""
    store = found_store(call)
    if isinstance(store, GoogleError):
        return store
    body = canonical_body(call, "ImportFileRequest")
    name = text_in(body, "fileName") or ""
    if not name:
        return invalid_argument("ImportFileRequest.file_name is required.")
    if len(members_in(body, "customMetadata")) > _MOST_METADATA:
        return _too_much_metadata()
    file = call.shelf.find(name if name.startswith("files/") else f"files/{name}")
    if file is None:
        return unknown_file(name.removeprefix("files/"))
    content = twin_of(file.hidden, call.identity.lower("import", 20))
    given = NewDocument(
        content,
        content.size,
        file.value.get("mimeType", _BINARY),
        file.value.get("displayName") or file.name.removeprefix("files/"),
        members_in(body, "customMetadata"),
    )
    document = add_document(call, store, given, PENDING)
    return Json(arrival(call, store, document, is_upload=False).value)


def uploaded(call: Call, received: Received, metadata: Members) -> Answer:
    """A finished upload becomes a document; the answer is an operation that has its response already (wire-http 8.1).

    `call` is any of the upload's calls, `metadata` the body of its first one: an UploadToFileSearchStoreRequest.
    """
    store = found_store(call)
    if isinstance(store, GoogleError):
        return store
    body = canonical(descriptions(call.service, call.version), "UploadToFileSearchStoreRequest", metadata)
    if len(members_in(body, "customMetadata")) > _MOST_METADATA:
        return _too_much_metadata()
    given = NewDocument(
        received.content,
        received.size,
        text_in(body, "mimeType") or received.mime_type or _BINARY,
        text_in(body, "displayName") or received.file_name or "document",
        members_in(body, "customMetadata"),
    )
    document = add_document(call, store, given, ACTIVE)
    return Json(arrival(call, store, document, is_upload=True).value)


def upload_routes(spool: Spool) -> tuple[Route, ...]:
    """The routes of uploads, for a simulator that keeps them in `spool`."""
    uploads = Uploads(spool, "UploadToFileSearchStoreRequest", uploaded)
    pattern = f"upload/{_STORE}:uploadToFileSearchStore"
    return (Route("POST", pattern, service="gemini", upload=uploads.handler),)


def get_operation(call: Call) -> Answer:
    """The operation that brings a document; done with its first poll."""
    between = "upload/operations" if "upload/operations/" in call.place.name else "operations"
    name = f"{_COLLECTION}/{call.names['store']}/{between}/{call.names['work']}"
    operation = call.shelf.find(name)
    if operation is None or not isinstance(operation.hidden, Arrival):
        return unknown_operation(name)
    return Json(_polled(call, operation).value)


def _polled(call: Call, operation: Resource) -> Resource:
    if member(operation.value, "done") is True:
        return operation
    document = call.shelf.find(operation.hidden.document)
    if document is not None:
        activated(call, document)
    return call.shelf.change(operation.showing(done=True, response=operation.hidden.response))


def fetch_operation(call: Call) -> Answer:
    """The same poll as google-genai sends it to Vertex AI, which has no stores: a known operation, or none (o2)."""
    name = text_in(call.members, "operationName")
    if name is None:
        return invalid_argument()
    operation = call.shelf.find(name)
    if operation is None or not isinstance(operation.hidden, Arrival):
        return unknown_operation(name)
    return Json(_polled(call, operation).value)


ROUTES: Final = (
    Route("POST", _COLLECTION, create, "gemini", message=_KIND),
    Route("GET", _COLLECTION, list_stores, "gemini", rpc="list"),
    Route("GET", _STORE, get, "gemini"),
    Route("PATCH", _STORE, patch, "gemini", message=_KIND),
    Route("DELETE", _STORE, delete, "gemini"),
    Route("POST", f"{_STORE}:importFile", import_file, "gemini", message="ImportFileRequest"),
    Route("GET", f"{_STORE}/media/{{media}}", download, "gemini", "known", rpc="download"),
    Route("GET", f"{_STORE}/documents", list_documents, "gemini", rpc="list"),
    Route("GET", f"{_STORE}/documents/{{document}}", get_document, "gemini"),
    Route("DELETE", f"{_STORE}/documents/{{document}}", delete_document, "gemini"),
    Route("GET", f"{_STORE}/operations/{{work}}", get_operation, "gemini", "known"),
    Route("GET", f"{_STORE}/upload/operations/{{work}}", get_operation, "gemini", "known"),
    Route(
        *("POST", f"{_STORE}:fetchPredictOperation", fetch_operation, "vertex", "known"),
        message="FetchPredictOperationRequest",
    ),
)
