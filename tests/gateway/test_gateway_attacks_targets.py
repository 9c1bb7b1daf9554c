"""The choice of the destination attacked on a running gateway (S-26 to S-35, SEC-2, URL-7)."""

import os
import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from attack_stand import KEY_LINE, PATH, field
from gateway_stand import asked, config_of, gateway, request
from upstream_double import answering, double, response

AT_ONCE_S = 0.05
"""One request, one answer, whose status is all that is looked at."""


def places(port: int) -> list[str]:
    """Ways to write the canary's address into a path."""
    host = f"127.0.0.1:{port}"
    return [
        *(f"@{host}/x", f".{host}/x", f":{port}/x", f"//{host}/x", f"/\\{host}/x", f"\\\\{host}\\x", f"/%5c{host}/x"),
        *(
            f"/%2f%2f{host}/x",
            f"/http://{host}/x",
            f"/http:%2f%2f{host}/x",
            f"/x@{host}/y",
            f"/;@{host}/",
            f"/x%23@{host}",
        ),
        *(f"/x%3f@{host}", f"?url=http://{host}/", f"?host={host}&base_url=http://{host}", f"/v1/{host}:80"),
    ]


@pytest.mark.parametrize("place", range(len(places(1))))
async def test_no_path_leads_to_another_host(place):
    """S-26, S-27, S-28, URL-7: it stays path bytes, or is refused; the canary hears nothing."""
    async with field() as attack:
        answers = await attack.hit(
            request("/gemini" + places(attack.canary.port)[place], method="GET", body=None), quiet_s=AT_ONCE_S
        )
        assert answers.statuses[0] in (200, 400, 404)
        for seen in attack.up.requests:
            assert seen.target == places(attack.canary.port)[place].encode()
            assert seen.values(b"host") == [f"127.0.0.1:{attack.up.port}".encode()]


@pytest.mark.parametrize(
    ("target", "method", "statuses"),
    [
        ("http://{canary}/gemini/v1beta/models", "GET", (400,)),
        ("https://{canary}/gemini/v1beta/models", "GET", (400,)),
        ("http://{canary}", "GET", (400,)),
        ("{canary}", "GET", (400,)),
        ("{canary}", "CONNECT", (405, 400)),
        ("*", "OPTIONS", (400,)),
        ("//{canary}/gemini/v1beta/models", "GET", (404, 400)),
        ("gemini/v1beta/models", "GET", (400,)),
        ("/geminix/v1beta/models", "GET", (404,)),
        ("/gemini@{canary}/v1beta", "GET", (404,)),
        ("/gemini:80/v1beta", "GET", (404,)),
        ("/gemini.{canary}/v1beta", "GET", (404,)),
        ("/gemini%2fv1beta/models", "GET", (404,)),
        ("/gemini", "GET", (400,)),
        ("/gemini?x", "GET", (400,)),
    ],
)
async def test_targets_that_are_no_path_below_a_prefix_are_refused(target, method, statuses):
    """S-27, URL-12."""
    async with field() as attack:
        raw = target.format(canary=f"127.0.0.1:{attack.canary.port}")
        answers = await attack.hit(request(raw, method=method, body=None), quiet_s=AT_ONCE_S)
        assert answers.statuses[0] in statuses
        assert attack.up.connections == 0


@pytest.mark.parametrize(
    "path",
    [
        *("/../x", "/%2e%2e/x", "/.%2E/x", "/a/../../x", "/a/%2e%2e/%2e%2e/x", "/a%2f..%2f..%2fx", "/..%5cx", "/..\\x"),
        *("/./../x", "//../x", "/a//../../x", "/%2e%2e%2f%2e%2e%2fx", "/.."),
    ],
)
async def test_a_path_that_climbs_above_the_base_is_refused(path):
    """S-29, URL-7: decoded once."""
    async with field(base=lambda up: up.url + "/base") as attack:
        answers = await attack.hit(request("/gemini" + path, method="GET", body=None), quiet_s=AT_ONCE_S)
        assert answers.statuses[:1] == [400]
        assert attack.up.connections == 0


@pytest.mark.parametrize("path", ["/a/../x", "/a/%2e%2e/x", "/a/./x", "/%252e%252e/x", "/...", "/a..b/x"])
async def test_below_the_base_a_path_goes_on_as_it_came(path):
    """S-29, URL-1: not resolved."""
    async with field(base=lambda up: up.url + "/base") as attack:
        assert (await attack.asked(request("/gemini" + path, method="GET", body=None))).status == 200
        assert attack.up.requests[0].target == b"/base" + path.encode()


LOCATIONS = [
    *("evil.example%23", "x@evil", "a%2Fb", "a:1", "a%00", "US", "", "a%0A", "us-central1%0A", "-a", "a-", "a" * 41),
    *("%E2%80%8Bus", "us%20central1", "us.central1", "1us", "us%2525", "us%23", "us%3F"),
]


