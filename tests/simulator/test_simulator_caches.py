"""Cached contents of both services, and operations that belong to no family."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resource_rig import Desk, P

from understudy.scenario.model import StartOperation, Videos
from understudy_simulator.cached_content import cache_named, cached_tokens
from understudy_simulator.google_errors import GoogleError
from understudy_simulator.operations import OperationDesk, begun
from understudy_simulator.store import Resource
from understudy_simulator.surfaces import caches, generate, operations
from understudy_simulator.validation.rules import request_rules

GEMINI = "/v1beta/cachedContents"
VERTEX = f"/v1beta1/{P}/cachedContents"
HI = {"contents": [{"role": "user", "parts": [{"text": "x" * 400}]}]}
BODY: dict[str, Any] = {"model": "models/gemini-2.5-flash", **HI}
FULL = f"{P}/publishers/google/models/gemini-2.5-flash"


@pytest.fixture
def desk() -> Desk:
    return Desk(caches.routes(), operations.routes(OperationDesk(), "https://files.test"), generate.ROUTES)


def tokens_in(desk: Desk, name: str, model: str = "gemini-2.5-flash") -> int | GoogleError:
    return cached_tokens(desk.call("GET", GEMINI)[1], name, model)


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
    assert tokens_in(desk, name) == 100
    desk.wait(seconds=0.1)
    assert desk.refused("GET", f"/v1beta/{name}")[:2] == (403, "PERMISSION_DENIED")
    assert isinstance(tokens_in(desk, name), GoogleError)
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
    desk = Desk(caches.routes())
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


def test_each_service_has_its_own_caches(desk: Desk):
    gemini = desk.ask("POST", GEMINI, BODY)["name"]
    express = desk.ask("POST", "/v1beta1/cachedContents", {"model": "publishers/google/models/gemini-2.5-flash", **HI})
    assert [cache["name"] for cache in desk.ask("GET", GEMINI)["cachedContents"]] == [gemini]
    assert desk.ask("GET", "/v1beta1/cachedContents")["cachedContents"] == [express]
    assert desk.refused("GET", f"/v1beta/{express['name']}")[0] == 403
    assert desk.refused("DELETE", f"/v1beta1/projects/None/locations/None/{gemini}")[0] == 404
    full = desk.ask("POST", VERTEX, {"model": FULL, **HI})["name"]
    used = {**HI, "cachedContent": full}
    assert desk.refused("POST", "/v1beta/models/gemini-2.5-flash:generateContent", used)[0] == 403


def test_queries_are_read_in_either_spelling(desk: Desk):
    first, second = (desk.ask("POST", GEMINI, BODY | {"ttl": "60s"}) for _ in range(2))
    page = desk.ask("GET", f"{GEMINI}?page_size=1")
    assert page["cachedContents"] == [first]
    assert desk.ask("GET", f"{GEMINI}?page_token={page['nextPageToken']}") == {"cachedContents": [second]}
    assert desk.refused("PATCH", f"/v1beta/{first['name']}?update_mask=expireTime", {"ttl": "5s"})[0] == 400


def test_a_display_name_has_128_characters_at_most(desk: Desk):
    assert desk.ask("POST", GEMINI, BODY | {"displayName": "é" * 128})["displayName"] == "é" * 128
    assert desk.refused("POST", GEMINI, BODY | {"displayName": "é" * 129})[0] == 400


# ---- what a request can do with a cache


def test_a_cache_serves_its_own_model_alone(desk: Desk):
    name = desk.ask("POST", GEMINI, BODY)["name"]
    body = {**HI, "cachedContent": name}
    answer = desk.ask("POST", "/v1beta/models/gemini-2.5-flash:generateContent", body)
    assert answer["usageMetadata"]["cachedContentTokenCount"] == 100
    assert desk.refused("POST", "/v1beta/models/gemini-2.5-pro:generateContent", body) == (
        *(400, "INVALID_ARGUMENT"),
        "Model used by GenerateContent request (models/gemini-2.5-pro) and CachedContent (models/gemini-2.5-flash) has "
        "to be the same.",
    )
    full = desk.ask("POST", VERTEX, {"model": FULL, **HI})["name"]
    asked = {**HI, "cachedContent": full}
    assert desk.ask("POST", f"/v1/{FULL}:generateContent", asked)["usageMetadata"]["cachedContentTokenCount"] == 100
    assert desk.refused("POST", f"/v1/{FULL.replace('flash', 'pro')}:streamGenerateContent", asked)[0] == 400


BESIDE: dict[str, Any] = {
    "systemInstruction": {"parts": [{"text": "x"}]},
    "system_instruction": {"parts": [{"text": "x"}]},
    "tools": [{"googleSearch": {}}],
    "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_a_cache_has_cannot_be_beside_it(name: str):
    value = BESIDE[name]
    body = {**HI, "cachedContent": "cachedContents/1", name: value}
    gemini = request_rules("gemini", "generateContent", "gemini-2.5-flash", body)
    assert gemini is not None
    assert gemini.message == (
        "CachedContent can not be used with GenerateContent request setting system_instruction, tools or "
        "tool_config.\n\nProposed fix: move those values to CachedContent from GenerateContent request."
    )
    vertex = request_rules("vertex", "streamGenerateContent", "gemini-2.5-flash", body)
    assert vertex is not None
    assert vertex.message == (
        "Tool config, tools and system instruction should not be set in the request when using cached content."
    )
    for empty in ({"cachedContent": "cachedContents/1", name: None}, {"cachedContent": "", name: value}):
        assert request_rules("gemini", "generateContent", "gemini-2.5-flash", {**HI, **empty}) is None


@pytest.mark.parametrize(
    ("model", "fewest"),
    [
        ("gemini-2.5-flash", 1024),
        ("gemini-2.5-flash-lite", 2048),
        ("gemini-2.0-flash", 4096),
        ("gemini-3.5-flash", 4096),
    ],
)
def test_a_small_cache_is_refused_if_that_is_asked_for(model: str, fewest: int):
    desk = Desk(caches.routes(has_minimum=True))
    exact = {"contents": [{"role": "user", "parts": [{"text": "x" * 4 * fewest}]}]}
    less = {"contents": [{"role": "user", "parts": [{"text": "x" * 4 * (fewest - 1)}]}]}
    assert desk.ask("POST", GEMINI, {"model": f"models/{model}", **exact})["usageMetadata"]["totalTokenCount"] == fewest
    assert desk.refused("POST", GEMINI, {"model": f"models/{model}", **less}) == (
        *(400, "INVALID_ARGUMENT"),
        f"Cached content is too small. total_token_count={fewest - 1}, min_total_token_count={fewest}",
    )


def test_the_minimum_of_vertex_has_words_of_its_own():
    desk = Desk(caches.routes(has_minimum=True))
    assert desk.refused("POST", VERTEX, {"model": FULL, **HI})[2] == (
        "The cached content is of 100 tokens. The minimum token count to start caching is 1024."
    )


# ---- operations


def test_operations_of_videos_are_listed_waited_for_cancelled_and_deleted():
    videos = OperationDesk()
    desk = Desk(operations.routes(videos, "https://files.test"))
    for service, model in (("gemini", "models/veo-3.1"), ("vertex", f"{P}/publishers/google/models/veo-3.1")):
        names = [f"{model}/operations/{number}" for number in ("a", "b")]
        for name in names:
            start = StartOperation(Videos(1), 1)
            is_vertex = service == "vertex"
            files = (f"f{name[-1]}",)
            videos.start(begun(start, name=name, scope="s", is_vertex=is_vertex, files=files, now=desk.now))
        version = "/v1beta" if service == "gemini" else "/v1"
        both = [{"name": name} for name in names]
        assert desk.ask("GET", f"{version}/{model}/operations", scope="s") == {"operations": both}
        page = desk.ask("GET", f"{version}/{model}/operations?pageSize=1", scope="s")
        assert (page["operations"], bool(page["nextPageToken"])) == (both[:1], True)
        assert desk.ask("GET", f"{version}/{model}/operations", scope="other") == {}
        assert desk.ask("POST", f"{version}/{names[0]}:wait") == {"name": names[0]}
        assert desk.ask("POST", f"{version}/{names[0]}:wait")["done"] is True
        assert desk.ask("POST", f"{version}/{names[0]}:cancel") == {}
        assert "response" in desk.ask("POST", f"{version}/{names[0]}:wait")
        assert desk.ask("POST", f"{version}/{names[1]}:cancel") == {}
        ended = {"name": names[1], "done": True, "error": {"code": 1, "message": "The operation was cancelled."}}
        assert desk.ask("GET", f"{version}/{model}/operations", scope="s")["operations"][1] == ended
        assert videos.of_file("fb", desk.now) is None
        assert desk.ask("DELETE", f"{version}/{names[0]}") == {}
        assert desk.refused("POST", f"{version}/{names[0]}:cancel")[:2] == (404, "NOT_FOUND")
        assert desk.ask("GET", f"{version}/{model}/operations", scope="s") == {"operations": [ended]}
    assert desk.ask("POST", "/v1beta/operations/b:wait")["error"]["code"] == 1


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
