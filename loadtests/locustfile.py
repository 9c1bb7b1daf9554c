"""Locust users that hold the conversations of scenarios: GenerateUser, StreamUser, LiveUser, AudioUser.

Run plainly (`locust -f loadtests/locustfile.py --headless -u 5 -r 5 -t 10s --host http://localhost:4000`) users ask one
after the other: a closed loop, right for capacity and soak. `understudy load` runs the same conversations by a
schedule, in two arms (PlannedUser): an open loop, right for latency. Nothing imports this file: locust patches the
sockets of the process that imports it.

Environment: UNDERSTUDY_KEY (the gateway key), UNDERSTUDY_TARGET (a target's name or file: prefixes and where the key is
shown), UNDERSTUDY_SCENARIOS (ids or files, separated by commas), UNDERSTUDY_CA (PEM file for https).
"""

import gc
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import gevent
from gevent.pool import Pool
from locust import User, constant_throughput, task
from locust.exception import StopUser

from understudy.environment import DEVELOPMENT_KEY
from understudy.library import load
from understudy.load.addresses import address_of
from understudy.load.conversations import DEFAULTS, Conversation, conversation_of, kind_of
from understudy.load.failures import PlayFailure
from understudy.load.machine import Sample, sample
from understudy.load.plan import KEY_VARIABLE, MAX_IN_FLIGHT, PLAN_VARIABLE, Outcome, Plan, Use
from understudy.load.playing import Player
from understudy.load.recording import LATENESS, Recording
from understudy.load.schedule import WARM_UP, Arrival, schedule
from understudy.secret import Secret
from understudy.targets import load_target

LEAD_S = 0.3
"""From the end of the preparations to the first arrival."""

TIMER_S = 0.002
"""How much too late the loop may wake."""

GRACE_S = 10.0
"""How long conversations may go on after the last arrival."""


class ScenarioUser(User):
    """Plays its scenarios in turn, one conversation after the other."""

    abstract = True
    kind = ""
    wait_time = constant_throughput(1)

    def on_start(self):
        target = load_target(os.environ.get("UNDERSTUDY_TARGET", "understudy"), os.environ)
        target = replace(target, key=target.key or Secret(os.environ.get(KEY_VARIABLE, DEVELOPMENT_KEY)))
        if os.environ.get(KEY_VARIABLE):
            target = replace(target, key=Secret(os.environ[KEY_VARIABLE]))
        address, path = address_of(self.host or "http://localhost:4000", os.environ.get("UNDERSTUDY_CA"))
        named = [word.strip() for word in os.environ.get("UNDERSTUDY_SCENARIOS", "").split(",") if word.strip()]
        scenarios = [load(word) for word in named or DEFAULTS[self.kind]]
        # A target that says what it can do is not asked for more, unless the scenarios were named.
        wanted = [
            scenario
            for scenario in scenarios
            if kind_of(scenario) == self.kind and (named or target.claims((scenario.surface.value,)))
        ]
        self.conversations = [conversation_of(scenario, target, path) for scenario in wanted]
        if not self.conversations:
            raise StopUser
        self.player = Player(address, target)
        self.turn = 0

    def on_stop(self):
        if hasattr(self, "player"):
            self.player.close()

    @task
    def converse(self):
        conversation = self.conversations[self.turn % len(self.conversations)]
        self.turn += 1
        begin = time.perf_counter()
        try:
            timings = self.player.play(conversation, begin)
        except PlayFailure as failure:
            self.tell(conversation, "total", time.perf_counter() - begin, failure)
            return
        for phase, seconds in timings:
            self.tell(conversation, phase, seconds)

    def tell(self, conversation: Conversation, phase: str, seconds: float, failure: PlayFailure | None = None):
        """One entry of locust's table: the conversation under its own name, each other phase behind it."""
        name = conversation.scenario if phase == "total" else f"{conversation.scenario} {phase}"
        self.environment.events.request.fire(
            request_type=self.kind,
            name=name,
            response_time=seconds * 1000,
            response_length=0,
            exception=failure,
            context={},
        )


class GenerateUser(ScenarioUser):
    """One answer at a time: generateContent."""

    kind = "generate"


class StreamUser(ScenarioUser):
    """Streams: time to first byte and the gaps between chunks are entries of their own."""

    kind = "stream"


class LiveUser(ScenarioUser):
    """Live text sessions: connect, setupComplete and the turn's first frame are entries of their own."""

    kind = "live"


class AudioUser(ScenarioUser):
    """Live sessions that speak at real time, 20 ms a message; the answer's first frame and its gaps are entries."""

    kind = "audio"
    wait_time = constant_throughput(0.5)


