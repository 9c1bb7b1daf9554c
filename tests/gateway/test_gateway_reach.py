"""How the gateway is reached: a prefix of its own, every route that users know, every method; and who pays."""

import pytest
from gateway_stand import KEY, UPSTREAM_KEY, asked, gateway, request
from hypothesis import given
from hypothesis import strategies as st
from upstream_double import double, response
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from understudy.errors import ConfigError
from understudy_gateway.config import parse_config
from understudy_gateway.providers import discovery_host
from understudy_gateway.refusals import Refusal
from understudy_gateway.routes import Route
from understudy_gateway.routing import METHODS, mounted, route

OURS = {"understudy_settings": {"keys": [{"id": "team", "key": KEY}]}}
ENVIRON = {"GEMINI_API_KEY": "AIza", "VERTEX_API_KEY": "AIza", "DEFAULT_VERTEXAI_PROJECT": "proj"}
PLAIN = parse_config(OURS, ENVIRON)

# --- a prefix of its own (URL-6) -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "below"),
    [
        (b"/llm/gemini/v1?a=/llm", b"/gemini/v1?a=/llm"),
        (b"/llm", b"/"),
        (b"/llm?a", b"/?a"),
        (b"/llm/", b"/"),
        (b"/llm//x", b"//x"),
        (b"/llmx/gemini", b"/llmx/gemini"),
        (b"/LLM/gemini", b"/LLM/gemini"),
        (b"/ll%6D/gemini", b"/ll%6D/gemini"),
        (b"/gemini/v1", b"/gemini/v1"),
        (b"/llm/llm/gemini", b"/llm/gemini"),
    ],
)
def test_the_prefix_is_cut_off_once(target, below):
    assert mounted(b"/llm", target) == below


@pytest.mark.parametrize("prefix", ["/llm", ""])
async def test_below_a_prefix_everything_works_and_the_provider_does_not_hear_of_it(prefix):
    environ = {"SERVER_ROOT_PATH": "/llm/", "GEMINI_API_KEY": UPSTREAM_KEY}
    async with double() as provider:
        settings = parse_config(OURS, {**environ, "GEMINI_API_BASE": provider.url})
        async with gateway("", config=settings) as running:
            health = await asked(running, request(prefix + "/health/readiness", method="GET", body=None, key=None))
            reply = await asked(running, request(prefix + "/gemini/v1beta/models/m%2Fx:generateContent?a=%20"))
            nowhere = await asked(running, request(prefix + "/gemin/v1"))
            live = await asked(running, request(prefix + "/vertex_ai/live", method="GET", body=None))
    assert (health.status, reply.status, nowhere.status, live.status) == (200, 200, 404, 426)
    assert [seen.target for seen in provider.requests] == [b"/v1beta/models/m%2Fx:generateContent?a=%20"]


async def test_rewritten_urls_have_the_prefix_by_which_the_client_came():
    async def script(talk, seen):
        await talk.send(response(b'{"uri":"http://%b/v1beta/files/a:download"}' % seen.values(b"host")[0]))

    async with double(script) as provider:
        ours = {"understudy_settings": {**OURS["understudy_settings"], "rewrite_urls": True}}
        environ = {"SERVER_ROOT_PATH": "/llm", "GEMINI_API_KEY": UPSTREAM_KEY, "GEMINI_API_BASE": provider.url}
        async with gateway("", config=parse_config(ours, environ)) as running:
            bodies = [
                (await asked(running, request(prefix + "/gemini/v1beta/files/a", method="GET", body=None))).body
                for prefix in ("/llm", "")
            ]
    assert bodies == [
        b'{"uri":"http://gateway.example%b/gemini/v1beta/files/a:download"}' % prefix for prefix in (b"/llm", b"")
    ]


@pytest.mark.parametrize("text", ["llm", "/a?b", "/a b", "//x", "/a/../b%2e"])
def test_a_prefix_that_is_none_is_a_mistake(text):
    with pytest.raises(ConfigError, match="environment: SERVER_ROOT_PATH: a path such as /llm is wanted"):
        parse_config(OURS, {"SERVER_ROOT_PATH": text})


# --- routes (WS-1, section 14) ---------------------------------------------------------------------------------------

