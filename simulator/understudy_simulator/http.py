"""The HTTP side's skin: a request has its scope found, is answered, and leaves a transcript and a terminal line."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from typing import Final
from weakref import WeakKeyDictionary, WeakSet

from understudy.messages import Origin, Request, header_value
from understudy.scenario.json_subset import decode_json
from understudy.scenario.latency import Profile
from understudy.surfaces import place_of

from .answers.tokens import tokens_of_request
from .encoding import pretty_json
from .exchange_log import ExchangeLog
from .faults import Delivery, http_date
from .google_errors import ERROR_HEADER, body_too_large, own_error
from .heads import Heads
from .ids import Identity
from .pacing import Pace, slowed
from .recorder import ExchangeEntry
from .replies import Manner, error_answer
from .routing import Router
from .server.connection import Connection
from .server.framing import Framing, completed, head_bytes
from .service import Decision, Service
from .stage import Stage
from .surfaces.table import all_routes

logger = logging.getLogger(__name__)

MALFORMED: Final = "MALFORMED_REQUEST"
"""The reason of the refusal of what is no HTTP, in its body and in `X-Understudy-Error`: by it a judge can tell that a
gateway passed a malformed request on."""

_MALFORMED_TEXT: Final = "understudy: the request is not HTTP/1.1 that can be read in one way only."
_OWN: Final = Manner(is_vertex=False, duration_ms=0)


class HttpSide:
    """What the traffic ports' server asks (`server.connection.Host`, but for the connections themselves)."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.body_limit = stage.settings.body_limit
        router = Router(all_routes(stage))
        self.heads = Heads(stage, router)
        self.lines = ExchangeLog(stage.clock, logger)
        self._numbers: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()
        self._last_number = 0
        self.service = Service(stage, router)
        self.known: WeakSet[Connection] = WeakSet()
        """Connections on which an answer was given already; kept only where answers take their time."""

    def begin(self, connection: Connection, request: Request, scheme: str) -> "HttpExchange":
        """A request's head is there."""
        return HttpExchange(self, connection, request, scheme)

    def number_of(self, connection: Connection) -> int:
        """The number by which the transcript knows a connection, from 1."""
        number = self._numbers.get(connection)
        if number is None:
            self._last_number = self._numbers[connection] = number = self._last_number + 1
        return number

    def malformed(self) -> bytes:
        """The whole answer to what is no HTTP."""
        body = pretty_json(own_error(400, MALFORMED, _MALFORMED_TEXT).value)
        framing = Framing(has_body=True, is_chunked=False, length=len(body), closes=True)
        headers = (
            (ERROR_HEADER, MALFORMED.encode()),
            (b"Content-Type", b"application/json; charset=utf-8"),
            (b"Content-Length", str(len(body)).encode()),
        )
        return head_bytes(400, completed(headers, framing, http_date(self.stage.clock.now()), True)) + body

    def is_live(self, request: Request) -> bool:
        """Whether a request is a WebSocket handshake at a Live path."""
        if (header_value(request.headers, b"upgrade") or b"").lower() != b"websocket":
            return False
        place = place_of(self.stage.scope_of(request).request.path)
        return place is not None and place.surface.is_live


