"""Budgets of several processes on one store: each charges itself what the others have written there (S-72).

So a key can spend beyond its budget what the others' requests cost within the time of one look, and of the store's one
batch; never more than that, and what runs.
"""

import asyncio
import logging
from typing import Final

from understudy.errors import ConfigError

from ..spend.queries import Foreign, foreign_records, newest_place
from ..spend.store import SpendStore
from .admission import Admission

_log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 0.5


class Follower:
    """Looks into the store again and again, from where the budgets' own knowledge ends.

    It looks whether there are budgets or not: one that comes with a new configuration must not find what is old.
    """

    def __init__(self, store: SpendStore, admission: Admission) -> None:
        self._store = store
        self._admission = admission
        place = admission.place
        self._place = newest_place(store.path) if place is None else place
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look from now on."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                self._admission.others_spent(await asyncio.to_thread(self._look))
            except ConfigError as error:
                _log.warning("what others spent cannot be read: %s", error)

    def _look(self) -> list[Foreign]:
        found, self._place = foreign_records(self._store.path, self._store.origin, self._place)
        return found
