"""Configured endpoints, `pass_through_endpoints`: targets, queries, headers, cost (S-22 to S-29, SEC-2, COST-10)."""

from decimal import Decimal

import pytest
from gateway_stand import KEY, asked, gateway, recorded, request
from hypothesis import given
from hypothesis import strategies as st
from upstream_double import answering, double, response

from understudy.errors import ConfigError
from understudy_gateway.config import parse_config
from understudy_gateway.refusals import Reason, Refusal
from understudy_gateway.routes import Route
from understudy_gateway.routing import route


def config(*endpoints: dict[str, object], environ=None, **ours):
    settings = {"keys": [{"id": "team", "key": KEY, **ours.pop("key_words", {})}], **ours}
    general = {"pass_through_endpoints": list(endpoints)}
    return parse_config({"general_settings": general, "understudy_settings": settings}, environ or {})


def endpoint(path="/bria", target="https://bria.example", **words) -> dict[str, object]:
    return {"path": path, "target": target, **words}


def found(settings, target: str, method="POST"):
    return route(settings, method, target.encode("latin-1"))


def url(settings, target: str) -> str:
    chosen = found(settings, target)
    assert isinstance(chosen, Route), chosen
    return f"{chosen.upstream.scheme}://{chosen.upstream.authority}{chosen.target.decode()}"


# --- targets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "asked_for", "sent"),
    [
        ("https://h.example", "/bria", "https://h.example/"),
        ("https://h.example/x", "/bria", "https://h.example/x"),
        ("https://h.example/x/", "/bria", "https://h.example/x/"),
        ("https://h.example/x/", "/bria/v1/y", "https://h.example/x/v1/y"),  # URL-5: one slash at the joint
        ("https://h.example/x", "/bria/v1/y", "https://h.example/x/v1/y"),
        ("https://h.example:8443/x", "/bria/", "https://h.example:8443/x/"),
        ("https://h.example", "/bria/a%2Fb//c%3F?q=%20&q=+", "https://h.example/a%2Fb//c%3F?q=%20&q=+"),
        ("https://h.example", "/bria//evil.example/x", "https://h.example//evil.example/x"),  # S-28
        ("https://h.example", "/bria/@evil.example", "https://h.example/@evil.example"),
        ("https://h.example", "/bria/http://evil.example", "https://h.example/http://evil.example"),
    ],
)
def test_what_follows_the_path_goes_on_as_it_came(target, asked_for, sent):
    assert url(config(endpoint(target=target, include_subpath=True)), asked_for) == sent


@pytest.mark.parametrize(
    "target", ["/bria@evil.example", "/bria.evil.example", "/briax", "/Bria", "/bri%61", "/x/bria"]
)
def test_a_prefix_that_no_slash_follows_is_no_match(target):
    # S-26, S-27
    chosen = found(config(endpoint(include_subpath=True)), target)
    assert isinstance(chosen, Refusal) and chosen.reason is Reason.NO_ROUTE


@pytest.mark.parametrize("target", ["/bria/v1", "/bria/"])
def test_without_include_subpath_only_the_path_itself_leads_on(target):
    assert isinstance(found(config(endpoint()), target), Refusal)
    assert url(config(endpoint()), "/bria?a=1") == "https://bria.example/?a=1"


@pytest.mark.parametrize("rest", ["/..", "/%2e%2e/x", "/a/../../x", "/a%2f..%2f..%2f..", "/\\..\\..\\x"])
def test_a_path_that_climbs_is_refused(rest):
    # S-29, URL-7
    chosen = found(config(endpoint(target="https://h.example/base", include_subpath=True)), "/bria" + rest)
    assert isinstance(chosen, Refusal) and chosen.reason is Reason.PATH_CLIMBS


def test_the_longest_path_counts():
    settings = config(
        endpoint("/a", "https://one.example", include_subpath=True),
        endpoint("/a/b", "https://two.example", include_subpath=True),
        endpoint("/a/b/c", "https://three.example"),
    )
    hosts = [url(settings, path).split("/")[2] for path in ("/a/x", "/a/b/x", "/a/b/c", "/a/b/c/d")]
    assert hosts == ["one.example", "two.example", "three.example", "two.example"]