GEMINI_HOST, VERTEX_HOST = "generativelanguage.googleapis.com", "us-central1-aiplatform.googleapis.com"
GEMINI_LIVE = "/ws/google.ai.generativelanguage.{}.GenerativeService.{}"
VERTEX_LIVE = "/ws/google.cloud.aiplatform.{}.LlmBidiService/BidiGenerateContent"
LIVE = [
    *(
        (prefix + slash + GEMINI_LIVE.format(version, method), "gemini-live", GEMINI_HOST)
        for prefix in ("", "/gemini")
        for slash in ("", "/")
        for version in ("v1alpha", "v1beta", "v1")
        for method in ("BidiGenerateContent", "BidiGenerateContentConstrained", "BidiGenerateMusic")
    ),
    *(
        (prefix + slash + VERTEX_LIVE.format(version), "vertex_ai-live", VERTEX_HOST)
        for prefix in ("", "/vertex_ai", "/vertex-ai")
        for slash in ("", "/")
        for version in ("v1", "v1beta1")
    ),
]


@pytest.mark.parametrize(("target", "name", "host"), LIVE)
def test_every_live_path_of_the_sdks_is_known_and_forwarded_as_received(target, name, host):
    found = route(PLAIN, "GET", (target + "?key=k&x=1").encode())
    assert isinstance(found, Route), found
    path = target[target.index("/ws/") - target.count("//") :]
    assert (found.name, found.upstream.host, found.target.decode(), found.is_live) == (name, host, path + "?x=1", True)


@pytest.mark.parametrize("target", ["/vertex_ai/live", "/v1/vertex-ai/live", "/vertex-ai/live"])
def test_every_short_live_route_is_known(target):
    found = route(PLAIN, "GET", target.encode() + b"?key=k&x=1&location=europe-west4")
    assert isinstance(found, Route), found
    path = VERTEX_LIVE.format("v1beta1")
    assert (found.name, found.target.decode(), found.is_short_live) == ("vertex_ai-live", path, True)
    assert found.upstream.host == "europe-west4-aiplatform.googleapis.com"


HTTP = [
    ("/gemini/v1beta/models/m:generateContent", "gemini", GEMINI_HOST),
    ("/gemini/upload/v1beta/files", "gemini", GEMINI_HOST),
    *(
        (prefix + path, "vertex_ai", host)
        for prefix in ("/vertex_ai", "/vertex-ai")
        for path, host in (
            ("/v1/publishers/google/models/m:generateContent", "aiplatform.googleapis.com"),  # express: no location
            ("/v1/projects/p/locations/global/publishers/google/models/m:x", "aiplatform.googleapis.com"),
            ("/v1/projects/p/locations/us/publishers/google/models/m:x", "aiplatform.us.rep.googleapis.com"),
            ("/v1/projects/p/locations/eu/publishers/google/models/m:x", "aiplatform.eu.rep.googleapis.com"),
            ("/v1/projects/p/locations/us-central1/endpoints/7:predict", VERTEX_HOST),
            ("/v1/projects/p/locations/us-central1/endpoints/openapi/chat/completions", VERTEX_HOST),
            ("/v1/projects/p/locations/us-central1/publishers/anthropic/models/c:rawPredict", VERTEX_HOST),
            ("/v1/projects/p/locations/us-central1/publishers/anthropic/models/c:streamRawPredict", VERTEX_HOST),
        )
    ),
    *(
        (f"{prefix}/discovery/v1/projects/p/locations/{location}/servingConfigs/c:search", "discovery", host)
        for prefix in ("/vertex_ai", "/vertex-ai")
        for location, host in (
            ("global", "discoveryengine.googleapis.com"),
            ("us", "us-discoveryengine.googleapis.com"),
            ("eu", "eu-discoveryengine.googleapis.com"),
        )
    ),
]


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize(("target", "name", "host"), HTTP)
def test_every_http_route_is_known_for_every_method(target, name, host, method):
    # URL-8, URL-9, URL-12
    found = route(PLAIN, method, target.encode() + b"?a=%20&key=k&b")
    assert isinstance(found, Route), found
    path = target[target.index("/", 1) :].removeprefix("/discovery")
    assert (found.name, found.upstream.host, found.target.decode()) == (name, host, path + "?a=%20&b")


# --- Discovery Engine ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "sent", "host"),
    [
        ("/v1/projects/p/locations/eu/x", "/v1/projects/p/locations/eu/x", discovery_host("eu")),
        ("/v1alpha/x:y?a=1&a=2", "/v1alpha/x:y?a=1&a=2", discovery_host(None)),  # never completed
        ("/v1/projects/p%3Ae/locations/global/a%2Fb//c", "/v1/projects/p%3Ae/locations/global/a%2Fb//c",
         discovery_host(None)),
    ],
)  # fmt: skip
def test_discovery_paths_go_on_as_they_came(target, sent, host):
    found = route(PLAIN, "POST", b"/vertex_ai/discovery" + target.encode())
    assert isinstance(found, Route)
    assert (found.target.decode(), found.upstream.host, found.upstream.port) == (sent, host, 443)


