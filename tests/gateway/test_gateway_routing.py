import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.surfaces import Surface
from understudy_gateway.config import parse_config
from understudy_gateway.refusals import Reason, Refusal
from understudy_gateway.routes import Route
from understudy_gateway.routing import route, vertex_host

KEYS = {"understudy_settings": {"keys": [{"id": "a", "key": "sk-0123456789abcdef"}]}}
SERVICE_ACCOUNT = json.dumps(
    {
        "type": "service_account",
        "client_email": "a@b",
        "private_key": "PEM",
        "token_uri": "https://oauth2.example/token",
    }
)
VERTEX = {"vertex_project": "proj", "vertex_location": "europe-west4", "vertex_credentials": SERVICE_ACCOUNT}


def config(environ=None, **top):
    return parse_config({**KEYS, **top}, environ or {})


PLAIN = config(default_vertex_config=VERTEX)
BARE = config()
LOCAL = config(
    {"GEMINI_API_BASE": "http://127.0.0.1:1/g", "VERTEXAI_API_BASE": "http://127.0.0.1:2"}, default_vertex_config=VERTEX
)


def routed(target, method="POST", settings=PLAIN) -> Route:
    found = route(settings, method, target.encode())
    assert isinstance(found, Route), found
    return found


def refused(target, method="POST", settings=PLAIN) -> Refusal:
    found = route(settings, method, target.encode("latin-1"))
    assert isinstance(found, Refusal), found
    return found


def test_gemini_goes_to_google_with_the_prefix_cut_off():
    found = routed("/gemini/v1beta/models/gemini-2.5-flash:generateContent")
    assert (found.upstream.scheme, found.upstream.host, found.upstream.port) == (
        "https",
        "generativelanguage.googleapis.com",
        443,
    )
    assert found.target == b"/v1beta/models/gemini-2.5-flash:generateContent"
    assert (found.name, found.surface, found.model, found.method) == (
        "gemini",
        Surface.GEMINI,
        "gemini-2.5-flash",
        "generateContent",
    )


def test_the_method_is_the_verb_after_the_last_colon_not_a_word_in_the_path():
    assert routed("/gemini/v1/models/stream-x%3AstreamGenerateContent").method == "streamGenerateContent"
    assert routed("/gemini/v1/models/streamGenerateContent:countTokens").method == "countTokens"


def test_a_base_override_wins_and_its_path_is_kept():
    found = routed("/gemini/v1/x?a=b", settings=LOCAL)
    assert (found.upstream.authority, found.target) == ("127.0.0.1:1", b"/g/v1/x?a=b")
    found = routed("/vertex_ai/v1/projects/p/locations/us-east1/x", settings=LOCAL)
    assert (found.upstream.authority, found.upstream.location) == ("127.0.0.1:2", "us-east1")


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "aiplatform.googleapis.com"),
        (None, "aiplatform.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("us-central1", "us-central1-aiplatform.googleapis.com"),
        ("me-central2", "me-central2-aiplatform.googleapis.com"),
    ],
)
def test_the_vertex_host_follows_the_location(location, host):
    assert vertex_host(location) == host


def test_the_location_in_the_path_decides_not_the_default():
    path = "/v1beta1/projects/other/locations/us-east5/publishers/google/models/m:generateContent"
    found = routed("/vertex-ai" + path)
    assert found.upstream.host == "us-east5-aiplatform.googleapis.com"
    assert (found.upstream.project, found.upstream.location, found.target) == ("other", "us-east5", path.encode())


@pytest.mark.parametrize(
    "location",
    [
        "evil.example%23",
        "x@evil",
        "a%2Fb",
        "",
        "a:1",
        "a%00",
        "US-EAST1",
        "us-east1%0a",
        "-a",
        "a" * 41,
        "None",
        "%2e%2e",
    ],
)
def test_a_location_that_is_none_is_refused(location):
    found = refused(f"/vertex_ai/v1/projects/p/locations/{location}/publishers/google/models/m:x")
    assert found.reason in (Reason.INVALID_LOCATION, Reason.NO_PROJECT, Reason.PATH_CLIMBS)
    assert found.status == 400


@pytest.mark.parametrize("project", ["a%2Fb", "P", "a..b", "", "a%0a"])
def test_a_project_that_is_none_is_refused(project):
    assert refused(f"/vertex_ai/v1/projects/{project}/locations/us/x").reason is Reason.INVALID_PROJECT


@pytest.mark.parametrize(
    ("path", "completed"),
    [
        ("/publishers/google/models/m:x", "/v1/projects/proj/locations/europe-west4/publishers/google/models/m:x"),
        ("/v1beta1/endpoints/5:x?a=b", "/v1beta1/projects/proj/locations/europe-west4/endpoints/5:x?a=b"),
        ("/v1/a%2Fb//c", "/v1/projects/proj/locations/europe-west4/a%2Fb//c"),
    ],
)
def test_a_short_vertex_path_is_completed(path, completed):
    found = routed("/vertex_ai" + path)
    assert found.target == completed.encode()
    assert found.upstream.host == "europe-west4-aiplatform.googleapis.com"