def test_other_methods_are_refused_and_the_answer_names_those_that_pass():
    settings = config(endpoint(methods=["get", "POST"]))
    refusal = found(settings, "/bria", "DELETE")
    assert isinstance(refusal, Refusal) and (refusal.reason, refusal.name) == (Reason.METHOD_REFUSED, "GET, POST")
    assert isinstance(found(settings, "/bria", "GET"), Route)


@given(st.text("abc/.%2e5\\:@?&=key#", max_size=30))
def test_whatever_is_asked_the_host_is_the_configured_one(rest):
    # SEC-2, S-31
    chosen = found(config(endpoint(target="https://h.example/base", include_subpath=True)), "/bria" + rest)
    if isinstance(chosen, Route):
        assert (chosen.upstream.scheme, chosen.upstream.host, chosen.upstream.port) == ("https", "h.example", 443)
        assert chosen.target.startswith(b"/base")


# --- queries ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "query", "sent"),
    [
        ({}, "", "?own=1&a=0"),  # the target's own stands where there is no other
        ({}, "?a=1&a=2&b", "?a=1&a=2&b"),
        ({"merge_query_params": True}, "?a=1&a=2", "?a=1&a=2&own=1"),
        ({"merge_query_params": True}, "?own=9", "?own=9&a=0"),
        ({"default_query_params": {"a": "x", "b": "y z&"}}, "?%61=1", "?%61=1&b=y%20z%26"),
        ({"default_query_params": {"v": 2, "w": True}}, "", "?own=1&a=0&v=2&w=true"),
        ({}, "?key=sk-other&a=1", "?a=1"),
        ({}, "?key=sk-other", "?own=1&a=0"),
        ({}, "?access_token=t&%6bey=u&a=1", "?a=1"),
    ],
)
def test_queries(words, query, sent):
    settings = config(endpoint(target="https://h.example/?own=1&a=0", **words))
    assert url(settings, "/bria" + query) == "https://h.example/" + sent


# --- the configuration -----------------------------------------------------------------------------------------------


def problems(*endpoints, environ=None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config(*endpoints, environ=environ)
    return [line.partition("pass_through_endpoints")[2] for line in str(caught.value).splitlines()]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"path": "bria"}, "[0].path: a path such as /bria is wanted"),
        ({"path": "/"}, "[0].path: a path such as /bria is wanted"),
        ({"path": "/a/*"}, "[0].path: a path such as /bria is wanted"),
        ({"path": "/a?b"}, "[0].path: a path such as /bria is wanted"),
        ({"path": "/gemini/x"}, "[0].path: the gateway has routes of its own there"),
        ({"path": "/vertex_ai"}, "[0].path: the gateway has routes of its own there"),
        ({"path": "/health"}, "[0].path: the gateway has routes of its own there"),
        ({"target": "ftp://h"}, "[0].target: a URL such as https://host or http://host:8900/path is wanted"),
        ({"target": "https://user:pw@h.example"}, "[0].target: a URL without user, query and fragment is wanted"),
        ({"target": "https://h.example/#x"}, "[0].target: a URL without user, query and fragment is wanted"),
        ({"headers": {"Host": "x"}}, "[0].headers.Host: this header cannot be set"),
        ({"headers": {"content-length": "1"}}, "[0].headers.content-length: this header cannot be set"),
        ({"headers": {"a b": "x"}}, "[0].headers.a b: this header cannot be set"),
        ({"headers": {"x": "a\r\nb: c"}}, "[0].headers.x: the value cannot stand in a header"),
        ({"headers": {"x": "Bearer os.environ/NONE"}}, "[0].headers.x: the environment variable NONE is not set"),
        ({"methods": ["TRACE"]}, "[0].methods: methods are DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),
        ({"timeout": 0}, "[0].timeout: more than 0 seconds are wanted"),
        ({"cost_per_request": -1}, "[0].cost_per_request: a number that is not negative is wanted"),
        ({"forward_header": True}, "[0].forward_header: unknown word (did you mean 'forward_headers'?)"),
    ],
)
def test_mistakes_are_named_with_their_place(words, said):
    (line,) = problems({**endpoint(), **words})
    assert line == said


