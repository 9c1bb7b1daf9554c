"""Costs that a gateway's own endpoint shows: asked over real sockets, read in every documented form."""

import asyncio
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import trustme
from simulator_rig import simulator

from understudy.conformance.catalogue import paired
from understudy.conformance.model import Ask, Case, Check, Figure, Finding
from understudy.conformance.probes import GENERATE, HELLO, http_probe
from understudy.conformance.runner import Plan, run
from understudy.conformance.spend_endpoint import SpendEndpoint
from understudy.conformance.target import CostSource, Target
from understudy.errors import TargetError
from understudy.secret import Secret

SOURCE = CostSource("endpoint", url="/spend/logs?request_id={id}", id="request_id", amount="spend", known="how")


class Gateway(ThreadingHTTPServer):
    """Gives the prepared answers one after the other, the last for ever; keeps what it was asked."""

    def __init__(self, answers: list[tuple[int, object]], tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.asked: list[tuple[str, str | None]] = []
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        gateway: Gateway = self.server  # type: ignore[assignment]
        gateway.asked.append((self.path, self.headers["Authorization"]))
        status, value = gateway.answers.pop(0) if len(gateway.answers) > 1 else gateway.answers[0]
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", gateway.url + "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


@contextmanager
def gateway(*answers: tuple[int, object], tls: ssl.SSLContext | None = None) -> Iterator[Gateway]:
    server = Gateway(list(answers), tls)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def figures(server: Gateway, *ids: str, source: CostSource = SOURCE, key: str | None = "sk-client", tls=None):
    return SpendEndpoint(source, server.url, Secret(key) if key else None, tls).figures(ids)


ENTRY = {"request_id": "call 1/é", "spend": "0.0000162", "how": "exact"}
FIGURE = Figure("call 1/é", Decimal("0.0000162"))


@pytest.mark.parametrize(
    ("place", "answer"),
    [
        ("", [ENTRY]),
        ("", ENTRY),
        ("", [ENTRY, {"request_id": "another", "spend": 1}, "no entry"]),
        ("data.rows", {"data": {"rows": [ENTRY]}}),
        ("data", {"data": ENTRY}),
    ],
)
def test_an_entry_is_found_in_each_documented_form(place, answer):
    with gateway((200, answer)) as server:
        assert figures(server, "call 1/é", source=replace(SOURCE, entries=place)) == (FIGURE,)
    assert server.asked == [("/spend/logs?request_id=call%201%2F%C3%A9", "Bearer sk-client")]


def test_numbers_are_exact_and_what_is_null_is_unknown():
    body = b'[{"request_id": "a", "spend": 1.62e-05, "how": "estimated"}, {"request_id": "a", "spend": null}]'
    with gateway((200, body)) as server:
        assert figures(server, "a") == (Figure("a", Decimal("1.62e-05"), True), Figure("a", None))


@pytest.mark.parametrize(
    ("place", "answer"), [("", []), ("", {}), ("data", []), ("data", {"data": None}), ("a.b", {"a": 3})]
)
def test_an_answer_without_the_entry_has_no_figure(place, answer):
    with gateway((200, answer)) as server:
        assert figures(server, "a", source=replace(SOURCE, entries=place)) == ()


@pytest.mark.parametrize("status", [404, 429, 503])
def test_what_is_not_there_yet_may_come(status):
    with gateway((status, {}), (200, [{"request_id": "a", "spend": 2}])) as server:
        ledger = SpendEndpoint(SOURCE, server.url, None, None)
        assert ledger.figures(["a"]) == ()
        assert ledger.figures(["a"]) == (Figure("a", Decimal(2)),)
    assert server.asked[0] == ("/spend/logs?request_id=a", None)


def test_a_key_of_its_own_is_shown_in_place_of_the_clients():
    with gateway((200, [])) as server:
        figures(server, "a", source=replace(SOURCE, key=Secret("sk-master")))
    assert server.asked[0][1] == "Bearer sk-master"


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (401, {}, "answered 401 where costs were asked for; its key is `cost.key`"),
        (400, {}, "answered 400 where costs were asked for"),
        (302, {}, "answered 302 where costs were asked for"),
        (200, b"<html>", "the answer is no JSON"),
    ],
)
def test_a_refusal_is_told_and_no_redirect_followed(status, answer, said):
    with gateway((status, answer)) as server, pytest.raises(TargetError) as caught:
        figures(server, "a")
    assert str(caught.value).endswith(said)
    assert "sk-client" not in str(caught.value)
    assert len(server.asked) == 1


def test_a_gateway_that_is_gone_is_told():
    with gateway((200, [])) as server:
        pass
    with pytest.raises(TargetError, match="cannot be asked for costs"):
        figures(server, "a")


def test_a_gateway_with_tls_is_asked_by_its_own_authority():
    authority = trustme.CA()
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    authority.configure_trust(trusting)
    with gateway((200, [{"request_id": "a", "spend": 2}]), tls=serving) as server:
        assert figures(server, "a", tls=trusting) == (Figure("a", Decimal(2)),)
        with pytest.raises(TargetError, match="certificate verify failed"):
            figures(server, "a")


async def test_the_suite_judges_what_the_endpoint_says():
    target = Target("double", frozenset({"gemini", "cost"}), key=Secret("k"))
    probe = http_probe(
        "runner/cost",
        "cost",
        Ask(GENERATE, body=HELLO),
        server=[{"reply": {"headers": {"x-id": "call-1"}, "json": {}}}],
        expect={"cost": "0.0000162"},
    )

    def exact(case: Case) -> Iterator[Finding]:
        if case.books is None or case.books.total != case.expected:
            yield Finding("another cost")

    costly = Check("COST-1/x", "It holds.", exact, features=("cost",), needs_books=True, probes=(probe,))
    entry = {"request_id": "call-1", "spend": "0.0000162"}
    with gateway((404, {}), (200, [entry]), (200, [entry]), (200, [entry, entry])) as server:
        # The double is the provider itself, its books are elsewhere.
        async with simulator(strict=True) as running:
            source = replace(SOURCE, url=server.url + "/spend?id={id}", id_header="x-id", within_s=1.0)
            plan = Plan(running.http_url, replace(target, cost=source), paired([costly], []), running.admin_url)
            done = await asyncio.to_thread(run, plan)
            again = await asyncio.to_thread(run, plan)
    assert [done.verdicts[0].status, again.verdicts[0].status] == ["passed", "failed"]