@pytest.mark.parametrize(
    "path", ["/v1/publishers/google/models", "/publishers/google/models/m", "/v1beta1/projects/p/x"]
)
def test_model_cards_and_projects_of_their_own_stay_as_they_are(path):
    assert routed("/vertex_ai" + path, "GET").target == path.encode()


def test_in_express_mode_no_path_is_completed():
    express = config({"VERTEX_API_KEY": "AIza"})
    found = routed("/vertex_ai/v1beta1/publishers/google/models/m:generateContent", settings=express)
    assert found.target == b"/v1beta1/publishers/google/models/m:generateContent"
    assert (found.model, found.upstream.host) == ("m", "aiplatform.googleapis.com")


def test_without_a_project_the_refusal_names_the_setting():
    found = refused("/vertex_ai/publishers/google/models/m:x", settings=BARE)
    assert (found.reason, "DEFAULT_VERTEXAI_PROJECT" in found.message) == (Reason.NO_PROJECT, True)
    found = refused("/vertex_ai/v1/x", settings=config({"DEFAULT_VERTEXAI_PROJECT": "p"}))
    assert (found.reason, "DEFAULT_VERTEXAI_LOCATION" in found.message) == (Reason.NO_LOCATION, True)


@pytest.mark.parametrize("target", ["/gemini", "/gemini/", "/vertex_ai", "/vertex-ai/", "/vertex_ai/?key=x"])
def test_a_request_to_the_base_url_itself_names_the_trap(target):
    found = refused(target)
    assert (found.reason, found.status) == (Reason.BASE_URL_TRAP, 400)
    assert "project and location" in found.message


@pytest.mark.parametrize("live", ["/vertex_ai/live", "/vertex-ai/live", "/v1/vertex-ai/live"])
def test_a_live_route_taken_for_a_base_url_names_that_trap(live):
    found = refused(live + "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent")
    assert (found.reason, found.status) == (Reason.LIVE_BASE_URL_TRAP, 400)
    assert "/vertex_ai" in found.message


@pytest.mark.parametrize("target", ["/", "/gemin/v1/x", "/geminix/v1", "/v1/models/m:x", "/vertex_aix", "/ws/nothing"])
def test_other_paths_have_no_route_and_the_refusal_names_the_prefixes(target):
    found = refused(target)
    assert (found.reason, found.status) == (Reason.NO_ROUTE, 404)
    assert "/vertex_ai/" in found.message


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "BREW", "get"])
def test_other_methods_are_refused(method):
    assert refused("/gemini/v1/x", method).status == 405


@pytest.mark.parametrize("target", ["http://evil.example/gemini/v1", "evil:443", "*", "/gemini/\xe9", "/gemini/a b"])
def test_targets_that_are_no_path_are_refused(target):
    assert refused(target).reason is Reason.INVALID_TARGET


@pytest.mark.parametrize(
    "path",
    [
        "/../x",
        "/%2e%2e/x",
        "/a/../../x",
        "/..",
        "/a/%2E./%2e%2E",
        "/..%2fx",
        "/a/..%2f..%2fx",
        "/\\../x",
        "//../x",
        "/a/..\\..",
    ],
)
def test_paths_that_climb_are_refused(path):
    assert refused("/gemini" + path).reason is Reason.PATH_CLIMBS
    assert refused("/vertex_ai" + path).reason is Reason.PATH_CLIMBS


@pytest.mark.parametrize("path", ["/a/../b", "/./a", "/a/b/..", "/...", "/a/%252e%252e/%252e%252e", "/.hidden"])
def test_paths_that_do_not_climb_pass_unresolved(path):
    assert routed("/gemini" + path).target == path.encode()


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("?key=K", ""),
        ("?a=1&key=K&b=2", "?a=1&b=2"),
        ("?%6Bey=K&a=%20", "?a=%20"),
        ("?a&&b=&key", "?a&&b="),
        ("?key=1&key=2", ""),
        ("?access_token=t&oauth_token=u&x", "?x"),
        ("?Key=K&xkey=1", "?Key=K&xkey=1"),
        ("?", "?"),
    ],
)
def test_key_parameters_are_cut_out_and_the_rest_stays_as_it_is(query, left):
    assert routed("/gemini/v1/x" + query).target == b"/v1/x" + left.encode()


pieces = st.text("abk=ey%62+.;/?", max_size=6)


@given(st.lists(pieces, max_size=5))
def test_a_query_without_key_parameters_is_byte_identical(parts):
    query = "&".join(f"x{part}" for part in parts)
    assert routed("/gemini/v1/x?" + query).target == b"/v1/x?" + query.encode()


@given(st.text("abc/.%2e5\\:@?&=key#", max_size=30))
def test_whatever_is_routed_stays_below_the_base_and_keeps_its_host(rest):
    found = route(LOCAL, "POST", b"/gemini/" + rest.encode())
    if isinstance(found, Route):
        assert (found.upstream.host, found.upstream.port) == ("127.0.0.1", 1)
        assert found.target.startswith(b"/g/")
        path = rest.partition("?")[0]
        assert found.target.partition(b"?")[0] == b"/g/" + path.encode()


