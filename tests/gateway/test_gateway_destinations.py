"""Where the gateway connects to: hosts on a list, never itself; Unix sockets at both ends; over HTTP and Live."""

import asyncio
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gateway_process import process, refused
from gateway_stand import BOOK, KEY, UPSTREAM_KEY, Client, Gateway, asked, config_of, gateway, recorded, request
from live_doubles import RawServer, connect, handshake
from test_upstream_transport import WAIT_S
from upstream_double import double, response

from understudy.errors import ConfigError
from understudy_gateway.destinations import Destinations, is_below
from understudy_gateway.listeners import Listen
from understudy_gateway.settings import Base

LIVE = b"/gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
KEY_FIELD = b"x-goog-api-key: sk-gateway-key-0123456789"


@pytest.mark.parametrize(
    ("scheme", "host", "is_allowed"),
    [
        ("https", "aiplatform.googleapis.com", True),
        ("https", "GOOGLEAPIS.COM.", True),
        ("wss", "us-central1-aiplatform.googleapis.com", True),
        ("https", "evilgoogleapis.com", False),
        ("https", "googleapis.com.evil.example", False),
        ("http", "generativelanguage.googleapis.com", False),
        ("ws", "generativelanguage.googleapis.com", False),
        ("https", "169.254.169.254", False),
        ("http", "127.0.0.1", True),
        ("http", "127.9.9.9", True),
        ("http", "localhost", True),
        ("http", "::1", True),
        ("http", "unix:/run/x", True),
        ("https", "0.0.0.0", False),
    ],
)
def test_a_host_is_connected_to_only_below_the_list(scheme, host, is_allowed):  # S-34
    assert Destinations().allows(scheme, host) is is_allowed


def test_an_address_is_below_nothing_but_itself():
    assert is_below("10.0.0.1", ("10.0.0.1",))
    assert not is_below("9.10.0.0.1", ("10.0.0.2",))
    assert not is_below("10.0.0.1", ("0.0.1", "1"))


def test_without_tls_only_when_that_is_allowed():  # S-34
    assert Destinations(("example",), is_plain_allowed=True).allows("http", "a.example")
    assert not Destinations(("example",)).allows("http", "a.example")


@pytest.mark.parametrize(
    ("base", "ours", "said"),
    [
        ("https://h.example", {}, "upstream_hosts: h.example is configured as an upstream, and is not among them"),
        ("http://h.example", {"upstream_hosts": ["example"]}, "plain_upstream: h.example is to be reached without TLS"),
        ("https://h.example", {"upstream_hosts": ["exa mple"]}, "a host such as googleapis.com is wanted"),
        ("https://h.example", {"upstream_host": ["example"]}, "did you mean 'upstream_hosts'"),
        ("http://127.0.0.1", {"via": "a b"}, "a name of letters, digits"),
        ("http://127.0.0.1", {"allowed_origins": ["app.example"]}, "an origin such as https://app.example is wanted"),
    ],
)
def test_a_base_url_that_could_never_be_reached_is_a_mistake(base, ours, said):
    with pytest.raises(ConfigError, match=said):
        config_of(base, **ours)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://unix:/run/p.sock", ("unix:/run/p.sock", "")),
        ("http://unix:/run/p.sock:", ("unix:/run/p.sock", "")),
        ("http://unix:/run/p.sock:/x/", ("unix:/run/p.sock", "/x")),
    ],
)
def test_an_upstream_on_a_unix_socket_is_written_as_in_nginx(url, base):
    found = config_of(url)
    assert found.gemini.base is not None
    assert (found.gemini.base.host, found.gemini.base.path) == base


# --- on the wire -----------------------------------------------------------------------------------------------------


async def test_a_host_that_is_not_on_the_list_is_not_connected_to(each_loop):
    """S-34: asked just before connecting, whatever the base URLs of the configuration were held against."""
    async with double() as canary:
        config = config_of(canary.url)
        config = replace(config, gemini=replace(config.gemini, base=Base("https", "canary.example", canary.port)))
        async with gateway("", config=config) as running:
            reply = await asked(running, request())
            assert (reply.status, reply.reason) == (502, "HOST_NOT_ALLOWED")
            assert b"canary" not in reply.head + reply.body
            live = await connect(int(running.http_url.rpartition(":")[2]))
            live.send(handshake(LIVE, KEY_FIELD))
            assert b" 502 " in (await live.head()).split(b"\r\n")[0]
            await live.leave()
        assert canary.connections == 0


@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0", "::"])
async def test_an_upstream_that_is_the_gateway_itself_is_a_508(listen, each_loop):
    """SEC-7, over HTTP and Live: seen when it is dialled, before a byte is sent."""
    if listen == "::" and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = config_of(f"http://localhost:{port}" if listen != "::" else f"http://[::1]:{port}")
    async with Gateway(config, Listen(listen, port), book=BOOK) as running:
        host = "::1" if listen == "::" else "127.0.0.1"
        reader, writer = await asyncio.open_connection(host, port)
        talk = Client(reader, writer)
        await talk.send(request())
        reply = await asyncio.wait_for(talk.reply(), WAIT_S)
        assert (reply.status, reply.reason) == (508, "LOOP_DETECTED")
        writer.close()
        if listen != "::":
            live = await connect(port)
            live.send(handshake(LIVE, KEY_FIELD))
            assert b" 508 " in (await live.head()).split(b"\r\n")[0]
            await live.leave()
        assert running._metrics.in_flight == 0


