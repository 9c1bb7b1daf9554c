"""Which models a key may use, over HTTP: words, paths, and what could be read in two ways (AUTH-10, SEC-9, S-29)."""

import pytest
from gateway_stand import KEY, UPSTREAM_KEY, asked, config_of, gateway, request
from hypothesis import given
from hypothesis import strategies as st
from upstream_double import double

from understudy.surfaces import place_of
from understudy_gateway.config import parse_config
from understudy_gateway.model_names import judged, model_span, named_model, rule_of
from understudy_gateway.refusals import Reason
from understudy_gateway.routes import Route
from understudy_gateway.routing import route

KEYS = {"understudy_settings": {"keys": [{"id": "a", "key": "sk-0123456789abcdef"}]}}
PLAIN = parse_config(KEYS, {"VERTEX_API_KEY": "express"})
GOOGLE = "/vertex_ai/v1/projects/p/locations/us-east1/publishers/google/models/"


def verdict(target: str, *words: str, method: str = "POST") -> Reason | None:
    found = route(PLAIN, method, target.encode())
    assert isinstance(found, Route), found
    rule = rule_of(words)
    assert rule is not None
    refusal = judged(rule, method, found)
    return None if refusal is None else refusal.reason


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "good", "bad"),
    [
        ("m", [("gemini", "m"), ("vertex_ai", "m")], [("gemini", "mm"), ("gemini", "M"), ("gemini", "")]),
        ("gemini/m", [("gemini", "m")], [("vertex_ai", "m")]),
        ("models/m", [("gemini", "m")], [("gemini", "n")]),
        ("gemini/*", [("gemini", "x"), ("gemini", "tunedModels/t")], [("vertex_ai", "x")]),
        ("vertex_ai/claude-*", [("vertex_ai", "claude-x@1")], [("vertex_ai", "claude"), ("gemini", "claude-x")]),
        ("*-flash", [("gemini", "a-flash")], [("gemini", "a-flash-lite"), ("gemini", "flash")]),
        ("a*b*c", [("gemini", "abc"), ("gemini", "a-b-b-c")], [("gemini", "acb"), ("gemini", "ac"), ("gemini", "ab")]),
        ("ab*ba", [("gemini", "abba")], [("gemini", "aba")]),
        ("endpoints/1", [("vertex_ai", "endpoints/1")], [("vertex_ai", "1")]),
        ("no-default-models", [], [("gemini", "m"), ("gemini", "no-default-models")]),
    ],
)
def test_words_stand_for_names(word, good, bad):
    rule = rule_of([word])
    assert rule is not None
    assert all(rule.allows(*name) for name in good)
    assert not any(rule.allows(*name) for name in bad)


@pytest.mark.parametrize("words", [[], ["*"], ["m", "*"], ["all-proxy-models"], ["all-team-models"]])
def test_some_words_are_no_rule_at_all(words):
    assert rule_of(words) is None


@given(st.text("ab*", min_size=1, max_size=6), st.text("ab", max_size=8))
def test_stars_match_as_a_regular_expression_says(word, name):
    import re

    rule = rule_of([word])
    wanted = re.fullmatch(word.replace("*", ".*"), name) is not None
    assert (True if rule is None else rule.allows("gemini", name)) is wanted


def test_a_star_after_star_takes_time_in_proportion():
    rule = rule_of(["a*" * 200 + "b"])
    assert rule is not None and not rule.allows("gemini", "a" * 65536)  # a backtracking match would never end


# --- paths -----------------------------------------------------------------------------------------------------------

ALLOWED = [
    "/gemini/v1beta/models/m:generateContent",
    "/gemini/v1beta/models/%6D:generateContent",  # decoded once
    "/gemini/v1beta/models/m%3AgenerateContent",
    "/gemini//v1beta/models/m:generateContent",
    "/gemini/v1beta/models/m/operations/o",
    f"{GOOGLE}m:predict",
    f"{GOOGLE}m:fetchPredictOperation",
    "/vertex-ai/v1/publishers/google/models/m:generateContent",
    "/gemini/upload/v1beta/files",
    "/gemini/v1beta/files:register",
    "/gemini/v1beta/cachedContents",  # its body names a model, and is not read
    "/gemini/v1beta/batches/b:cancel",
    "/vertex_ai/v1/projects/p/locations/us-east1/cachedContents",
    "/vertex_ai/v1/projects/p/locations/us-east1/operations/o:cancel",
]
FORBIDDEN = [
    "/gemini/v1beta/models/n:generateContent",
    "/gemini/v1beta/models/%6E:generateContent",
    "/gemini/v1beta/models/m2:generateContent",
    "/gemini/v1beta/models/M:generateContent",
    "/gemini/v1beta/tunedModels/m:generateContent",  # another model that is called so
    "/gemini/v1beta/dynamic/m:generateContent",
    f"{GOOGLE}n:predict",
    "/vertex_ai/v1/projects/p/locations/us-east1/endpoints/7:predict",
]
UNNAMED = [
    "/gemini/v1beta/openai/chat/completions",
    "/gemini/v1beta/interactions",
    "/gemini/v1alpha/auth_tokens",
    "/gemini/v1beta//models/m:generateContent",
    "/gemini/v1beta/models//m:generateContent",
    "/vertex_ai/v1/projects/p/locations/us-east1/endpoints/openapi/chat/completions",
    "/vertex_ai/v1/projects/p/locations/us-east1/batchPredictionJobs",
    "/vertex_ai/discovery/v1/projects/p/locations/global/servingConfigs/c:search",
]
AMBIGUOUS = [
    "/gemini/v1beta/models/m%252fx:generateContent",
    "/gemini/v1beta/models/x%2Fmodels%2fm:generateContent",
    "/gemini/v1beta/models%2Fn:generateContent",
    "/gemini/v1beta/models/m%5c..%5cn:generateContent",
    "/gemini/v1beta/models/m\\n:generateContent",
    "/gemini/v1beta/models/m/../n:generateContent",
    "/gemini/v1beta/models/m/%2e%2E/n:generateContent",
    "/gemini/v1beta/./models/m:generateContent",
    "/gemini/v1beta/models/m%00:generateContent",
    "/gemini/v1beta/models/m%0d%0a:generateContent",
    "/gemini/v1beta/models/m%C3%A9:generateContent",
]


