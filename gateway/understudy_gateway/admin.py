"""The admin port: health for all, and spend for who holds the admin key (S-62 to S-64).

It listens on loopback, refuses requests that a web page could have caused, and each of its routes names a role.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any, Final, Literal

from aiohttp import web

from understudy.errors import ConfigError
from understudy.messages import header_value, header_values

from .answers import own_answer, refusal_answer
from .keys import KeyRing
from .query import parameters, split_target
from .questions import Questions, Stop, TooManyQuestions
from .refusals import Reason, Refusal
from .settings import DEVELOPMENT_KEY_ID, MASTER_KEY_ID, GatewayConfig, GatewayKey
from .spend.queries import FILTERS, GROUPS, MOST_RECORDS, Wanted, records, summary_json
from .spend.store import SpendStore

Role = Literal["anyone", "admin"]
ADMIN_KEY_ID: Final = "admin"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a route answers."""

    body: bytes
    status: int = 200
    content_type: bytes = b"application/json"


@dataclass(frozen=True, slots=True)
class AdminRoute:
    """A route of the admin port. `role` is who may ask it; there is no default (S-63)."""

    path: bytes
    role: Role
    answer: Callable[[Mapping[str, str]], Awaitable[Reply | Refusal]]


class AdminKeys:
    """Who may ask for what is behind the admin key: the configured admin key alone, else the master key."""

    def __init__(self, config: GatewayConfig) -> None:
        wanted = config.admin_key
        own = GatewayKey(ADMIN_KEY_ID, wanted) if wanted is not None else None
        keys = [key for key in config.keys if key.id == MASTER_KEY_ID] if own is None else [own]
        is_open = config.development and not keys
        self._admins = KeyRing(replace(config, keys=tuple(keys), development=is_open))
        self._all = KeyRing(replace(config, development=False))

    def problem(self, request: web.BaseRequest) -> Refusal | None:
        """Why the request may not ask; None if it may."""
        query = parameters(split_target(request.raw_path.encode("utf-8", "surrogateescape"))[1])
        caller = self._admins.caller(request.raw_headers, query, is_live=False)
        if not isinstance(caller, Refusal):
            return None if caller.key_id in (ADMIN_KEY_ID, MASTER_KEY_ID, DEVELOPMENT_KEY_ID) else caller_refused()
        known = self._all.caller(request.raw_headers, query, is_live=False)
        return caller if isinstance(known, Refusal) else caller_refused()


def caller_refused() -> Refusal:
    """The answer to a good key that is none for this."""
    return Refusal(Reason.NOT_ADMIN)


class AdminPort:
    """Answers the requests of the admin port but for health, which is the gateway's own."""

    def __init__(
        self, config: GatewayConfig, store: SpendStore | None, questions: Questions, more: tuple[AdminRoute, ...] = ()
    ) -> None:
        """`questions` asks the store."""
        self._questions = questions
        self._keys = AdminKeys(config)
        self._store = store
        own = (
            AdminRoute(b"/spend/logs", "admin", self._logs),
            AdminRoute(b"/spend/summary", "admin", self._summary),
        )
        self.routes: Final[Mapping[bytes, AdminRoute]] = {route.path: route for route in (*own, *more)}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to one request."""
        path, query = split_target(request.raw_path.encode("utf-8", "surrogateescape"))
        found = await self._answer(request, path, query)
        if isinstance(found, Refusal):
            return refusal_answer(found, ())
        fields = ((b"Content-Type", found.content_type), (b"X-Content-Type-Options", b"nosniff"))
        return own_answer(found.status, fields, found.body, ())

    async def _answer(self, request: web.BaseRequest, path: bytes, query: bytes | None) -> Reply | Refusal:
        route = self.routes.get(path)
        if route is None:
            return Refusal(Reason.NO_ADMIN_ROUTE)
        if not is_local(request):
            return Refusal(Reason.NOT_LOCAL)
        if request.method not in ("GET", "HEAD"):
            return Refusal(Reason.METHOD_REFUSED)
        problem = self._keys.problem(request) if route.role == "admin" else None
        if problem is not None:
            return problem
        pieces = [piece for piece in parameters(query) if piece.name != b"key"]  # that one is a carrier of the key
        words = {piece.name.decode("utf-8", "replace"): piece.value.decode("utf-8", "replace") for piece in pieces}
        return await route.answer(words)

    async def _logs(self, words: Mapping[str, str]) -> Reply | Refusal:
        limit, after = _whole(words, "limit", MOST_RECORDS), _whole(words, "after", 0)
        if limit is None or not 0 < limit <= MOST_RECORDS:
            return Refusal(Reason.BAD_PARAMETER, "limit")
        if after is None:
            return Refusal(Reason.BAD_PARAMETER, "after")

        def read(store: SpendStore, wanted: Wanted, stop: Stop) -> dict[str, Any]:
            found, place = records(store.path, wanted, after=after, limit=limit, stop=stop)
            return {"records": found, "next": place}

        return await self._read(words, {"limit", "after"}, read)

    async def _summary(self, words: Mapping[str, str]) -> Reply | Refusal:
        by = words.get("by", "key")
        if by not in GROUPS:
            return Refusal(Reason.BAD_PARAMETER, "by")

        def read(store: SpendStore, wanted: Wanted, stop: Stop) -> dict[str, Any]:
            return summary_json(store.path, by, wanted, stop)

        return await self._read(words, {"by"}, read)

    async def _read(
        self, words: Mapping[str, str], own: set[str], read: Callable[[SpendStore, Wanted, Stop], dict[str, Any]]
    ) -> Reply | Refusal:
        store = self._store
        if store is None:
            return Refusal(Reason.NO_STORE)
        unknown = next((word for word in words if word not in own and word not in FILTERS), None)
        if unknown is not None:
            return Refusal(Reason.UNKNOWN_PARAMETER)
        try:
            wanted = Wanted.of_texts({word: words[word] for word in FILTERS if word in words})
        except ConfigError as error:
            return Refusal(Reason.BAD_PARAMETER, str(error).partition(":")[0])
        try:
            body = await self._questions.ask(lambda stop: json.dumps(read(store, wanted, stop)).encode() + b"\n")
        except TooManyQuestions:
            return Refusal(Reason.ADMIN_BUSY, retry_after_s=1)
        except (ConfigError, TimeoutError):
            return Refusal(Reason.STORE_UNREADABLE, retry_after_s=1)
        return Reply(body)


def is_local(request: web.BaseRequest) -> bool:
    """Whether the request names this machine and comes from no web page (S-62: DNS rebinding)."""
    if header_value(request.raw_headers, b"origin") is not None:
        return False
    hosts = header_values(request.raw_headers, b"host")
    if len(hosts) != 1:
        return False
    name = hosts[0].decode("latin-1")
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"


def _whole(words: Mapping[str, str], word: str, otherwise: int) -> int | None:
    """A whole number below ten to the fifteenth; None if it is none."""
    text = words.get(word)
    if text is None:
        return otherwise
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None