@pytest.mark.parametrize("location", ["evil.example%23", "x@evil", "a%2Fb", "US", "", "a:1", "a%00", "us%0a"])
def test_a_discovery_location_that_is_none_is_refused(location):
    # S-30
    found = route(PLAIN, "POST", f"/vertex_ai/discovery/v1/projects/p/locations/{location}/x".encode())
    assert isinstance(found, Refusal) and found.reason.name == "INVALID_LOCATION"


@pytest.mark.parametrize("rest", ["/..", "/%2e%2e/x", "/v1/../../x"])
def test_a_discovery_path_may_not_climb(rest):
    found = route(PLAIN, "POST", b"/vertex_ai/discovery" + rest.encode())
    assert isinstance(found, Refusal) or not found.target.startswith(b"/discovery")


@given(st.text("abcU-./%2fe@:#1", max_size=12))
def test_no_location_leads_discovery_away_from_google(location):
    found = route(PLAIN, "POST", f"/vertex_ai/discovery/v1/projects/p/locations/{location}/x".encode())
    if isinstance(found, Route):
        assert found.upstream.host.endswith("discoveryengine.googleapis.com")


async def test_discovery_gets_the_vertex_credential_and_its_cost_is_unknown():
    from gateway_stand import recorded

    path = "/v1/projects/p/locations/global/collections/c/engines/e/servingConfigs/s:search"
    async with double() as provider, gateway(provider.url) as running:
        reply = await asked(running, request("/vertex_ai/discovery" + path, body=b'{"query" : "q"}'))
        listed = await asked(running, request("/vertex_ai/discovery" + path[:-7], method="GET", body=None))
        first, second = await recorded(running, 2)
    assert (reply.status, listed.status) == (200, 200)
    assert (provider.requests[0].target.decode(), provider.requests[0].body) == (path, b'{"query" : "q"}')
    assert provider.requests[0].values(b"x-goog-api-key") == [UPSTREAM_KEY.encode()]
    assert (first.route, first.known, second.cost) == ("discovery", "unknown", 0)


# --- who pays (S-5) --------------------------------------------------------------------------------------------------

NAMED = [("x-goog-user-project", "client-project"), ("X-Pass-X-Goog-User-Project", "client-project")]


@pytest.mark.parametrize(("pinned", "wanted"), [(None, [b"client-project"] * 2), ("ours", [b"ours"])])
@pytest.mark.parametrize("path", ["/gemini/v1beta/models/m:x", "/vertex_ai/v1/projects/p/locations/l/x"])
async def test_the_clients_project_pays_unless_another_is_pinned(pinned, wanted, path):
    words = {"user_project": pinned} if pinned else {}
    async with double() as provider, gateway(provider.url, **words) as running:
        await asked(running, request(path, headers=NAMED))
        await asked(running, request(path))
    named, plain = provider.requests
    assert named.values(b"x-goog-user-project") == wanted
    assert plain.values(b"x-goog-user-project") == ([b"ours"] if pinned else [])


@pytest.mark.parametrize(("pinned", "left"), [(None, b"?a=1&%24userProject=x&userProject=y"), ("ours", b"?a=1")])
async def test_nor_can_the_query_name_another(pinned, left):
    words = {"user_project": pinned} if pinned else {}
    async with double() as provider, gateway(provider.url, **words) as running:
        await asked(running, request("/gemini/v1beta/models/m:x?a=1&%24userProject=x&userProject=y"))
    assert provider.requests[0].target == b"/v1beta/models/m:x" + left


@pytest.mark.parametrize(("pinned", "wanted"), [(None, "client-project"), ("ours", "ours")])
async def test_on_live_too(pinned, wanted):
    heads = []

    async def provider(session):
        heads.append(session.request.headers)

    async with serve(provider, "127.0.0.1", 0) as server:
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with gateway(base, **({"user_project": pinned} if pinned else {})) as running:
            url = running.http_url.replace("http", "ws") + "/vertex_ai/live?project_id=p"
            async with connect(url, additional_headers=[*NAMED[:1], ("x-goog-api-key", KEY)]) as session:
                await session.wait_closed()
    assert heads[0].get_all("x-goog-user-project") == [wanted]


# --- methods (URL-12) ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", sorted(METHODS))
async def test_every_method_passes_with_its_body(method):
    body = None if method in ("GET", "HEAD") else b"\0body"
    async with double() as provider, gateway(provider.url) as running:
        reply = await asked(running, request("/gemini/v1beta/x", method=method, body=body), is_head=method == "HEAD")
    (seen,) = provider.requests
    assert (reply.status, reply.value(b"content-length")) == (200, b"2")
    assert (seen.request_line, seen.body) == (method.encode() + b" /v1beta/x HTTP/1.1", body or b"")
