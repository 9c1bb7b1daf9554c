"""One client of the soak: it does one thing after the other, and notes what it saw finished."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from . import requests
from .canaries import Canaries, found_in
from .ledger import Job, Ledger, Seen
from .plan import LEAVES, SHARES
from .talking import Talker
from .wire import Answer, NoAnswer, Wire

UNBOOKED: Final = frozenset({"OVERLOADED", "DRAINING"})
"""Answers of the gateway's own that came to no route, and stand in no books."""

_AWAY_S: Final = 0.3
"""How long a client waits that found nobody."""


@dataclass(slots=True)
class Scene:
    """What all clients share: where the gateway is, in which life it is, the ledger, the secrets, what went wrong."""

    port: int
    canaries: Canaries
    ledger: Ledger
    life: int = 0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    secrets: list[str] = field(default_factory=lambda: list[str]())
    _next: int = 0

    def new_id(self) -> str:
        """A request id of its own."""
        self._next += 1
        return f"soak-{self._next}"


class Client:
    """Does things drawn from `draws` until the scene ends."""

    def __init__(self, scene: Scene, draws: Random, think_s: float) -> None:
        self._scene = scene
        self._draws = draws
        self._think_s = think_s
        self._wire = Wire(scene.port)
        self._acts: Mapping[str, Callable[[], Awaitable[None]]] = {
            "unary": self._unary,
            "stream": self._stream,
            "embedding": self._embedding,
            "upload": self._upload,
            "live": self._live,
            "video": self._video,
        }

    async def run(self) -> None:
        """Act and pause, again and again."""
        names, shares = list(SHARES), list(SHARES.values())
        await asyncio.sleep(self._draws.random() * self._think_s)
        try:
            while not self._scene.stopping.is_set():
                name = self._draws.choices(names, shares)[0]
                try:
                    await self._acts[name]()
                    self._scene.ledger.count(name)
                except NoAnswer:
                    self._scene.ledger.count("without an answer")
                    await asyncio.sleep(_AWAY_S)
                except TimeoutError:
                    self._scene.ledger.count("given up")
                    self._wire.leave()
                await asyncio.sleep(self._draws.expovariate(1 / self._think_s))
        finally:
            self._wire.leave()

    async def _asked(self, id: str, data: bytes) -> Answer:
        """One exchange to its end, noted."""
        scene, life = self._scene, self._scene.life
        answer = await self._wire.ask(data)
        scene.secrets += found_in("an answer to a client", answer.head + answer.body, scene.canaries.downstream())
        if answer.value("x-understudy-error") in UNBOOKED:
            scene.ledger.count("turned away")
        elif scene.life == life:
            scene.ledger.seen.append(Seen("exchange", id, time.monotonic(), life))
        if not answer.is_whole:
            scene.ledger.count("broken off")
        elif answer.status >= 400:
            scene.ledger.count("refused")
        return answer

    async def _unary(self) -> None:
        id = self._scene.new_id()
        data = requests.generate(id, self._scene.canaries, self._draws, streams=False)
        if self._draws.random() < LEAVES:
            await self._wire.send_only(data)
            await asyncio.sleep(self._draws.random() * 0.05)
            self._wire.leave()
            self._scene.ledger.count("left")
            return
        await self._asked(id, data)

    async def _stream(self) -> None:
        id = self._scene.new_id()
        data = requests.generate(id, self._scene.canaries, self._draws, streams=True)
        if self._draws.random() < LEAVES:
            await self._wire.head(data)
            self._wire.leave()
            self._scene.ledger.count("left")
            return
        await self._asked(id, data)

    async def _embedding(self) -> None:
        id = self._scene.new_id()
        await self._asked(id, requests.embed(id, self._scene.canaries, self._draws))

    async def _upload(self) -> None:
        id = self._scene.new_id()
        data = requests.upload(id, self._scene.canaries, self._draws)
        if self._draws.random() < LEAVES:
            await self._wire.send_only(data[: len(data) // 2])
            self._wire.leave()
            self._scene.ledger.count("left")
            return
        await self._asked(id, data)

    async def _live(self) -> None:
        scene, life, id = self._scene, self._scene.life, self._scene.new_id()
        was_clean = await Talker(scene.port, scene.canaries, self._draws).session(id)
        if was_clean and scene.life == life:
            scene.ledger.seen.append(Seen("session", id, time.monotonic(), life))
        else:
            scene.ledger.count("sessions that broke off")

    async def _video(self) -> None:
        ledger, scene = self._scene.ledger, self._scene
        open_ones = [name for name, job in ledger.jobs.items() if job.done_at is None]
        id = scene.new_id()
        if not open_ones or (len(open_ones) < 40 and self._draws.random() < 0.3):
            life = scene.life
            answer = await self._asked(id, requests.start_video(id, scene.canaries, self._draws))
            name = _member(answer, "name")
            if isinstance(name, str):
                ledger.jobs[name] = Job(time.monotonic(), life)
                ledger.count("videos started")
            return
        # Now and then one that is done already: it may not be booked again.
        name = self._draws.choice(open_ones if self._draws.random() < 0.8 else list(ledger.jobs))
        life = scene.life
        answer = await self._asked(id, requests.poll(name, id, scene.canaries, self._draws))
        job = ledger.jobs[name]
        if _member(answer, "done") is True and job.done_at is None:
            job.done_at, job.done_in = time.monotonic(), life
            ledger.count("videos done")


def _member(answer: Answer, name: str) -> Any:
    """A member of a whole JSON answer that is no error; None if there is none."""
    if not answer.is_whole or answer.status != 200:
        return None
    try:
        found: Any = json.loads(answer.body)
    except ValueError:
        return None
    return found.get(name) if isinstance(found, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