def test_what_is_missing_or_twice_is_named():
    assert problems({"target": "https://h.example"}) == ["[0]: path is missing"]
    assert problems({"path": "/a"}) == ["[0]: target is missing"]
    assert problems(endpoint(), endpoint("/bria/")) == ["[1].path: another endpoint has this path"]


def test_everything_is_read():
    settings = config(
        endpoint(
            "/a/",
            "http://127.0.0.1:9/x?v=1",
            headers={"Authorization": "Bearer os.environ/KEY", "x-n": 7},
            forward_headers=True,
            include_subpath=True,
            merge_query_params=True,
            default_query_params={"d": "1"},
            methods=["POST"],
            timeout=3,
            cost_per_request="0.1",
            auth=False,
        ),
        environ={"KEY": "secret-of-the-endpoint"},
    )
    (one,) = settings.endpoints
    assert (one.path, one.base.path, one.query, one.methods, one.timeout_s) == (b"/a", "/x", b"v=1", ("POST",), 3.0)
    assert (one.forwards_headers, one.includes_subpath, one.merges_query) == (True, True, True)
    assert one.cost_per_request == Decimal("0.1")
    assert [notice.rpartition("auth: ")[2] for notice in settings.notices] == [
        "has no effect: a gateway key is always wanted here"
    ]
    assert "secret-of-the-endpoint" not in repr(settings)


# --- on the wire -----------------------------------------------------------------------------------------------------

SECRET = "the-endpoints-own-secret"
CLIENTS = [
    ("User-Agent", "test/1"),
    ("Content-Type", "application/json"),
    ("Accept", "a/b"),
    ("X-Api-Token", "from the client"),
    ("X-Other", "1"),
    ("X-Other", "2"),
    ("Cookie", "c=1"),
    ("Authorization", "Bearer the-clients-own-token"),
    ("Connection", "keep-alive, x-pass-x-hop"),
    ("x-pass-x-hop", "1"),
    ("x-pass-X-Special", "s"),
    ("x-litellm-tags", "t"),
]


async def passed(
    words, headers=CLIENTS, target="/up/v1?a=1", key_words=None, method="POST", said=b"{}", status=b"200 OK"
):
    async with double(answering(response(said, status=status))) as provider:
        one = endpoint("/up", provider.url + "/base", include_subpath=True, headers={"x-api-token": SECRET}, **words)
        settings = config(one, key_words=key_words or {})
        async with gateway("", config=settings) as running:
            reply = await asked(running, request(target, method=method, headers=headers, body=b'{"a" : 1}'))
            records = await recorded(running) if reply.status != 403 else []
    return reply, provider.requests, records


async def test_without_forward_headers_only_what_describes_the_body_goes_up():
    reply, (seen,), _ = await passed({})
    names = [name.decode().lower() for name, _ in seen.fields]
    assert (reply.status, seen.target, seen.body) == (200, b"/base/v1?a=1", b'{"a" : 1}')
    assert names == ["host", "content-type", "accept", "x-special", "x-api-token", "content-length"]
    assert seen.values(b"x-api-token") == [SECRET.encode()]


async def test_with_forward_headers_all_goes_up_but_credentials_and_what_is_fixed():
    _, (seen,), _ = await passed({"forward_headers": True})
    names = sorted({name.decode().lower() for name, _ in seen.fields})
    described = ["accept", "content-length", "content-type", "host"]
    assert names == sorted([*described, "cookie", "user-agent", "x-api-token", "x-other", "x-special"])
    assert seen.values(b"x-other") == [b"1", b"2"]
    assert seen.values(b"x-api-token") == [SECRET.encode()]  # S-24: the gateway's own, once
    assert KEY.encode() not in seen.head and b"the-clients-own-token" not in seen.head  # AUTH-5, S-1