@given(st.text("abcU-./%2fe@:#1", max_size=12))
def test_no_location_leads_away_from_google(location):
    found = route(PLAIN, "POST", f"/vertex_ai/v1/projects/p/locations/{location}/x".encode())
    if isinstance(found, Route):
        assert found.upstream.host.endswith(
            ("-aiplatform.googleapis.com", ".rep.googleapis.com", "aiplatform.googleapis.com")
        )


# --- accounts --------------------------------------------------------------------------------------------------------

MODELS = config(
    {"GEMINI_API_KEY": "default"},
    default_vertex_config=VERTEX,
    model_list=[
        {
            "model_name": "v",
            "litellm_params": {"model": "gemini/veo-3", "api_key": "veo-key", "api_base": "http://127.0.0.1:9"},
        },
        {
            "model_name": "w",
            "litellm_params": {
                "model": "vertex_ai/m",
                "vertex_project": "second",
                "vertex_location": "us-east1",
                "vertex_credentials": SERVICE_ACCOUNT,
            },
        },
    ],
)


def test_a_model_with_an_account_of_its_own_uses_it_for_start_and_poll():
    for path in ("/v1/models/veo-3:predictLongRunning", "/v1/models/veo-3/operations/x"):
        found = routed("/gemini" + path, settings=MODELS)
        assert (found.credential.id, found.upstream.authority) == ("model_list[0]", "127.0.0.1:9")
    assert routed("/gemini/v1/models/other:x", settings=MODELS).credential.id == "gemini"


def test_a_project_in_the_path_finds_its_account():
    path = "/v1/projects/second/locations/us-east1/publishers/google/models/{}:x"
    assert routed("/vertex_ai" + path.format("m"), settings=MODELS).credential.id == "model_list[1]"
    assert routed("/vertex_ai" + path.format("n"), settings=MODELS).credential.id == "model_list[1]"
    other = "/v1/projects/proj/locations/europe-west4/publishers/google/models/m:x"
    assert routed("/vertex_ai" + other, settings=MODELS).credential.id == "vertex_ai"


# --- Live ------------------------------------------------------------------------------------------------------------

VERTEX_LIVE = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
GEMINI_LIVE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


@pytest.mark.parametrize("path", ["/vertex_ai/live", "/vertex-ai/live", "/v1/vertex-ai/live"])
def test_the_short_live_routes_lead_to_vertex_and_keep_no_query(path):
    found = routed(path + "?vertex_project=p2&location=us-east1&model=m&key=K&x=1", "GET")
    assert (found.target, found.is_live, found.is_short_live) == (VERTEX_LIVE.encode(), True, True)
    assert found.upstream.host == "us-east1-aiplatform.googleapis.com"
    assert (found.upstream.project, found.name) == ("p2", "vertex_ai-live")


def test_short_live_routes_default_to_the_configuration_and_then_to_us_central1():
    assert routed("/vertex_ai/live", "GET").upstream.location == "europe-west4"
    assert routed("/vertex_ai/live", "GET", BARE).upstream.location == "us-central1"


def test_the_configured_live_version_is_used_on_short_routes():
    settings = parse_config({"understudy_settings": {**KEYS["understudy_settings"], "live_api_version": "v1"}}, {})
    assert b"aiplatform.v1.Llm" in routed("/vertex_ai/live", "GET", settings).target


@pytest.mark.parametrize("prefix", ["", "/vertex_ai", "/vertex-ai"])
@pytest.mark.parametrize("slashes", ["", "/"])
def test_vertex_live_in_the_sdks_form(prefix, slashes):
    path = slashes + VERTEX_LIVE
    found = routed(f"{prefix}{path}?location=us-east1&keep=1", "GET")
    assert (found.target, found.surface) == (path.encode() + b"?keep=1", Surface.VERTEX_LIVE)
    assert found.upstream.host == "us-east1-aiplatform.googleapis.com"


@pytest.mark.parametrize("prefix", ["", "/gemini"])
@pytest.mark.parametrize("slashes", ["", "/"])
@pytest.mark.parametrize("method", ["", "Constrained"])
def test_gemini_live_in_the_sdks_form(prefix, slashes, method):
    path = slashes + GEMINI_LIVE + method
    found = routed(f"{prefix}{path}?key=K", "GET", LOCAL)
    assert (found.target, found.surface) == (b"/g" + path.encode(), Surface.GEMINI_LIVE)
    assert (found.upstream.authority, found.name) == ("127.0.0.1:1", "gemini-live")


def test_a_live_path_below_the_wrong_prefix_has_no_route():
    assert refused("/gemini" + VERTEX_LIVE, "GET").reason is Reason.NO_ROUTE
    assert refused("/vertex_ai" + GEMINI_LIVE, "GET").reason is Reason.NO_ROUTE


def test_a_live_location_or_project_that_is_none_is_refused():
    assert refused("/vertex_ai/live?location=evil.example%23", "GET").reason is Reason.INVALID_LOCATION
    assert refused("/vertex_ai/live?project_id=a%2Fb", "GET").reason is Reason.INVALID_PROJECT
