"""The load's HTTP client, against a server that answers as it is told."""

import pytest
from load_doubles import scripted

from understudy.errors import ConfigError
from understudy.load.addresses import address_of
from understudy.load.failures import PlayFailure
from understudy.load.http_client import Address, Connections

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def connections(port: int) -> Connections:
    return Connections(Address("127.0.0.1", port, f"127.0.0.1:{port}"))


def test_a_connection_is_used_again() -> None:
    with scripted([[OK], [OK]]) as (port, seen), connections(port) as kept:
        assert [kept.ask("GET", "/", (), b"").status for _ in range(2)] == [200, 200]
        assert seen == [0, 0]


def test_a_kept_connection_that_was_closed_is_exchanged() -> None:
    with scripted([[OK, None], [OK]]) as (port, seen), connections(port) as kept:
        kept.ask("GET", "/", (), b"")
        # The close is there before the next request is sent.
        assert kept._idle[0].recv(1) == b""
        assert kept.ask("GET", "/", (), b"").status == 200
        assert seen == [0, 1]


def test_a_connection_that_the_answer_closes_is_not_kept() -> None:
    closing = OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")
    with scripted([[closing, None], [OK]]) as (port, seen), connections(port) as kept:
        kept.ask("GET", "/", (), b"")
        kept.ask("GET", "/", (), b"")
        assert seen == [0, 1]


def test_each_part_of_a_body_has_its_time_and_heads_and_ends_have_none() -> None:
    parts = [CHUNKED, b"3\r\none\r\n", b"3\r\ntwo\r\n", b"5\r\nthree\r\n", b"0\r\n\r\n"]
    with scripted([parts]) as (port, _), connections(port) as kept:
        heard = kept.ask("POST", "/stream", (), b"{}")
    assert (heard.status, heard.size, len(heard.arrivals)) == (200, 11, 3)
    assert list(heard.arrivals) == sorted(heard.arrivals)
    assert heard.ended >= heard.arrivals[-1]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([CHUNKED, b"3\r\none\r\n", None], "broken off"),
        ([None], "closed without an answer"),
        ([b"hello\r\n\r\n"], "the answer is no HTTP"),
    ],
)
def test_an_answer_that_is_none_is_a_failure_in_a_few_words(parts: list[bytes | None], words: str) -> None:
    with scripted([parts]) as (port, _), connections(port) as kept, pytest.raises(PlayFailure) as raised:
        kept.ask("GET", "/", (), b"")
    assert str(raised.value) == words


def test_a_port_where_nobody_listens_is_refused() -> None:
    with scripted([]) as (port, _):
        pass
    with connections(port) as kept, pytest.raises(PlayFailure, match="connect: refused"):
        kept.ask("GET", "/", (), b"")


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError(), OSError("x-secret: 1")])
def test_a_failure_holds_nothing_but_its_kind(error: OSError) -> None:
    assert str(PlayFailure.of(error, "answer")) in ("answer: timeout", "answer: reset", "answer: OSError")


@pytest.mark.parametrize("url", ["localhost:4000", "ftp://host", "http://", "http://host:99999"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        address_of(url, None)


def test_a_url_that_holds_a_password_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError) as raised:
        address_of("http://me:hunter2@host", None)
    assert "hunter2" not in str(raised.value)


def test_the_path_of_a_url_stands_before_all_others() -> None:
    address, path = address_of("http://127.0.0.1:4000/llm/", None)
    assert (address.host, address.port, address.tls, path) == ("127.0.0.1", 4000, None, "/llm")


def test_https_needs_a_ca_file_that_can_be_read(tmp_path) -> None:
    assert address_of("https://host", None)[0].port == 443
    with pytest.raises(ConfigError, match="no such file"):
        address_of("https://host", str(tmp_path / "none.pem"))
    (tmp_path / "bad.pem").write_text("none")
    with pytest.raises(ConfigError, match="--ca"):
        address_of("https://host", str(tmp_path / "bad.pem"))