async def test_a_longer_loop_is_a_508_by_its_own_via(each_loop):
    """SEC-7, HDR-11: two gateways that lead to each other, each the other's client."""
    ports: list[int] = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(free.getsockname()[1])
    keys = [{"id": "team", "key": KEY}, {"id": "other", "key": UPSTREAM_KEY}]
    configs = [config_of(f"http://127.0.0.1:{ports[1 - n]}/gemini", via=f"gate-{n}", keys=keys) for n in range(2)]
    async with (
        Gateway(configs[0], Listen(port=ports[0]), book=BOOK) as first,
        Gateway(configs[1], Listen(port=ports[1]), book=BOOK) as second,
    ):
        reply = await asyncio.wait_for(asked(first, request("/gemini/v1beta/models", method="GET", body=None)), WAIT_S)
        assert (reply.status, reply.reason) == (508, "LOOP_DETECTED")
        assert [len(await recorded(one, 1)) for one in (first, second)] == [2, 1]


async def test_via_is_sent_when_it_has_a_name_and_never_else():
    """HDR-11."""
    async with double() as up:
        named: dict[str, Any] = {"via": "gate"}
        for ours, sent in (({}, [b"1.0 fred"]), (named, [b"1.0 fred", b"1.1 gate"])):
            async with gateway(up.url, **ours) as running:
                assert (await asked(running, request(headers={"Via": "1.0 fred"}))).status == 200
                assert up.requests[-1].values(b"via") == sent


async def test_unix_sockets_are_listened_on_and_asked(tmp_path: Path, each_loop):
    """Unix sockets at both ends, over HTTP and Live; what a dead process left behind is replaced."""
    provider, front = tmp_path / "provider.sock", tmp_path / "front.sock"
    seen: list[bytes] = []

    async def serve(reader, writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head)
        if b"Upgrade" in head:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        else:
            await reader.readexactly(2)
            writer.write(response(b'{"from": "unix"}'))
        await writer.drain()
        writer.close()

    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(front))
    stale.close()
    server = await asyncio.start_unix_server(serve, str(provider))
    config = config_of(f"http://unix:{provider}:/base")
    async with server, Gateway(config, Listen(f"unix:{front}", admin_port=0), book=BOOK) as running:
        assert running.http_url == f"http://unix:{front}"
        assert running.admin_url is not None
        for data, said in ((request(), b"unix"), (handshake(LIVE, KEY_FIELD), b"no")):
            reader, writer = await asyncio.open_unix_connection(str(front))
            talk = Client(reader, writer)
            await talk.send(data)
            assert said in (await asyncio.wait_for(talk.reply(), WAIT_S)).body
            writer.close()
        with pytest.raises(OSError, match="another process listens"):
            async with Gateway(config, Listen(f"unix:{front}"), book=BOOK):
                pass
    assert not front.exists()
    assert [head.split(b" ")[1][:5] for head in seen] == [b"/base", b"/base"]
    assert all(b"\r\nHost: localhost\r\n" in head for head in seen)


async def test_a_gateway_on_its_own_unix_socket_is_a_loop(tmp_path: Path):
    """SEC-7."""
    front = tmp_path / "front.sock"
    config = config_of(f"http://unix:{front}")
    async with Gateway(config, Listen(f"unix:{front}"), book=BOOK):
        reader, writer = await asyncio.open_unix_connection(str(front))
        talk = Client(reader, writer)
        await talk.send(request())
        assert (await asyncio.wait_for(talk.reply(), WAIT_S)).reason == "LOOP_DETECTED"
        writer.close()


async def test_a_live_upstream_is_found_at_its_second_address(each_loop):
    """R-39: both families are tried, over Live as over HTTP."""
    async with RawServer() as provider, gateway("http://127.0.0.1:9") as running:
        dialler = running._dispatcher.serving.live._dialler
        with socket.create_server(("127.0.0.1", 0)) as refused:
            port = refused.getsockname()[1]
        dialler._names._known["127.0.0.1", 9] = (
            float("inf"),
            ((2, ("127.0.0.1", port)), (2, ("127.0.0.1", provider.port))),
        )
        live = await connect(int(running.http_url.rpartition(":")[2]))
        live.send(handshake(LIVE, KEY_FIELD))
        peer = await asyncio.wait_for(provider.accept(), WAIT_S)
        assert (await peer.head()).startswith(b"GET /ws/")
        await live.leave()


async def test_the_command_listens_on_a_unix_socket(tmp_path: Path):
    """As an operator starts it; several workers cannot share one."""
    front = tmp_path / "front.sock"
    async with double() as up:
        async with process(tmp_path, up.url, "--host", f"unix:{front}") as running:
            assert running.http == f"http://unix:{front}"
            reader, writer = await asyncio.open_unix_connection(str(front))
            talk = Client(reader, writer)
            await talk.send(request())
            assert (await asyncio.wait_for(talk.reply(), WAIT_S)).status == 200
            writer.close()
            assert await running.ended() == 0
        assert not front.exists()
        status, said = await refused(tmp_path, up.url, "--host", f"unix:{front}", "--workers", "2")
        assert (status, "a Unix socket has one process behind it" in said) == (2, True)
