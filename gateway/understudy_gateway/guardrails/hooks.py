"""A guardrail written in Python: found by its dotted name, called with a copy, and never trusted to end.

A plain function runs in a thread of its own, so that it can neither hold up the event loop nor the end of the process.
"""

import asyncio
import importlib
import inspect
import logging
import threading
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from understudy.errors import ConfigError

from .values import Mode

_log = logging.getLogger(__name__)

MOST_THREADS: Final = 32
"""Plain functions that run at once, of all guardrails together; the next one counts as failed."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a hook is given. `text` is what the body says, its JSON parts joined; `body` the bytes, as far as they are
    here (empty for an answer that comes in pieces, of which `text` is what came so far).
    """

    guardrail: str
    mode: Mode
    body: bytes
    text: str
    route: str
    model: str | None
    key_id: str
    tags: tuple[str, ...] = ()


Hook = Callable[[Judged], str | Awaitable[str | None] | None]
"""Gives None to allow, or the reason of a block, which is for the log and never for the client."""


class HookFailed(Exception):
    """The hook raised, took too long, or gave something else than a text or None."""


def hook_named(dotted: str) -> Hook:
    """The function that a dotted name of the configuration file stands for. Raises ConfigError.

    No name that comes in a request is ever looked up here (S-64).
    """
    module, _, name = dotted.rpartition(".")
    try:
        found: Any = getattr(importlib.import_module(module), name)
    except Exception as error:
        # Whatever a foreign module does when it is imported, its operator has to hear of it as of any other mistake.
        raise ConfigError(f"guardrails: {dotted} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise ConfigError(f"guardrails: {dotted} is no function")
    return cast("Hook", found)


class HookRunner:
    """Calls hooks, with a limit on the time and on the threads."""

    def __init__(self) -> None:
        self._running = 0

    async def ask(self, hook: Hook, judged: Judged, within_s: float) -> str | None:
        """The reason of a block, or None. Raises HookFailed."""
        try:
            async with asyncio.timeout(within_s):
                reason = await self._called(hook, judged)
        except TimeoutError:
            _log.error("the guardrail %s did not answer in %g s", judged.guardrail, within_s)
            raise HookFailed from None
        except HookFailed:
            raise
        except Exception as error:
            # Foreign code may raise anything. The place is told, not the text of the error: it may hold the prompt.
            where = "".join(traceback.format_tb(error.__traceback__))
            _log.error("the guardrail %s failed with %s:\n%s", judged.guardrail, type(error).__name__, where)
            raise HookFailed from None
        if reason is None or type(reason) is str:
            return reason
        _log.error("the guardrail %s gave neither a text nor None", judged.guardrail)
        raise HookFailed

    async def _called(self, hook: Hook, judged: Judged) -> object:
        if inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(getattr(hook, "__call__", None)):  # noqa: B004
            return await cast("Awaitable[object]", hook(judged))
        if self._running >= MOST_THREADS:
            _log.error("the guardrail %s is not asked: %d calls have not ended", judged.guardrail, self._running)
            raise HookFailed
        result = await self._in_thread(hook, judged)
        return await cast("Awaitable[object]", result) if inspect.isawaitable(result) else result

    async def _in_thread(self, hook: Hook, judged: Judged) -> object:
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[object] = loop.create_future()

        def ended(result: object, error: BaseException | None) -> None:
            self._running -= 1
            if outcome.done():
                return
            if error is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result(result)

        def run() -> None:
            result, error = None, None
            try:
                result = hook(judged)
            except Exception as raised:
                error = raised
            if not loop.is_closed():
                loop.call_soon_threadsafe(ended, result, error)

        self._running += 1
        threading.Thread(target=run, name=f"guardrail {judged.guardrail}", daemon=True).start()
        return await outcome
