"""Cached contents of both services, and operations that belong to no family."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resource_rig import Desk, P

from understudy_simulator.cached_content import cache_named, cached_tokens
from understudy_simulator.google_errors import GoogleError
from understudy_simulator.store import Resource
from understudy_simulator.surfaces import caches, operations

GEMINI = "/v1beta/cachedContents"
VERTEX = f"/v1beta1/{P}/cachedContents"
HI = {"contents": [{"role": "user", "parts": [{"text": "x" * 400}]}]}
BODY: dict[str, Any] = {"model": "models/gemini-2.5-flash", **HI}
FULL = f"{P}/publishers/google/models/gemini-2.5-flash"


@pytest.fixture
def desk() -> Desk:
    return Desk(caches.ROUTES, operations.ROUTES)


def test_a_cache_is_made_shown_and_listed(desk: Desk):
    made = desk.ask("POST", GEMINI, BODY | {"ttl": "60s", "display_name": "Mine"}, fits="CachedContent")
    assert made["name"].startswith("cachedContents/")
    assert (made["model"], made["displayName"]) == ("models/gemini-2.5-flash", "Mine")
    assert (made["createTime"], made["expireTime"]) == ("2026-05-01T12:00:00.000000Z", "2026-05-01T12:01:00.000000Z")
    assert made["usageMetadata"] == {"totalTokenCount": 100}
    assert "ttl" not in made
    assert "contents" not in made
    assert desk.ask("GET", f"/v1beta/{made['name']}") == made
    second = desk.ask("POST", GEMINI, BODY)
    page = desk.ask("GET", f"{GEMINI}?pageSize=1", fits="ListCachedContentsResponse")
    rest = desk.ask("GET", f"{GEMINI}?pageSize=1&pageToken={page['nextPageToken']}")
    assert [*page["cachedContents"], *rest["cachedContents"]] == [made, second]
    assert desk.refused("GET", f"{GEMINI}?pageToken=nonsense")[0] == 400


def test_vertex_names_are_full_and_express_ones_are_bare(desk: Desk):
    body = {"model": FULL, **HI, "expireTime": "2026-05-01T14:00:00+01:00"}
    made = desk.ask("POST", VERTEX, body, fits="CachedContent")
    assert made["name"].startswith(f"{P}/cachedContents/")
    assert made["name"].rpartition("/")[2].isdigit()
    assert (made["model"], made["expireTime"]) == (FULL, "2026-05-01T13:00:00.000000Z")
    assert desk.ask("GET", VERTEX)["cachedContents"] == [made]
    assert desk.ask("GET", GEMINI) == {}
    express = desk.ask("POST", "/v1beta1/cachedContents", {"model": "publishers/google/models/gemini-2.5-flash", **HI})
    last = express["name"].removeprefix("cachedContents/")
    assert desk.ask("GET", f"/v1beta1/projects/None/locations/None/cachedContents/{last}") == express


def test_a_cache_ends_in_time(desk: Desk):
    name = desk.ask("POST", GEMINI, BODY | {"ttl": "60s"})["name"]
    usual = desk.ask("POST", GEMINI, BODY)["name"]
    desk.wait(seconds=59.9)
    assert cached_tokens(desk.store.shelf(""), name) == 100
    desk.wait(seconds=0.1)
    assert desk.refused("GET", f"/v1beta/{name}")[:2] == (403, "PERMISSION_DENIED")
    assert cached_tokens(desk.store.shelf(""), name) is None
    desk.wait(minutes=58)
    assert desk.ask("GET", f"/v1beta/{usual}")["name"] == usual
    desk.wait(minutes=1)
    assert desk.ask("GET", GEMINI) == {}


def test_only_the_end_can_be_changed(desk: Desk):
    made = desk.ask("POST", GEMINI, BODY | {"ttl": "60s"})
    place = f"/v1beta/{made['name']}"
    desk.wait(seconds=30)
    changed = desk.ask("PATCH", place, {"ttl": "90s"}, fits="CachedContent")
    assert changed["expireTime"] == "2026-05-01T12:02:00.000000Z"
    assert changed["updateTime"] == "2026-05-01T12:00:30.000000Z"
    assert changed["createTime"] == made["createTime"]
    masked = desk.ask("PATCH", f"{place}?updateMask=expire_time", {"expireTime": "2026-05-01T15:00:00Z"})
    assert masked["expireTime"] == "2026-05-01T15:00:00.000000Z"
    assert desk.ask("PATCH", f"{place}?updateMask=ttl", {"ttl": "5s"})["expireTime"] == "2026-05-01T12:00:35.000000Z"
    assert desk.refused("PATCH", f"{place}?updateMask=expireTime", {"ttl": "5s"})[0] == 400
    assert desk.refused("PATCH", place, {"displayName": "new"})[0] == 400
    assert desk.refused("PATCH", place, {})[0] == 400
    assert desk.refused("PATCH", f"{GEMINI}/none", {"ttl": "5s"})[0] == 403
    desk.wait(seconds=5)
    assert desk.refused("GET", place)[0] == 403


@pytest.mark.parametrize(
    "end",
    [{"ttl": "0s"}, {"ttl": "-1s"}, {"expireTime": "2026-05-01T12:00:00Z"}, {"expireTime": "1999-01-01T00:00:00Z"}],
)
def test_a_cache_cannot_end_in_the_past(desk: Desk, end: dict[str, str]):
    assert desk.refused("POST", GEMINI, BODY | end)[0] == 400


@given(
    st.sampled_from(("ttl", "expireTime")),
    st.integers(-315_576_000_000, 315_576_000_000),
    st.sampled_from(("0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00", "2030-02-28T00:00:00.123456789Z")),
)
def test_any_end_is_taken_or_refused(name: str, seconds: int, moment: str):
    desk = Desk(caches.ROUTES)
    answer = desk.answer("POST", GEMINI, BODY | {name: f"{seconds}s" if name == "ttl" else moment})
    assert not isinstance(answer, GoogleError) or answer.status == 400


def test_wrong_caches_are_refused(desk: Desk):
    assert desk.refused("POST", GEMINI, HI)[0] == 400
    assert desk.refused("POST", GEMINI, {"model": "models/gemini-2.5-flash"})[0] == 400
    code, _, message = desk.refused("POST", GEMINI, BODY | {"model": "models/no-such"})
    assert (code, message.split(".")[0]) == (
        404,
        "models/no-such is not found for API version v1beta, or is not supported for createCachedContent",
    )
    assert desk.refused("POST", VERTEX, {"model": "publishers/google/models/none", **HI})[0] == 404
    assert desk.refused("POST", GEMINI, BODY | {"ttl": "5s", "expireTime": "2030-01-01T00:00:00Z"})[0] == 400
    assert desk.refused("POST", GEMINI, BODY | {"ttl": "5"})[0] == 400


def test_a_deleted_cache_is_unknown(desk: Desk):
    name = desk.ask("POST", GEMINI, BODY)["name"]
    assert desk.ask("DELETE", f"/v1beta/{name}") == {}
    assert desk.refused("DELETE", f"/v1beta/{name}") == (
        *(403, "PERMISSION_DENIED"),
        "CachedContent not found (or permission denied)",
    )
    assert desk.refused("DELETE", f"{VERTEX}/1")[:2] == (404, "NOT_FOUND")


def test_caches_are_found_by_full_and_short_names(desk: Desk):
    made = desk.ask("POST", VERTEX, {"model": FULL, **HI})
    _, call = desk.call("GET", VERTEX)
    for name in (made["name"], made["name"].rpartition("/")[2], "cachedContents/" + made["name"].rpartition("/")[2]):
        found = cache_named(call, name)
        assert isinstance(found, Resource)
        assert found.name == made["name"]
    missing = cache_named(call, "12")
    assert isinstance(missing, GoogleError)
    assert missing.message == "Not found: cached content metadata for 12."


# ---- operations


def test_operations_are_found_listed_waited_for_cancelled_and_deleted(desk: Desk):
    shelf = desk.store.shelf("")
    done = f"{P}/operations/1"
    running = f"{P}/models/9/operations/2"
    shelf.put(Resource(done, {"name": done, "done": True, "response": {}}, desk.now))
    shelf.put(Resource(running, {"name": running}, desk.now))
    shelf.put(Resource("operations/3", {"name": "operations/3"}, desk.now))
    assert desk.ask("GET", f"/v1/{done}")["done"] is True
    assert desk.ask("GET", f"/v1/{P}/operations")["operations"] == [desk.ask("GET", f"/v1/{done}")]
    assert desk.ask("GET", f"/v1/{P}/models/9/operations?pageSize=5")["operations"] == [{"name": running}]
    assert desk.ask("POST", f"/v1/{running}:wait") == {"name": running}
    assert desk.ask("POST", f"/v1/{running}:cancel") == {}
    assert desk.ask("GET", f"/v1/{running}")["error"]["code"] == 1
    assert desk.ask("POST", f"/v1/{done}:cancel") == {}
    assert "error" not in desk.ask("GET", f"/v1/{done}")
    assert desk.ask("DELETE", f"/v1/{done}") == {}
    assert desk.refused("GET", f"/v1/{done}") == (404, "NOT_FOUND", f"Operation not found: {done}")
    assert desk.ask("GET", "/v1beta/operations")["operations"] == [{"name": "operations/3"}]
    assert desk.ask("DELETE", "/v1beta/operations/3") == {}
    assert desk.refused("POST", "/v1beta/models/m/operations/4:cancel")[0] == 404
    assert desk.refused("GET", f"/v1/{P}/operations?pageSize=x")[0] == 400