class HttpExchange:
    """One request, from its head to the end of its answer (`server.connection.Exchange`)."""

    def __init__(self, side: HttpSide, connection: Connection, request: Request, scheme: str) -> None:
        self._side = side
        self._connection = connection
        self._head = head = side.heads.read(request, scheme)
        self._entry = side.stage.recorder.begin_exchange(head.request, Origin(head.scope), side.number_of(connection))

    @property
    def wants_pieces(self) -> bool:
        """An upload's body is read piece by piece."""
        matched = self._head.matched
        return matched is not None and matched.route.upload is not None and not self._head.mistake

    async def take_pieces(self, body: AsyncIterator[bytes]) -> None:
        """Serve an upload to its end."""
        seen = _Seen(body, self._entry)
        try:
            decision = await self._side.service.upload(self._head, seen)
            # What an early refusal left unread belongs to this request, not to the next.
            async for _ in seen:
                pass
        except asyncio.CancelledError:
            self._end("simulator stopped")
            raise
        except ConnectionError:
            self._end("client left")
            return
        except TimeoutError:
            self._end("the request broke off")
            self._connection.end_after_this()
            return
        except Exception:
            logger.exception("a request could not be answered")
            decision = _failed(self._head.scope)
        sending = self._deliver(decision)
        if sending is not None:
            await sending

    def took_whole(self, body: bytes) -> Awaitable[None] | None:
        """The body is there: answer."""
        self._entry.took_body(body)
        head, stage = self._head, self._side.stage
        scope, mistake = head.scope, head.mistake
        if body and stage.reads_markers:
            whole = head.whole
            scoped = stage.scope_of(Request(whole.method, whole.target, whole.headers, body))
            scope, mistake = scoped.scope, scoped.mistake
        return self._deliver(_refused_scope(mistake) if mistake else self._decision(scope))

    def broke_off(self, body: bytes, why: str) -> None:
        """The request did not come to its end."""
        self._entry.took_body(body)
        self._end(why)

    def refuse_size(self) -> Awaitable[None] | None:
        """The body is beyond the limit."""
        self._connection.end_after_this()
        refusal = body_too_large(self._side.stage.settings.body_limit)
        return self._deliver(Decision(error_answer(refusal, _OWN), self._entry.origin))

    def _decision(self, scope: str) -> Decision:
        try:
            return self._side.service.answer(self._head, self._entry.request, scope)
        except Exception:
            # The outermost handler: a mistake of ours is told as one, and the server goes on.
            logger.exception("a request could not be answered")
            return _failed(scope)

    def _deliver(self, decision: Decision) -> Awaitable[None] | None:
        self._entry.origin = decision.origin
        stage = self._side.stage
        profile = decision.latency or stage.latency
        done = self._log
        if profile is not None and decision.identity is not None:
            decision = self._slowed(decision, profile, decision.identity)
            stage.under_way.count += 1
            done = self._log_slowed
        return Delivery(self._connection, self._entry, stage.clock, done, decision.identity).send(decision.outgoing)

    def _slowed(self, decision: Decision, profile: Profile, identity: Identity) -> Decision:
        """The decision whose answer takes as long as a profile says: a model's, or whatever a scenario gives."""
        side = self._side
        is_new = self._connection not in side.known
        side.known.add(self._connection)
        matched = self._head.matched
        is_models = decision.origin.scenario is not None or (matched is not None and matched.route.kind == "generating")
        pace, tokens = Pace(profile, identity, side.stage.under_way), None
        if is_models:
            body = decode_json(self._entry.request.body) if pace.counts_input else None
            tokens = sum(tokens_of_request(body).values()) if isinstance(body, dict) else 0
        return decision._replace(outgoing=slowed(decision.outgoing, pace, tokens_in=tokens, is_new=is_new))

    def _log_slowed(self) -> None:
        self._side.stage.under_way.count -= 1
        self._log()

    def _end(self, why: str) -> None:
        self._entry.end(why)
        self._log()

    def _log(self) -> None:
        self._side.lines.add(self._entry)


class _Seen:
    """A body on its way to who reads it; the start of it goes into the transcript."""

    def __init__(self, body: AsyncIterator[bytes], entry: ExchangeEntry) -> None:
        self._body = body
        self._entry = entry

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        part = await anext(self._body)
        self._entry.took_piece(part)
        return part


def _refused_scope(mistake: str) -> Decision:
    """The refusal of a request whose carrier names no scope: in the default scope it would be somebody else's."""
    return Decision(error_answer(own_error(400, "BAD_SCOPE", f"understudy: {mistake}"), _OWN), Origin(""))


def _failed(scope: str) -> Decision:
    error = own_error(500, "INTERNAL", "understudy: the simulator failed; its log has the details.")
    return Decision(error_answer(error, _OWN), Origin(scope))
