"""Aliases of models and the choice among accounts: by the names in the request, over HTTP (LRO-2, COST-4, URL-1)."""

import json
from decimal import Decimal

import pytest
from gateway_stand import KEY, UPSTREAM_KEY, asked, cost, gateway, recorded, request, usage
from hypothesis import given
from hypothesis import strategies as st
from upstream_double import answering, double, response

from understudy_gateway.config import parse_config
from understudy_gateway.routes import Route
from understudy_gateway.routing import route

OURS = {"understudy_settings": {"keys": [{"id": "team", "key": KEY}]}}
ACCOUNT = {"type": "service_account", "client_email": "a@b", "private_key": "PEM", "token_uri": "https://t.example/t"}


def model(name: str, real: str, **params: object) -> dict[str, object]:
    return {"model_name": name, "litellm_params": {"model": real, **params}}


def vertex(name: str, real: str, project: str, location: str | None = None) -> dict[str, object]:
    place = {"vertex_project": project, **({"vertex_location": location} if location else {})}
    return model(name, f"vertex_ai/{real}", vertex_credentials={**ACCOUNT, "client_email": project}, **place)


def config(*models: dict[str, object], **environ: str):
    settings = {"vertex_project": "home", "vertex_location": "us-central1", "vertex_credentials": ACCOUNT}
    return parse_config({**OURS, "default_vertex_config": settings, "model_list": list(models)}, environ)


def routed(settings, target: str, method: str = "POST") -> Route:
    found = route(settings, method, target.encode())
    assert isinstance(found, Route), found
    return found


ALIASED = config(
    model("fast", "gemini/gemini-2.5-flash", api_key="fast-key"),
    model("gemini/slow", "gemini/gemini-2.5-pro"),
    model("claude", "vertex_ai/claude-sonnet-4@20250514", vertex_project="partners", vertex_location="us-east5"),
    GEMINI_API_KEY="default",
)


@pytest.mark.parametrize(
    ("asked_for", "sent", "account"),
    [
        ("/v1beta/models/fast:generateContent", "/v1beta/models/gemini-2.5-flash:generateContent", "model_list[0]"),
        ("/v1beta/models/f%61st%3AcountTokens?a=1&b", "/v1beta/models/gemini-2.5-flash%3AcountTokens?a=1&b",
         "model_list[0]"),
        ("//models/fast", "//models/gemini-2.5-flash", "model_list[0]"),
        ("/v1beta/models/fast/operations/o", "/v1beta/models/gemini-2.5-flash/operations/o", "model_list[0]"),
        ("/v1beta/models/slow:x", "/v1beta/models/gemini-2.5-pro:x", "gemini"),
        ("/v1beta/models/fast2:x", "/v1beta/models/fast2:x", "gemini"),
        ("/v1beta/tunedModels/fast:x", "/v1beta/tunedModels/fast:x", "gemini"),
        ("/v1beta/files/fast", "/v1beta/files/fast", "gemini"),
        ("/v1beta/models/gemini-2.5-flash:x", "/v1beta/models/gemini-2.5-flash:x", "model_list[0]"),
    ],
)  # fmt: skip
def test_only_the_segment_of_the_model_changes(asked_for, sent, account):
    found = routed(ALIASED, "/gemini" + asked_for)
    assert (found.target.decode(), found.credential.id) == (sent, account)


def test_on_vertex_the_publisher_stays_and_the_entry_completes_the_path():
    found = routed(ALIASED, "/vertex_ai/v1/publishers/anthropic/models/claude:rawPredict")
    place = "/v1/projects/partners/locations/us-east5"
    assert found.target.decode() == f"{place}/publishers/anthropic/models/claude-sonnet-4@20250514:rawPredict"
    assert (found.model, found.asked) == ("claude-sonnet-4@20250514", "claude")
    assert found.upstream.host == "us-east5-aiplatform.googleapis.com"


def test_cost_and_limits_see_the_real_model():
    found = routed(ALIASED, "/gemini/v1beta/models/fast:generateContent")
    assert (found.model, found.method, found.asked) == ("gemini-2.5-flash", "generateContent", "fast")


@pytest.mark.parametrize("name", ["a b", "a/b", "a*", "gemini-2.5-flash", "gemini/gemini-2.5-flash", "a%41"])
def test_what_is_no_word_or_the_same_name_is_no_alias(name):
    settings = config(model(name, "gemini/gemini-2.5-flash"))
    assert not settings.has_aliases
    assert len(settings.notices) == (name in ("a b", "a/b", "a%41"))


@given(st.text("fast/:%61?&=mode.ls", max_size=24))
def test_without_an_alias_every_byte_stays(rest):
    target = "/gemini/v1beta/models/" + rest
    plain, aliased = route(config(), "POST", target.encode()), route(ALIASED, "POST", target.encode())
    if isinstance(aliased, Route) and aliased.asked is None:
        assert isinstance(plain, Route) and plain.target == aliased.target


