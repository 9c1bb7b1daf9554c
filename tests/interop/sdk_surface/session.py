"""What a row of the SDK surface is played with: one client, called the sync or the async way by the same words.

Runs in a client environment's interpreter, where Understudy is not installed; nothing here imports it.
"""

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

from google import genai  # pyright: ignore[reportAttributeAccessIssue]
from google.genai import errors  # pyright: ignore[reportMissingImports]

CONTROL = "/__understudy__/v1/"
WAIT_S = 30


class Absent(Exception):
    """This release of the client has no such method, argument or type."""


class Session:
    """One client in one mode ("gemini", "vertex" or "express"), and the names that rows leave for later rows.

    `call` and the others take the method's path below the client, `models.generate_content`, and are coroutines in both
    ways; in the sync way they never wait, so that a plain `send` runs them to their end.
    """

    def __init__(
        self, client: genai.Client, mode: str, *, is_async: bool, base_url: str, admin: str | None, parent: str
    ) -> None:
        self.client = client
        self.mode = mode
        self.is_async = is_async
        self.base_url = base_url
        self.parent = parent
        self.kept: dict[str, str] = {}
        self._admin = admin

    @property
    def is_gemini(self) -> bool:
        """Whether the Gemini Developer API is spoken."""
        return self.mode == "gemini"

    def model(self, name: str) -> str:
        """The resource name under which the service lists a model."""
        return f"models/{name}" if self.is_gemini else f"publishers/google/models/{name}"

    def keep(self, **names: str | None) -> None:
        """Leave names for later rows and for the expected request lines; a missing one fails the row."""
        for name, value in names.items():
            if not isinstance(value, str) or not value:
                raise AssertionError(f"no {name} in the answer")
            self.kept[name] = value

    def made(self, key: str, example: str) -> str:
        """The name that an earlier row left; the example where this mode cannot have made one."""
        return self.kept[key] if self.is_gemini else example

    def method(self, path: str) -> Any:
        """The method at `path` of the client, or of its `aio` twin. Raises Absent."""
        found: Any = self.client.aio if self.is_async else self.client
        for step in path.split("."):
            found = getattr(found, step, None)
            if found is None:
                raise Absent(path)
        return found

    async def call(self, path: str, /, *args: Any, **named: Any) -> Any:
        """What the method gives."""
        given = self.method(path)(*args, **named)
        return await given if self.is_async else given

    async def items(self, path: str, /, **named: Any) -> list[Any]:
        """All that a stream or a pager gives, page after page."""
        given = self.method(path)(**named)
        if not self.is_async:
            return list(given)
        if hasattr(given, "__await__"):
            given = await given
        return [item async for item in given]

    async def send(self, chat: Any, message: str) -> Any:
        """A chat's answer to a message."""
        given = chat.send_message(message)
        return await given if self.is_async else given

    async def send_stream(self, chat: Any, message: str) -> list[Any]:
        """The chunks of a chat's answer to a message."""
        given = chat.send_message_stream(message)
        return [chunk async for chunk in await given] if self.is_async else list(given)

    async def refused(self, code: int | tuple[int, ...], path: str, /, *args: Any, **named: Any) -> None:
        """The method must be refused with (one of) this HTTP status; either family's error class has one."""
        wanted = code if isinstance(code, tuple) else (code,)
        try:
            given = await self.call(path, *args, **named)
        except errors.APIError as error:
            holds(f"status {code} and not {error.code}", error.code in wanted)
            return
        except Exception as error:
            status = getattr(error, "status_code", None)
            if status is None:
                raise
            holds(f"status {code} and not {status}", status in wanted)
            return
        raise AssertionError(f"{path} was answered, not refused with {code}: {given!r:.200}")

    def posted(self, target: str, body: Mapping[str, Any]) -> Any:
        """The answer to what this release refuses to ask, though the service has it (Gemini mode)."""
        return answer_to(f"{self.base_url}{target}", body, {"x-goog-api-key": "AIzaFAKE"})

    def advance(self, seconds: float) -> None:
        """Move the simulator's clock; nothing where no simulator is."""
        if self._admin is not None:
            asked(self._admin, "clock", {"advance_s": seconds})

    def lines(self) -> list[str]:
        """Method and target of all requests so far, without those for tokens; none where no simulator is."""
        if self._admin is None:
            return []
        exchanges = asked(self._admin, "transcript")["exchanges"]
        made = [(each["request"]["method"], each["request"]["target"]) for each in exchanges]
        return [f"{method} {target}" for method, target in made if target != "/token"]


def answer_to(url: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Any:
    """The JSON answer to a request that no client makes; a POST if there is a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json", **headers})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=WAIT_S) as answer:
        return json.load(answer)


def asked(admin: str, word: str, body: Mapping[str, Any] | None = None) -> Any:
    """The answer of the simulator's control API."""
    return answer_to(f"{admin}{CONTROL}{word}", body, {})


def equal(what: str, got: object, wanted: object) -> None:
    """Fail the row unless both are equal."""
    if got != wanted:
        raise AssertionError(f"{what} is {got!r:.300}, wanted {wanted!r:.300}")


def holds(what: str, truth: object) -> None:
    """Fail the row unless it holds."""
    if not truth:
        raise AssertionError(f"not so: {what}")


def last(name: str | None) -> str:
    """The last segment of a resource name."""
    holds("a name", name)
    return str(name).rpartition("/")[2]