@pytest.mark.parametrize("forwards", [False, True])
@pytest.mark.parametrize("name", ["x-pass-authorization", "x-pass-host", "x-pass-cookie", "x-pass-x-pass-a"])
async def test_x_pass_has_the_same_limits_as_everywhere(forwards, name):
    # S-22, S-23
    async with double() as provider:
        settings = config(endpoint("/up", provider.url, forward_headers=forwards))
        async with gateway("", config=settings) as running:
            reply = await asked(running, request("/up", headers=[(name, "v")]))
    assert (reply.status, reply.reason, provider.requests) == (400, "HEADER_DENIED", [])


async def test_x_pass_cannot_set_what_the_endpoint_fixes():
    _, (seen,), _ = await passed({}, headers=[("x-pass-x-api-token", "mine")])
    assert seen.values(b"x-api-token") == [SECRET.encode()]


@pytest.mark.parametrize("key", [None, "sk-wrong-key-0123456789"])
async def test_a_key_is_always_wanted(key):
    # AUTH-2, whatever `auth` says
    async with double() as provider:
        settings = config(endpoint("/up", provider.url, auth=False))
        async with gateway("", config=settings) as running:
            reply = await asked(running, request("/up", key=key))
    assert (reply.status, provider.requests) == (401, [])


@pytest.mark.parametrize(
    ("words", "status", "cost", "known"),
    [
        ({"cost_per_request": "0.0400"}, b"200 OK", Decimal("0.04"), "exact"),
        ({"cost_per_request": 0}, b"200 OK", Decimal(0), "exact"),
        ({"cost_per_request": "0.04"}, b"500 Oops", Decimal(0), "exact"),  # COST-5
        ({}, b"200 OK", None, "unknown"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_each_request_costs_what_is_configured(words, status, cost, known, method):
    _, _, (record,) = await passed(words, status=status, method=method)
    assert (record.cost, record.known, record.route, record.provider) == (cost, known, "/up", "pass_through")
    assert (record.key_id, record.tags) == ("team", ("t",))  # COST-10


async def test_usage_in_an_answer_is_not_taken_for_googles():
    said = b'{"usageMetadata":{"promptTokenCount":1000000},"modelVersion":"gemini-2.5-flash"}'
    _, _, (record,) = await passed({"cost_per_request": "0.01"}, said=said)
    assert (record.cost, record.usage) == (Decimal("0.01"), None)


async def test_the_price_counts_against_the_budget():
    # COST-12
    async with double() as provider:
        words = {"max_budget": 0.05}
        settings = config(endpoint("/up", provider.url, cost_per_request="0.03"), key_words=words)
        async with gateway("", config=settings) as running:
            statuses = [(await asked(running, request("/up", method="GET", body=None))).status for _ in range(3)]
    assert statuses == [200, 200, 429]


async def test_a_list_of_models_says_nothing_about_endpoints():
    reply, seen, _ = await passed({}, key_words={"models": ["gemini-2.5-flash"]}, target="/up/a%2Fb")
    assert (reply.status, len(seen)) == (200, 1)


async def test_the_time_to_the_first_byte_may_be_the_endpoints_own():
    async def silent(talk, seen):
        await talk.left()

    async with double(silent) as provider:
        settings = config(endpoint("/up", provider.url, timeout=0.05))
        async with gateway("", config=settings) as running:
            reply = await asked(running, request("/up"))
    assert (reply.status, reply.reason) == (504, "FIRST_BYTE_TIMEOUT")


async def test_a_refused_method_is_a_405_that_names_the_others():
    async with (
        double() as provider,
        gateway("", config=config(endpoint("/up", provider.url, methods=["PUT"]))) as running,
    ):
        reply = await asked(running, request("/up"))
    assert (reply.status, reply.value(b"allow"), provider.requests) == (405, b"PUT", [])
