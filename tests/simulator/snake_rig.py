"""Calls handlers of the interactions family through their routes, without sockets: one world with a clock by hand."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from understudy.messages import Request
from understudy.scenario.json_subset import LazyJson
from understudy_simulator.call import Answer, Call, Events, Json
from understudy_simulator.ids import Identity
from understudy_simulator.routing import Route, Router
from understudy_simulator.store import Store

PREFIX = {"gemini": "/v1beta", "vertex": "/v1beta1/projects/p/locations/l", "express": "/v1beta1"}


@dataclass
class World:
    """Some routes, a store, and a moment. Calls are numbered per scope, as the simulator numbers them."""

    routes: Iterable[Route]
    mode: str = "gemini"
    now: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)
    any_body: bool = False
    numbers: dict[str, int] = field(default_factory=dict[str, int])

    def __post_init__(self) -> None:
        self.router = Router(self.routes)
        self.store = Store(lambda: self.now)

    def later(self, **span: float) -> None:
        """Move the moment."""
        self.now += timedelta(**span)

    def call(self, method: str, path: str, body: Any = None, scope: str = "") -> Call:
        """The Call that a request becomes; `path` without the version and project."""
        target = path if path.startswith("/") else f"{PREFIX[self.mode]}/{path}"
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = Request(method, target, (), raw)
        matched = self.router.find(method, request.path)
        assert matched is not None, f"no route: {method} {request.path}"
        number = self.numbers[scope] = self.numbers.get(scope, 0) + 1
        return Call(
            request,
            scope,
            matched.service,
            matched.rpc,
            matched.version,
            matched.project,
            matched.location,
            matched.names,
            dict(parse_qsl(request.query, keep_blank_values=True)),
            LazyJson(raw),
            Identity(0, scope, number),
            self.now,
            "http://sim",
            self.store.shelf(scope),
            known_place=matched.place,
        )

    def answer(self, method: str, path: str, body: Any = None, scope: str = "") -> Answer:
        """What the route gives: its check, unless any body passes, or its handler."""
        call = self.call(method, path, body, scope)
        matched = self.router.find(method, call.request.path)
        assert matched is not None and matched.route.handler is not None
        check = None if self.any_body else matched.route.check
        return (check and check(call)) or matched.route.handler(call)

    def ask(self, method: str, path: str, body: Any = None, *, status: int = 200, scope: str = "") -> Any:
        """The JSON value of an answer with that status."""
        answer = self.answer(method, path, body, scope)
        assert isinstance(answer, Json), answer
        assert answer.status == status, answer.value
        return json.loads(json.dumps(answer.value))

    def refused(self, method: str, path: str, body: Any = None, *, status: int = 400) -> tuple[str, str]:
        """Code and message of a refusal."""
        error = self.ask(method, path, body, status=status)["error"]
        return error["code"], error["message"]

    def events(self, method: str, path: str, body: Any = None) -> list[dict[str, Any]]:
        """The payloads of a streamed answer; checks their framing."""
        answer = self.answer(method, path, body)
        assert isinstance(answer, Events), answer
        return [payload_of(event) for event in answer.events]


def payload_of(event: bytes) -> dict[str, Any]:
    """The JSON of one event of the family: `event`, `data`, an empty line."""
    name, data, *rest = event.decode().split("\n")
    assert rest == ["", ""]
    value: Mapping[str, Any] = json.loads(data.removeprefix("data: "))
    assert name == f"event: {value['event_type']}"
    return dict(value)
