"""What becomes of a gateway's configuration beside serving: checking it, and reading it anew while it runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ..errors import UnderstudyError
from ..price_books import price_book
from ..pricing.book import PriceBook

_log = logging.getLogger(__name__)


class Reloadable(Protocol):
    """A gateway that runs."""

    async def reload(self, config: Any, book: PriceBook) -> None:
        """Take another configuration, and its prices."""
        ...


class Read(Protocol):
    """What is said of a configuration that was read."""

    @property
    def keys(self) -> tuple[Any, ...]:
        """The gateway keys."""
        ...

    @property
    def models(self) -> tuple[Any, ...]:
        """The entries of the model list."""
        ...

    @property
    def notices(self) -> tuple[str, ...]:
        """Words without an effect."""
        ...


def checked(path: Path, settings: Read) -> None:
    """Say that a configuration is good, and what of it has no effect."""
    for notice in settings.notices:
        print(notice)
    print(f"{path}: good ({len(settings.keys)} keys, {len(settings.models)} models)")


def reloading(server: Reloadable, path: Path, environ: Mapping[str, str]) -> Callable[[], Awaitable[None]]:
    """What is done at a SIGHUP; `environ` stands over the file as it did at the start.

    A configuration with a mistake is told in the log, and the old one stays (R-38).
    """
    from understudy_gateway.config import load_config

    async def reload() -> None:
        try:
            settings = await asyncio.to_thread(load_config, path, environ)
            book = await asyncio.to_thread(price_book, settings.price_book, [settings.model_prices])
            await server.reload(settings, book)
        except UnderstudyError as error:
            for line in str(error).splitlines():
                _log.error("%s", line)
            _log.error("the configuration was not read anew; the old one stays")
        except Exception:
            # The gateway must not end because of what its operator wrote.
            _log.exception("the configuration was not read anew; the old one stays")
        else:
            _log.info("the configuration was read anew")

    return reload