# --- accounts --------------------------------------------------------------------------------------------------------

MANY = config(
    vertex("v", "veo", "alpha", "us-east1"),
    vertex("v", "veo", "alpha", "europe-west4"),
    vertex("v", "veo", "beta", "us-east1"),
    vertex("other", "flash", "gamma"),
)
PATH = "/vertex_ai/v1/projects/{}/locations/{}/publishers/google/models/{}"


@pytest.mark.parametrize("name", ["veo", "v"])
@pytest.mark.parametrize(
    ("project", "location", "account"),
    [
        ("alpha", "us-east1", 0),
        ("alpha", "europe-west4", 1),
        ("beta", "us-east1", 2),
        ("beta", "asia-east1", 2),  # no entry has the region, but one the project
        ("gamma", "us-east1", 3),  # an entry of another model, and of the right project
    ],
)
def test_a_start_and_its_poll_reach_the_project_and_region_in_the_path(name, project, location, account):
    # LRO-2
    for verb in (":predictLongRunning", ":fetchPredictOperation", "/operations/o"):
        found = routed(MANY, PATH.format(project, location, name) + verb)
        assert found.credential.id == f"model_list[{account}]"
        assert (found.upstream.project, found.upstream.location) == (project, location)
        assert f"/projects/{project}/locations/{location}/publishers/google/models/veo" in found.target.decode()


def test_two_aliases_of_one_model_have_each_its_own_key():
    settings = config(
        model("team-a", "gemini/veo", api_key="key-a"),
        model("team-b", "gemini/veo", api_key="key-b"),
        GEMINI_API_KEY="x",
    )
    found = [routed(settings, f"/gemini/v1beta/models/{name}:x") for name in ("team-a", "team-b", "veo")]
    assert [one.credential.id for one in found] == ["model_list[0]", "model_list[1]", "model_list[0]"]
    assert {one.target for one in found} == {b"/v1beta/models/veo:x"}


def test_a_project_of_nobody_and_the_default_project_have_the_default_credentials():
    for project in ("home", "stranger"):
        assert routed(MANY, PATH.format(project, "us-east1", "veo:x")).credential.id == "vertex_ai"


def test_an_operation_without_a_model_is_polled_with_its_projects_credentials():
    path = "/vertex_ai/v1/projects/beta/locations/us-east1/operations/7"
    assert routed(MANY, path, "GET").credential.id == "model_list[2]"


# --- on the wire -----------------------------------------------------------------------------------------------------


async def test_an_alias_is_sent_under_its_real_name_and_priced_by_it():
    body = json.dumps({"usageMetadata": usage(10, 4)}).encode()
    async with double(answering(response(body))) as provider:
        environ = {"GEMINI_API_KEY": UPSTREAM_KEY, "GEMINI_API_BASE": provider.url}
        settings = parse_config(
            {**OURS, "model_list": [model("fast", "gemini/gemini-2.5-flash", api_key="AIza-key-of-the-fast-one")]},
            environ,
        )
        async with gateway(provider.url, config=settings) as running:
            sent = b'{"model":"fast", "contents" :[]}'
            reply = await asked(running, request("/gemini/v1beta/models/fast:generateContent?x=1", body=sent))
            (record,) = await recorded(running)
    (seen,) = provider.requests
    assert (reply.status, reply.body) == (200, body)
    assert (seen.target, seen.body) == (b"/v1beta/models/gemini-2.5-flash:generateContent?x=1", sent)
    assert seen.values(b"x-goog-api-key") == [b"AIza-key-of-the-fast-one"]
    assert (record.model, record.cost, record.known) == ("gemini-2.5-flash", Decimal(cost(10, 4)), "exact")


@pytest.mark.parametrize(("words", "status"), [(["fast"], 200), (["gemini-2.5-flash"], 200), (["slow"], 403)])
async def test_a_key_may_have_the_alias_or_the_real_name(words, status):
    # AUTH-10: the alias is a name of its own; a list with it alone does not open the real one
    keys = {"understudy_settings": {"keys": [{"id": "team", "key": KEY, "models": words}]}}
    async with double() as provider:
        environ = {"GEMINI_API_KEY": UPSTREAM_KEY, "GEMINI_API_BASE": provider.url}
        settings = parse_config({**keys, "model_list": [model("fast", "gemini/gemini-2.5-flash")]}, environ)
        async with gateway(provider.url, config=settings) as running:
            by_alias = await asked(running, request("/gemini/v1beta/models/fast:generateContent"))
            by_name = await asked(running, request("/gemini/v1beta/models/gemini-2.5-flash:generateContent"))
    assert by_alias.status == status
    assert by_name.status == (200 if words == ["gemini-2.5-flash"] else 403)