@pytest.mark.parametrize("target", ALLOWED)
def test_what_is_on_the_list_or_makes_nothing_passes(target):
    assert verdict(target, "m") is None


@pytest.mark.parametrize("target", FORBIDDEN)
def test_other_models_are_refused(target):
    assert verdict(target, "m") is Reason.MODEL_REFUSED


@pytest.mark.parametrize("target", UNNAMED)
def test_without_a_model_in_the_path_it_is_all_or_nothing(target):
    assert verdict(target, "m") is Reason.MODEL_NOT_NAMED
    assert verdict(target, "m", "gemini/*", "vertex_ai/*") is None


@pytest.mark.parametrize("target", AMBIGUOUS)
def test_what_could_be_read_in_two_ways_is_refused(target):
    assert verdict(target, "m", "gemini/*") is Reason.AMBIGUOUS_REQUEST


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_what_only_reads_passes_unless_it_names_another_model(method):
    assert verdict("/gemini/v1beta/models", "m", method=method) is None
    assert verdict("/gemini/v1beta/tunedModels/t", "m", method=method) is Reason.MODEL_REFUSED


def test_tuned_models_and_endpoints_are_named_whole():
    assert verdict("/gemini/v1beta/tunedModels/t:generateContent", "tunedModels/t") is None
    assert verdict("/vertex_ai/v1/projects/p/locations/us-east1/endpoints/7:predict", "endpoints/*") is None
    assert verdict("/vertex_ai/v1/endpoints/7:predict", "vertex_ai/endpoints/7") is None  # express mode


PATHS = st.lists(
    st.sampled_from(
        ["", "v1", "v1beta1", "models", "m", "%6D", "m:x", "m%3Ax", "publishers", "google", "projects", "locations"]
    ),
    max_size=9,
)


@given(PATHS)
def test_the_span_of_a_model_is_what_the_grammar_takes_for_it(parts):
    from urllib.parse import unquote

    path = "/" + "/".join(parts)
    span, place = model_span(path.encode()), place_of(path)
    if span is None:
        assert place is None or place.model is None
    else:
        assert place is not None and unquote(path[slice(*span)]) == place.model == named_model(path.encode())


# --- on the wire -----------------------------------------------------------------------------------------------------

LIMITED = [{"id": "team", "key": KEY, "models": ["gemini-2.5-flash", "gemini/fast-*"]}]
GOOD = "/gemini/v1beta/models/gemini-2.5-flash:generateContent"


async def test_a_model_that_is_not_allowed_is_a_403_and_the_provider_hears_nothing():
    # AUTH-10 over sockets; the body is not read, whatever model stands in it
    async with double() as provider, gateway(provider.url, keys=LIMITED) as running:
        bad = await asked(running, request(GOOD.replace("flash", "pro"), body=b'{"model":"gemini-2.5-flash"}'))
        two = await asked(running, request(GOOD.replace("flash", "%2566lash")))
        good = await asked(running, request(GOOD, body=b'{"model":"gemini-2.5-pro"}'))
        listed = await asked(running, request("/gemini/v1beta/models", method="GET", body=None))
    assert (bad.status, bad.reason) == (403, "MODEL_REFUSED")
    assert (two.status, two.reason) == (400, "AMBIGUOUS_REQUEST")
    assert (good.status, listed.status) == (200, 200)
    assert [seen.target.decode() for seen in provider.requests] == [GOOD.removeprefix("/gemini"), "/v1beta/models"]


@pytest.mark.parametrize(
    "headers", [{"X-HTTP-Method-Override": "POST"}, {"x-pass-x-http-method-override": "POST"}, {}], ids=range(3)
)
async def test_a_limited_key_may_not_ask_to_be_taken_for_another_method(headers):
    target = "/gemini/v1beta/openai/chat/completions" + ("" if headers else "?%24httpMethod=POST")
    async with double() as provider, gateway(provider.url, keys=LIMITED) as running:
        reply = await asked(running, request(target, method="GET", headers=headers, body=None))
    assert (reply.status, reply.reason, provider.requests) == (400, "AMBIGUOUS_REQUEST", [])


async def test_a_key_without_a_list_sends_what_it_likes():
    async with double() as provider, gateway(provider.url) as running:
        reply = await asked(running, request("/gemini/v1beta/models/a%2Fb%2525/../c:x", headers={"X-HTTP-Method": "P"}))
    assert reply.status == 200
    assert provider.requests[0].target == b"/v1beta/models/a%2Fb%2525/../c:x"  # URL-1
    assert provider.requests[0].values(b"x-goog-api-key") == [UPSTREAM_KEY.encode()]


async def test_each_key_has_a_list_of_its_own():
    other = "sk-another-key-0123456789"
    keys = [*LIMITED, {"id": "other", "key": other, "models": ["gemini-2.5-pro"]}]
    async with double() as provider, gateway(provider.url, config=config_of(provider.url, keys=keys)) as running:
        first = [(await asked(running, request(GOOD, key=key))).status for key in (KEY, other)]
        second = [(await asked(running, request(GOOD.replace("flash", "pro"), key=key))).status for key in (KEY, other)]
    assert (first, second) == ([200, 403], [403, 200])
