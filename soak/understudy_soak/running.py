"""A soak from its first client to its verdict."""

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import urlsplit

from understudy.control import Control
from understudy.errors import TargetError
from understudy.processes import ServerProcess

from .canaries import Canaries, found_in, once_each
from .clients import Client, Scene
from .ledger import End, Ledger, judged
from .plan import Plan
from .slopes import Growth, growth
from .stand import Stand, kill
from .verdict import Verdict
from .watching import Watch

LOOK_S: Final = 1.0
STOP_S: Final = 40.0
"""How long clients have to finish what they are doing."""

GIVE_BACK_S: Final = 45.0
"""How long the gateway has to give descriptors back; it keeps idle connections to providers for half a minute."""

TRANSCRIPT_S: Final = 300.0
"""How long the simulator may take to tell all it has seen, which are some hundred megabytes."""

_SPARE_FILES: Final = 8
_SPARE_TASKS: Final = 4
_LOUD: Final = b"Traceback"

Say = Callable[[str], None]


async def soak(plan: Plan, folder: Path, say: Say) -> Verdict:
    """Run one and judge it; `folder` takes all files. Raises ConfigError or TargetError if a server does not start."""
    canaries = Canaries.of_seed(plan.seed)
    stand = Stand(folder, plan, canaries)
    with ExitStack() as stack:
        simulator = await asyncio.to_thread(stack.enter_context, stand.simulator())
        run = _Run(plan, stand, simulator, canaries, say)
        await run.lives()
        return await asyncio.to_thread(run.verdict)


class _Run:
    """One soak under way."""

    def __init__(self, plan: Plan, stand: Stand, simulator: ServerProcess, canaries: Canaries, say: Say) -> None:
        self._plan = plan
        self._stand = stand
        self._simulator = simulator
        self._canaries = canaries
        self._say = say
        self._ledger = Ledger()
        self._ends: list[End] = []
        self._growth: list[Growth] = []
        self._unjudged = 0
        self._memory: list[float] = []
        self._secrets: list[str] = []
        self._not_given_back: list[str] = []
        self._troubles: list[str] = []
        self._files_at_rest = self._tasks_at_rest = 0

    async def lives(self) -> None:
        """All lives of the gateway, with one crowd of clients before them."""
        scene: Scene | None = None
        crowd: list[asyncio.Task[None]] = []
        lengths = self._plan.lives
        try:
            for life, length in enumerate(lengths):
                with ExitStack() as stack:
                    server = await asyncio.to_thread(stack.enter_context, self._stand.gateway(self._simulator))
                    if scene is None:
                        await self._at_rest(server)
                        scene = Scene(urlsplit(server.ready.http).port or 0, self._canaries, self._ledger)
                        crowd = [
                            asyncio.create_task(self._client(scene, number)) for number in range(self._plan.clients)
                        ]
                    scene.life = life
                    self._say(f"life {life + 1}: {length:.0f} s")
                    watch = await self._watched(server, length)
                    if life + 1 < len(lengths):
                        self._ends.append(End(time.monotonic(), was_killed=True))
                        kill(server)
                    else:
                        await self._ended(server, scene, crowd, watch)
                    self._judge_growth(life, watch)
        finally:
            for one in crowd:
                one.cancel()
            await asyncio.gather(*crowd, return_exceptions=True)
        assert scene is not None
        self._secrets += scene.secrets

    async def _client(self, scene: Scene, number: int) -> None:
        draws = Random(f"{self._plan.seed} client {number}")  # noqa: S311 - no secret
        await Client(scene, draws, self._plan.think_s).run()

    def _watch_of(self, server: ServerProcess) -> Watch:
        if server.ready.admin is None:
            raise TargetError("the gateway has no admin port")
        return Watch(server.ready.pid, server.ready.admin, self._canaries.master)

    async def _at_rest(self, server: ServerProcess) -> None:
        """What the process holds before the first client came."""
        watch = self._watch_of(server)
        await asyncio.to_thread(watch.look)
        self._files_at_rest, self._tasks_at_rest = watch.samples[0].files, watch.samples[0].tasks

    async def _watched(self, server: ServerProcess, seconds: float) -> Watch:
        watch, until = self._watch_of(server), time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(LOOK_S, left))
            await asyncio.to_thread(watch.look)
            if server.status is not None:
                raise TargetError(f"the gateway ended by itself with status {server.status}")
        return watch

    async def _ended(self, server: ServerProcess, scene: Scene, crowd: list[asyncio.Task[None]], watch: Watch) -> None:
        """The clients leave, the gateway comes to rest and is told to end."""
        scene.stopping.set()
        done, late = await asyncio.wait(crowd, timeout=STOP_S)
        if late:
            self._troubles.append(f"{len(late)} clients did not come to an end in {STOP_S:.0f} s")
        self._troubles += [f"a client failed: {one.exception()!r}" for one in done if one.exception() is not None][:5]
        self._say("all clients have left")
        last = Watch(server.ready.pid, server.ready.admin or "", self._canaries.master)
        await self._given_back(last)
        self._secrets += found_in("the metrics", watch.page + last.page, self._canaries.beside_the_gateway())
        status = await asyncio.to_thread(server.stop)
        self._ends.append(End(time.monotonic(), was_killed=False))
        if status != 0:
            self._troubles.append(f"the gateway ended with status {status}")

    async def _given_back(self, watch: Watch) -> None:
        until = time.monotonic() + GIVE_BACK_S
        while True:
            await asyncio.to_thread(watch.look)
            left = self._left(watch)
            if not left:
                return
            if time.monotonic() > until:
                self._not_given_back += left
                return
            await asyncio.sleep(LOOK_S)

    def _left(self, watch: Watch) -> list[str]:
        """What the gateway still holds though nobody is there."""
        now, gauges = watch.samples[-1], watch.gauges
        found: list[str] = []
        if now.files > self._files_at_rest + _SPARE_FILES:
            found.append(f"{now.files} descriptors are open with nobody there, {self._files_at_rest} were at first")
        if now.tasks > self._tasks_at_rest + _SPARE_TASKS:
            found.append(f"{now.tasks} tasks run with nobody there, {self._tasks_at_rest} did at first")
        found += [f"{name} is {gauges[name]:.0f} with nobody there" for name in _IDLE if gauges.get(name)]
        return found

    def _judge_growth(self, life: int, watch: Watch) -> None:
        found = growth(watch.samples, life, self._plan.warm_s)
        self._growth += found
        self._unjudged += not found
        if watch.samples:
            self._memory.append(watch.samples[-1].resident / 2**20)

    def verdict(self) -> Verdict:
        """What came of it, all being over but the simulator."""
        self._search()
        books = judged(self._ledger, self._ends, self._stand.booked())
        return Verdict(
            self._plan,
            self._ledger.counts,
            books,
            tuple(self._growth),
            self._unjudged,
            tuple(self._not_given_back),
            once_each(self._secrets),
            once_each(self._troubles),
            tuple(self._memory),
        )

    def _search(self) -> None:
        for name, data in self._stand.left_behind().items():
            self._secrets += found_in(name, data, self._canaries.beside_the_gateway())
            if _LOUD in data:
                self._troubles.append(f"there is a traceback in {name}")
        try:
            with Control(self._simulator.ready.admin or "", timeout_s=TRANSCRIPT_S) as control:
                seen = repr(control.transcript()).encode()
        except TargetError as error:
            self._troubles.append(f"what the provider saw could not be searched: {error}")
        else:
            self._secrets += found_in("what the provider saw", seen, self._canaries.upstream())


_IDLE: Final = ("in_flight", "live_sessions", "spend_lost_total")