@pytest.mark.parametrize("location", LOCATIONS)
async def test_a_location_that_is_none_is_refused(location):
    """S-30, URL-8: the decoded value is held against the pattern, whole."""
    async with field() as attack:
        target = f"/vertex_ai/v1/projects/p/locations/{location}/publishers/google/models/m:countTokens"
        answers = await attack.hit(request(target), quiet_s=AT_ONCE_S)
        assert answers.statuses[:1] == [400]
        live = f"/vertex_ai/live?project_id=p&location={location or '%20'}"
        upgrade = (
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + b"A" * 22
        )
        answers = await attack.hit(
            b"GET " + live.encode() + b" HTTP/1.1\r\nHost: x\r\n" + KEY_LINE + upgrade + b"==\r\n\r\n",
            quiet_s=AT_ONCE_S,
        )
        assert answers.statuses[:1] == [400]
        assert attack.up.connections == 0


@pytest.mark.parametrize("project", ["a%2Fb", "..", "a..b", "A", "", "a%00", "a" * 64, "a%0A", "a%20b", "a@b"])
async def test_a_project_that_is_none_is_refused(project):
    """S-30."""
    async with field() as attack:
        target = f"/vertex_ai/v1/projects/{project}/locations/us-central1/publishers/google/models/m:countTokens"
        answers = await attack.hit(request(target), quiet_s=AT_ONCE_S)
        assert answers.statuses[:1] == [400]
        assert attack.up.connections == 0


async def test_no_field_parameter_or_body_key_names_a_host():
    """S-31, SEC-2, BODY-2: all pass or are dropped, and none is followed."""
    async with field() as attack:
        canary = f"127.0.0.1:{attack.canary.port}"
        url = f"http://{canary}/"
        fields = [
            *(("Forwarded", f"host={canary}"), ("X-Forwarded-Host", canary), ("X-Forwarded-Proto", "https")),
            *(("X-Original-URL", url), ("X-Rewrite-URL", url), ("X-HTTP-Method-Override", "DELETE")),
            *(("X-Goog-Api-Base", url), ("x-litellm-api-base", url), ("Proxy-Connection", canary), ("X-Host", canary)),
        ]
        body = b'{"api_base": "%b", "base_url": "%b", "proxy": "%b", "uri": "%b", "fileUri": "%b"}' % (
            (url.encode(),) * 5
        )
        data = request(f"{PATH}?api_base={url}&host={canary}&proxy={url}", headers=fields, body=body)
        assert (await attack.asked(data.replace(b"Host: gateway.example", b"Host: " + canary.encode()))).status == 200
        (seen,) = attack.up.requests
        assert (seen.request_line.split()[0], seen.body) == (b"POST", body)
        assert seen.values(b"host") == [f"127.0.0.1:{attack.up.port}".encode()]


@pytest.mark.parametrize(
    "status", [b"301 Moved", b"302 Found", b"303 See", b"307 Temporary", b"308 Permanent", b"200 OK"]
)
async def test_nothing_that_an_answer_points_to_is_followed(status):
    """S-32, STR-11: it is the client's business."""
    async with field() as attack:
        url = b"http://127.0.0.1:%d/" % attack.canary.port
        names = (b"Location", b"Refresh", b"Alt-Svc", b"x-goog-upload-url", b"Content-Location")
        pointing = b"".join(b"%b: %b\r\n" % (name, url) for name in names)
        attack.up.script = answering(b"HTTP/1.1 " + status + b"\r\n" + pointing + b"Content-Length: 0\r\n\r\n")
        reply = await attack.asked(request(PATH))
        assert reply.status == int(status[:3])
        assert all(reply.value(name) == url for name in names)


async def test_proxies_of_the_environment_and_netrc_are_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path):
    """S-33."""
    async with field() as attack:
        canary = f"http://127.0.0.1:{attack.canary.port}"
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, canary)
        monkeypatch.delenv("NO_PROXY", raising=False)
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login evil password netrc-secret\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", os.fspath(netrc))
        async with gateway(attack.up.url) as other:
            attack.running, other = other, attack.running
            assert (await attack.asked(request(PATH))).status == 200
            attack.running = other
        assert attack.up.requests[-1].values(b"authorization") == []


# S-34: tests/gateway/test_gateway_destinations.py dials, over HTTP and Live, a host that is not on the list.


@pytest.mark.parametrize("fault", ["another's roots", "another's name", "expired"])
async def test_a_provider_whose_certificate_does_not_hold_gets_no_request(fault, tmp_path):
    """S-35, SEC-3: a 502, and not a byte of the request."""
    ca = trustme.CA()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    name = "other.example" if fault == "another's name" else "127.0.0.1"
    until = datetime.now(UTC) - timedelta(days=1) if fault == "expired" else None
    ca.issue_cert(name, not_after=until).configure_cert(serving)
    trusted = trustme.CA() if fault == "another's roots" else ca
    trusted.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with double(answering(response(b"{}")), tls=serving) as up:
        config = config_of(up.url.replace("http", "https"), upstream_ca=str(tmp_path / "ca.pem"))
        async with gateway("", config=config) as running:
            reply = await asked(running, request(PATH))
            assert (reply.status, reply.reason) == (502, "UNREACHABLE")
            assert up.requests == []