class PlannedUser(User):
    """Plays the plan of `understudy load` and ends the run."""

    abstract = PLAN_VARIABLE not in os.environ
    fixed_count = 1

    @task
    def play_plan(self):
        own = Secret(os.environ.get(KEY_VARIABLE, DEVELOPMENT_KEY))
        document = json.loads(Path(os.environ[PLAN_VARIABLE]).read_text("utf-8"))
        plan = Plan.of_json(document, own, Secret(DEVELOPMENT_KEY))
        play = _Play(plan)
        try:
            play.run()
        finally:
            # Also when locust ends the user early: what was seen until then is a result, labelled so.
            Path(plan.out).write_text(json.dumps(play.outcome().as_json()), "utf-8")
            self.environment.process_exit_code = 0
        gevent.spawn_later(0, self.environment.runner.quit)
        raise StopUser


class _Play:
    """One run of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._recording = Recording()
        self._pool = Pool()
        self._players = {}
        self._conversations = {}
        for arm, where in plan.arms.items():
            address, path = address_of(where.url, plan.ca)
            self._players[arm] = Player(address, where.target)
            self._conversations[arm] = [conversation_of(load(id), where.target, path) for id in plan.scenarios]
        self._under_way: dict[int, Arrival] = {}
        self._pids = {**plan.pids, "generator": os.getpid()}
        self._begun: dict[str, Sample] = {}
        self._begun_at = 0.0
        self._ended: dict[str, Sample] = {}
        self._ended_at = 0.0
        self._is_whole = False

    def run(self) -> None:
        """Play all arrivals, each when it is due."""
        arrivals = schedule(self._plan.pace, len(self._plan.scenarios), self._plan.seed)
        gc.collect()
        gc.freeze()
        start = time.perf_counter() + LEAD_S
        for number, arrival in enumerate(arrivals):
            due = start + arrival.at_s
            self._sleep_until(due)
            if arrival.block != WARM_UP and not self._begun_at:
                self._begin()
            if len(self._under_way) >= MAX_IN_FLIGHT:
                self._drop(arrival)
            else:
                self._under_way[number] = arrival
                self._pool.spawn(self._one, number, arrival, due)
        self._sleep_until(start + self._plan.pace.whole_s)
        self._pool.join(timeout=GRACE_S)
        self._end()
        self._is_whole = True

    def outcome(self) -> Outcome:
        """What was seen so far; ends what is under way."""
        if not self._ended_at:
            self._end()
        for arrival in self._under_way.values():
            if arrival.block != WARM_UP:
                self._outcomes(arrival).incomplete += 1
        self._pool.kill(block=False)
        uses = {
            role: Use(end.cpu_s - self._begun[role].cpu_s, self._begun[role].memory_bytes, end.memory_bytes)
            for role, end in self._ended.items()
            if role in self._begun
        }
        seconds = self._ended_at - self._begun_at if self._begun_at else 0.0
        return Outcome(self._recording, uses, seconds, self._is_whole)

    def _one(self, number: int, arrival: Arrival, due: float) -> None:
        conversation = self._conversations[arrival.arm][arrival.index]
        self._recording.took(conversation.kind, LATENESS, arrival.arm, arrival.block, time.perf_counter() - due)
        try:
            timings = self._players[arrival.arm].play(conversation, due)
        except PlayFailure as failure:
            if arrival.block != WARM_UP:
                failures = self._outcomes(arrival).failures
                failures[str(failure)] = failures.get(str(failure), 0) + 1
        else:
            self._note(arrival, conversation.kind, timings)
        self._under_way.pop(number, None)

    def _note(self, arrival: Arrival, kind: str, timings) -> None:
        if arrival.block == WARM_UP:
            return
        for phase, seconds in timings:
            self._recording.took(kind, phase, arrival.arm, arrival.block, seconds)
        self._outcomes(arrival).ok += 1

    def _drop(self, arrival: Arrival) -> None:
        if arrival.block != WARM_UP:
            self._outcomes(arrival).dropped += 1

    def _outcomes(self, arrival: Arrival):
        return self._recording.outcomes(self._conversations[arrival.arm][arrival.index].kind, arrival.arm)

    def _begin(self) -> None:
        self._begun_at = time.perf_counter()
        self._begun = self._samples()

    def _end(self) -> None:
        self._ended_at = time.perf_counter()
        self._ended = self._samples()

    def _samples(self) -> dict[str, Sample]:
        found = {role: sample(pid) for role, pid in self._pids.items()}
        return {role: one for role, one in found.items() if one is not None}

    def _sleep_until(self, due: float) -> None:
        # The loop's timers count whole milliseconds: the last ones are waited for by giving way again and again.
        gevent.sleep(max(due - time.perf_counter() - TIMER_S, 0))
        while time.perf_counter() < due:
            gevent.sleep(0)
