"""File search stores, their documents, imports and uploads."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from resource_rig import Desk, P

from understudy_simulator.call import Json
from understudy_simulator.kept_bytes import KeptBytes
from understudy_simulator.replies import Media
from understudy_simulator.store import Resource
from understudy_simulator.surfaces import file_search
from understudy_simulator.uploads import Received

STORES = "/v1/fileSearchStores"


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk(file_search.ROUTES)
    yield desk
    desk.spool.close()


def keep_file(desk: Desk, data: bytes = b"some text", name: str = "files/abc", **members) -> None:
    value = {"name": name, "sizeBytes": str(len(data)), "mimeType": "text/plain", **members}
    desk.store.shelf("").put(Resource(name, value, desk.now, hidden=KeptBytes(data)))


def upload(desk: Desk, store: str, data: bytes = b"uploaded", metadata=None):
    _, call = desk.call("GET", f"/v1/{store}")
    file = desk.spool.new()
    file.append(data)
    answer = file_search.uploaded(call, Received(file, len(data), "text/markdown", "notes.md"), metadata or {})
    assert isinstance(answer, Json), answer
    return dict(answer.value)


def test_a_store_is_made_shown_listed_and_changed(desk: Desk):
    made = desk.ask("POST", STORES, {"display_name": "My Store"}, fits="FileSearchStore")
    assert made["name"].startswith("fileSearchStores/mystore-")
    assert (made["displayName"], made["createTime"]) == ("My Store", made["updateTime"])
    assert desk.ask("GET", f"/v1/{made['name']}") == made
    assert desk.ask("POST", STORES, {})["name"].count("-") == 0
    listed = desk.ask("GET", f"{STORES}?pageSize=1", fits="ListFileSearchStoresResponse")
    assert listed["fileSearchStores"] == [made]
    rest = desk.ask("GET", f"{STORES}?pageSize=1&pageToken={listed['nextPageToken']}")
    assert len(rest["fileSearchStores"]) == 1
    assert desk.ask("PATCH", f"/v1/{made['name']}", {"displayName": "new"})["displayName"] == "new"
    assert desk.refused("POST", STORES, {"displayName": "x" * 513})[0] == 400
    assert desk.refused("POST", STORES, {"colour": 1})[0] == 400
    assert desk.refused("GET", f"{STORES}/none")[:2] == (404, "NOT_FOUND")


def test_a_file_is_imported_by_an_operation(desk: Desk):
    keep_file(desk, displayName="Report 1")
    store = desk.ask("POST", STORES, {"displayName": "s"})["name"]
    desk.wait(minutes=1)
    body = {"fileName": "files/abc", "customMetadata": [{"key": "year", "numericValue": 2026}]}
    begun = desk.ask("POST", f"/v1/{store}:importFile", body, fits="Operation")
    assert begun["name"].startswith(f"{store}/operations/")
    assert "done" not in begun
    assert "response" not in begun
    pending = desk.ask("GET", f"/v1/{store}", fits="FileSearchStore")
    assert (pending["pendingDocumentsCount"], "activeDocumentsCount" in pending) == ("1", False)
    assert pending["updateTime"] > pending["createTime"]
    done = desk.ask("GET", f"/v1/{begun['name']}", fits="Operation")
    assert done["done"] is True
    assert done["response"]["@type"].endswith("v1main.ImportFileResponse")
    assert done["response"]["parent"] == store
    document = desk.ask("GET", f"/v1/{done['response']['documentName']}", fits="Document")
    assert document["state"] == "STATE_ACTIVE"
    assert (document["displayName"], document["sizeBytes"], document["mimeType"]) == ("Report 1", "9", "text/plain")
    assert document["customMetadata"] == body["customMetadata"]
    counted = desk.ask("GET", f"/v1/{store}")
    assert (counted["activeDocumentsCount"], counted["sizeBytes"]) == ("1", "9")
    assert "pendingDocumentsCount" not in counted
    assert desk.ask("GET", STORES)["fileSearchStores"] == [counted]


def test_an_imported_document_keeps_its_bytes_when_the_file_goes(desk: Desk):
    spooled = desk.spool.new()
    spooled.append(b"spooled text")
    value = {"name": "files/big", "sizeBytes": "12", "mimeType": "text/plain"}
    desk.store.shelf("").put(Resource("files/big", value, desk.now, hidden=spooled))
    keep_file(desk)
    store = desk.ask("POST", STORES, {})["name"]
    for name in ("files/big", "abc", "big"):
        desk.ask("POST", f"/v1/{store}:importFile", {"fileName": name})
    spooled.discard()
    desk.store.shelf("").remove("files/abc")
    big, small, third = desk.ask("GET", f"/v1/{store}/documents")["documents"]
    found = desk.answer("GET", f"/v1/{store}/media/{big['name'].rpartition('/')[2]}")
    assert isinstance(found, Media)
    assert isinstance(found.source, Path)
    assert (found.source.read_bytes(), found.size) == (b"spooled text", 12)
    small_id = small["name"].rpartition("/")[2]
    assert desk.answer("GET", f"/v1/{store}/media/{small_id}") == Media(b"some text", "text/plain", 9)
    desk.ask("DELETE", f"/v1/{big['name']}?force=true")
    assert not found.source.exists()
    found = desk.answer("GET", f"/v1/{store}/media/{third['name'].rpartition('/')[2]}")
    assert isinstance(found, Media)
    assert isinstance(found.source, Path)
    assert found.source.read_bytes() == b"spooled text"
    desk.ask("DELETE", f"/v1/{store}?force=true")
    assert not found.source.exists()


def test_a_pending_document_is_active_after_a_look(desk: Desk):
    keep_file(desk)
    store = desk.ask("POST", STORES, {})["name"]
    desk.ask("POST", f"/v1/{store}:importFile", {"fileName": "files/abc"})
    (document,) = desk.ask("GET", f"/v1/{store}/documents", fits="ListDocumentsResponse")["documents"]
    assert document["state"] == "STATE_PENDING"
    assert desk.ask("GET", f"/v1/{document['name']}")["state"] == "STATE_PENDING"
    assert desk.ask("GET", f"/v1/{document['name']}")["state"] == "STATE_ACTIVE"


def test_an_upload_has_its_response_at_once(desk: Desk):
    store = desk.ask("POST", STORES, {"displayName": "s"})["name"]
    begun = upload(desk, store, metadata={"display_name": "d", "customMetadata": [{"key": "k", "stringValue": "v"}]})
    assert begun["name"].startswith(f"{store}/upload/operations/")
    response = begun["response"]
    assert response["@type"].endswith("v1main.UploadToFileSearchStoreResponse")
    assert (response["parent"], response["mimeType"], response["sizeBytes"]) == (store, "text/markdown", "8")
    polled = desk.ask("GET", f"/v1/{begun['name']}", fits="Operation")
    assert (polled["done"], polled["response"]) == (True, response)
    document = desk.ask("GET", f"/v1/{response['documentName']}", fits="Document")
    assert (document["displayName"], document["state"]) == ("d", "STATE_ACTIVE")
    assert document["customMetadata"] == [{"key": "k", "stringValue": "v"}]
    unnamed = upload(desk, store, metadata={"mimeType": "text/x-other"})["response"]
    named = desk.ask("GET", f"/v1/{unnamed['documentName']}")
    assert (named["displayName"], named["mimeType"]) == ("notes.md", "text/x-other")
    polled_elsewhere = desk.ask(
        "POST", f"/v1beta1/{P}/{store}:fetchPredictOperation", {"operationName": begun["name"]}, fits="Operation"
    )
    assert polled_elsewhere == polled
    unknown = {"operationName": f"{store}/operations/none"}
    assert desk.refused("POST", f"/v1beta1/{P}/{store}:fetchPredictOperation", unknown)[0] == 404
    media = desk.answer("GET", f"/v1/{store}/media/{document['name'].rpartition('/')[2]}?alt=media")
    assert isinstance(media, Media)
    assert isinstance(media.source, Path)
    assert (media.source.read_bytes(), media.content_type, media.size) == (b"uploaded", "text/markdown", 8)
    assert desk.refused("GET", f"/v1/{store}/media/none?alt=media")[0] == 404


@pytest.mark.parametrize("force", ["True", "true"])
def test_what_is_not_empty_is_deleted_only_by_force(desk: Desk, force: str):
    store = desk.ask("POST", STORES, {})["name"]
    first, second = (upload(desk, store)["response"]["documentName"] for _ in range(2))
    assert desk.refused("DELETE", f"/v1/{first}") == (400, "FAILED_PRECONDITION", "Cannot delete non-empty Document")
    assert desk.ask("DELETE", f"/v1/{first}?force={force}") == {}
    assert desk.refused("GET", f"/v1/{first}")[0] == 404
    refusal = (400, "FAILED_PRECONDITION", "Cannot delete non-empty FileSearchStore")
    assert desk.refused("DELETE", f"/v1/{store}") == refusal
    assert desk.refused("DELETE", f"/v1/{store}?force=False") == refusal
    assert desk.ask("DELETE", f"/v1/{store}?force={force}") == {}
    for name in (store, second):
        assert desk.refused("GET", f"/v1/{name}")[0] == 404
    assert desk.store.shelf("").below(store) == ()
    assert [path.name for path in desk.spool.new().path.parent.iterdir() if path.stat().st_size] == []


def test_empty_documents_add_nothing_to_the_size_and_need_no_force(desk: Desk):
    store = desk.ask("POST", STORES, {})["name"]
    document = upload(desk, store, b"")["response"]["documentName"]
    shown = desk.ask("GET", f"/v1/{store}", fits="FileSearchStore")
    assert (shown["activeDocumentsCount"], "sizeBytes" in shown) == ("1", False)
    assert desk.ask("DELETE", f"/v1/{document}") == {}


def test_an_empty_store_needs_no_force(desk: Desk):
    store = desk.ask("POST", STORES, {})["name"]
    assert desk.ask("DELETE", f"/v1/{store}") == {}
    assert desk.ask("GET", STORES) == {}


def test_what_cannot_be_imported_is_refused(desk: Desk):
    store = desk.ask("POST", STORES, {})["name"]
    assert desk.refused("POST", f"/v1/{store}:importFile", {})[0] == 400
    assert desk.refused("POST", f"/v1/{store}:importFile", {"fileName": "files/none"})[:2] == (403, "PERMISSION_DENIED")
    many = [{"key": str(number), "stringValue": "v"} for number in range(21)]
    keep_file(desk)
    assert desk.refused("POST", f"/v1/{store}:importFile", {"fileName": "files/abc", "customMetadata": many})[0] == 400
    assert desk.refused("POST", f"{STORES}/none:importFile", {"fileName": "files/none"})[0] == 404
    assert desk.refused("GET", f"/v1/{store}/operations/none")[0] == 404
    assert desk.refused("GET", f"/v1/{store}/upload/operations/none")[0] == 404
    assert desk.ask("GET", f"/v1/{store}/documents") == {}


def test_documents_of_another_scope_count_where_the_carrier_was_lost(desk: Desk):
    store = desk.ask("POST", STORES, {}, scope="a")["name"]
    document = upload(desk, store)["response"]["documentName"]
    assert desk.ask("GET", f"/v1/{store}", scope="a")["activeDocumentsCount"] == "1"
    assert desk.ask("GET", f"/v1/{store}")["activeDocumentsCount"] == "1"
    assert desk.ask("GET", f"/v1/{document}", scope="a")["sizeBytes"] == "8"
    assert desk.refused("DELETE", f"/v1/{store}")[0] == 400
    assert desk.refused("GET", f"/v1/{document}", scope="b")[0] == 404
