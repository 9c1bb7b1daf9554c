"""Resources without a socket: requests through the routes of a few families, checked against Google's descriptions."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from understudy.messages import Request
from understudy.scenario.json_subset import LazyJson
from understudy_simulator.call import Call, Json
from understudy_simulator.google_errors import GoogleError
from understudy_simulator.ids import Identity
from understudy_simulator.replies import Media
from understudy_simulator.routing import Route, Router
from understudy_simulator.spool import Spool, discard
from understudy_simulator.store import Store
from understudy_simulator.validation.answers import answer_mistakes
from understudy_simulator.validation.loading import descriptions
from understudy_simulator.validation.reading import request_error

P = "projects/p/locations/us-central1"


class Desk:
    """Some routes, one store, a spool, a clock that is moved by hand, and a number for every request."""

    def __init__(self, *families: Iterable[Route]) -> None:
        self.router = Router(route for family in families for route in family)
        self.now = datetime(2026, 5, 1, 12, tzinfo=UTC)
        self.store = Store(lambda: self.now, discard)
        self.spool = Spool()
        self.numbers: dict[str, int] = {}

    def wait(self, **span: float) -> None:
        """Move the clock."""
        self.now += timedelta(**span)

    def call(self, method: str, target: str, body: Any = None, scope: str = "") -> tuple[Route, Call]:
        """The call that a request becomes. Refused as the caller of handlers refuses it: no route is an error here."""
        path, _, query = target.partition("?")
        raw = b"" if body is None else json.dumps(body).encode()
        matched = self.router.find(method, path)
        assert matched is not None, f"{method} {path}: no route"
        self.numbers[scope] = self.numbers.get(scope, 0) + 1
        call = Call(
            Request(method, target, (), raw),
            scope,
            matched.service,
            matched.rpc,
            matched.version,
            matched.project,
            matched.location,
            matched.names,
            dict(parse_qsl(query, keep_blank_values=True)),
            LazyJson(raw),
            Identity(7, scope, self.numbers[scope]),
            self.now,
            "http://sim.test",
            self.store.shelf(scope),
            known_place=matched.place,
        )
        return matched.route, call

    def answer(self, method: str, target: str, body: Any = None, scope: str = "") -> Json | Media | GoogleError:
        """The answer as the handler gives it; a body that its description refuses is refused first."""
        route, call = self.call(method, target, body, scope)
        if route.message:
            refusal = request_error(descriptions(call.service, call.version), route.message, call.body)
            if refusal is not None:
                return refusal
        assert route.handler is not None
        answer = route.handler(call)
        assert isinstance(answer, Json | Media | GoogleError)
        return answer

    def ask(self, method: str, target: str, body: Any = None, *, fits: str = "", scope: str = "") -> dict[str, Any]:
        """The value of an answer that is no refusal; it fits the description `fits`."""
        answer = self.answer(method, target, body, scope)
        assert isinstance(answer, Json), answer
        value = json.loads(json.dumps(answer.value))
        if fits:
            service = "vertex" if "projects/" in target or "/v1beta1/" in target else "gemini"
            version = target.split("/")[1]
            assert answer_mistakes(descriptions(service, version), fits, value) == ()
        return value

    def refused(self, method: str, target: str, body: Any = None, *, scope: str = "") -> tuple[int, str, str]:
        """Status, google.rpc name and message of a refusal."""
        answer = self.answer(method, target, body, scope)
        assert isinstance(answer, GoogleError), answer
        error = answer.value["error"]
        return error["code"], error["status"], error["message"]
