"""A run: programs are started, every workload is put on each of them in shuffled order, and samples become rows."""

import gc
import random
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, TypeVar

from understudy.errors import ConfigError, TargetError, did_you_mean

from .accounting import ACCOUNTING, accounting_rows
from .engine import Engine
from .figures import Sample, cpu_row, disturbed, load_share, memory_row, program_share, skipped_row
from .live_sessions import IDLE, PACED, idle_rows, paced_rows
from .load import Client, Tally
from .machine import Cores, cores_here, cpu_s, machine, many_files, pinned, rss_bytes, versions
from .plan import Plan, Say, Stand
from .programs import Absent, Program, nginx_version, started
from .rows import SCHEMA_VERSION, Report, Row
from .upstream import Script, Upstream
from .workloads import DIRECT, ECHO, GATEWAY, NGINX, RELAY, SIMULATOR, Workload, idle_session, unary, workloads

READY_LIMIT_S: Final = 20.0
MEMORY_LIMIT_S: Final = 60.0
SETTLE_S: Final = 0.05
MEMORY: Final = "memory"
LIVE_PROGRAMS: Final = (ECHO, GATEWAY, RELAY, NGINX)
_OPENED_AT_ONCE: Final = 20

Item = TypeVar("Item")


def chosen(only: Sequence[str]) -> tuple[str, ...]:
    """The names of the workloads that `only` means: whole names or their beginnings; none means all.

    Raises ConfigError for a word that means nothing.
    """
    known = (*(workload.name for workload in workloads()), *PACED, IDLE, MEMORY, ACCOUNTING)
    for word in only:
        if not any(name.startswith(word) for name in known):
            raise ConfigError(f"--only {word}: no workload{did_you_mean(word, known)}; there are {', '.join(known)}")
    return tuple(name for name in known if not only or any(name.startswith(word) for word in only))


def order(programs: Sequence[Item], seed: int, workload: str, repetition: int) -> list[Item]:
    """The programs in the order of one repetition: shuffled, and the same whenever these numbers are."""
    return random.Random(f"{seed} {workload} {repetition}").sample(programs, len(programs))  # noqa: S311 - no secret


def run(plan: Plan, names: Sequence[str], folder: Path, say: Say) -> Report:
    """Measure the workloads `names`; `folder` takes the programs' files, `say` gets a line for each step.

    Raises ConfigError or TargetError if one of our own programs does not start or does not answer as it must.
    """
    wanted = [workload for workload in workloads() if workload.name in names]
    bench = _Bench(plan, folder, say)
    rows: list[Row] = []
    with bench.running():
        if wanted:
            rows += bench.cpu_rows(wanted)
        if MEMORY in names:
            rows += bench.memory_rows()
        stand = bench.stand()
        for name in PACED:
            if name in names:
                rows += paced_rows(stand, name)
        if IDLE in names:
            rows += idle_rows(stand)
        if ACCOUNTING in names:
            rows += bench.accounting_rows()
    settings: dict[str, float | int | str] = {
        "seed": plan.seed,
        "repetitions": plan.repetitions,
        "warm_s": plan.warm_s,
        "window_s": plan.window_s,
        "load_core": bench.cores.load,
        "program_core": bench.cores.program,
    }
    return Report(schema_version=SCHEMA_VERSION, machine=machine(), settings=settings, rows=tuple(rows))


class _Bench:
    """The load tool's side of a run: its engine, its upstream, and where everything is pinned."""

    def __init__(self, plan: Plan, folder: Path, say: Say) -> None:
        self.cores: Final[Cores] = cores_here()
        self._plan = plan
        self._retries = plan.retries
        self._folder = folder
        self._say = say
        self._versions = {**versions(), "nginx": nginx_version()}

    @contextmanager
    def running(self) -> Generator[None, None, None]:
        """Engine and upstream are there, this process is pinned and its garbage collector quiet."""
        with pinned(self.cores.load), many_files():
            self._engine = Engine()
            self._upstream = Upstream(self._engine)
            gc.collect()
            gc.disable()
            try:
                yield
            finally:
                gc.enable()
                self._upstream.close()
                self._engine.close()

    def stand(self) -> Stand:
        """What measurements outside this class work with; while `running` only."""
        return Stand(self._engine, self.cores, self._folder, self._plan, self._say, self._versions)

    # ---- programs

    @contextmanager
    def _programs(self, names: Sequence[str], absent: dict[str, str]) -> Generator[dict[str, Program], None, None]:
        """The programs that are there, on their core; why the others are not goes to `absent`."""
        found: dict[str, Program] = {}
        with ExitStack() as stack:
            for name in names:
                self._say(f"starting {name}")
                try:
                    with pinned(self.cores.program):
                        found[name] = stack.enter_context(started(name, self._upstream.port, self._folder))
                except Absent as reason:
                    absent[name] = str(reason)
                    self._say(f"{name} is left out: {reason}")
            yield found

    # ---- CPU

    def accounting_rows(self) -> list[Row]:
        """The rows of the engine alone, on the core where the programs run."""
        self._say("accounting")
        with pinned(self.cores.program):
            return accounting_rows(self._plan.repetitions, self._versions)

    def cpu_rows(self, wanted: Sequence[Workload]) -> list[Row]:
        """The rows of all these workloads."""
        names = list(dict.fromkeys(name for workload in wanted for name in workload.programs))
        absent: dict[str, str] = {}
        rows: list[Row] = []
        with self._programs(names, absent) as programs:
            for workload in wanted:
                here = [programs[name] for name in workload.programs if name in programs]
                rows += self._rows_of(workload, self._repetitions(workload, here))
                rows += [
                    skipped_row(f"{workload.name}/{name}", workload.unit, self._versions, absent[name])
                    for name in workload.programs
                    if name in absent
                ]
        return rows

    def _repetitions(self, workload: Workload, programs: Sequence[Program]) -> dict[str, list[Sample]]:
        """The samples by program, one for each repetition; the order inside each is shuffled."""
        samples: dict[str, list[Sample]] = {program.name: [] for program in programs}
        for number in range(self._plan.repetitions):
            for program in order(programs, self._plan.seed, workload.name, number):
                sample = self._undisturbed(workload, program)
                samples[program.name].append(sample)
                place = f"{workload.name} {number + 1}/{self._plan.repetitions} {program.name}"
                self._say(f"{place}: {_in_words(sample, workload.unit)}")
        return samples

    def _undisturbed(self, workload: Workload, program: Program) -> Sample:
        sample = self._sample(workload, program)
        while self._retries > 0 and disturbed(sample):
            self._retries -= 1
            self._say(f"{program.name}: again, somebody else used the cores ({_in_words(sample, workload.unit)})")
            sample = self._sample(workload, program)
        return sample

    def _sample(self, workload: Workload, program: Program) -> Sample:
        self._upstream.script = workload.script
        with self._clients(workload, program) as tally:
            self._engine.run_for(self._plan.warm_s)
            before, pid = tally.done, program.pid
            program_s = cpu_s(pid) if pid is not None else 0.0
            wall_s, load_s = time.monotonic(), time.process_time()
            self._engine.run_for(self._plan.window_s)
            load_s, wall_s = time.process_time() - load_s, time.monotonic() - wall_s
            used = cpu_s(pid) - program_s if pid is not None else None
            units = (tally.done - before) * workload.units_per_answer
        if not units:
            raise TargetError(f"{program.name}: no answer to {workload.name} within {self._plan.window_s:g} s")
        return Sample(units, wall_s, used, load_s)

    @contextmanager
    def _clients(self, workload: Workload, program: Program) -> Generator[Tally, None, None]:
        """The workload's connections, all of them answered once."""
        tally = Tally()
        clients: list[Client] = []
        try:
            clients.extend(workload.client(self._engine, program.aim, tally) for _ in range(workload.connections))
            self._until_ready(tally, workload.connections, f"{program.name}, first answers to {workload.name}")
            yield tally
            # What is under way comes to its end, so that nothing of it falls into the next measurement.
            tally.is_ending = True
            what = f"{program.name}, last answers to {workload.name}"
            self._engine.run_until(lambda: tally.idle == workload.connections, READY_LIMIT_S, what)
        finally:
            self._close(clients)

    def _close(self, clients: Sequence[Client]) -> None:
        for client in clients:
            client.close()
        self._engine.run_for(SETTLE_S)

    def _rows_of(self, workload: Workload, samples: Mapping[str, Sequence[Sample]]) -> list[Row]:
        rows: list[Row] = []
        for name, own in samples.items():
            references = [ECHO] if name not in (ECHO, DIRECT) else []
            if name in (GATEWAY, RELAY) and NGINX in samples:
                references.append(NGINX)
            label = f"{workload.name}/{name}"
            if not references:
                rows.append(cpu_row(label, workload.unit, own, self._versions))
            rows += [
                cpu_row(label, workload.unit, own, self._versions, reference, samples[reference])
                for reference in references
            ]
        return rows

    # ---- memory

    def memory_rows(self) -> list[Row]:
        """Resident memory of fresh programs after some thousand requests, and what an idle Live session adds."""
        served, idle = f"{MEMORY}-served", f"{MEMORY}-idle-session"
        absent: dict[str, str] = {}
        mib: dict[str, float] = {}
        kib: dict[str, float] = {}
        with self._programs((*LIVE_PROGRAMS, SIMULATOR), absent) as programs:
            for name, program in programs.items():
                mib[name] = self._served_mib(program)
                self._say(f"{served} {name}: {mib[name]:.1f} MiB")
                if name in LIVE_PROGRAMS:
                    kib[name] = self._idle_kib(program)
                    self._say(f"{idle} {name}: {kib[name]:.1f} KiB")
        return [
            *self._memory_rows_of(served, "MiB", mib, absent),
            *self._memory_rows_of(idle, "KiB", kib, {name: absent[name] for name in LIVE_PROGRAMS if name in absent}),
        ]

    def _memory_rows_of(
        self, label: str, unit: str, sizes: Mapping[str, float], absent: Mapping[str, str]
    ) -> list[Row]:
        rows = [
            memory_row(f"{label}/{name}", unit, size, self._versions, (ECHO, sizes[ECHO]) if name != ECHO else None)
            for name, size in sizes.items()
        ]
        return rows + [skipped_row(f"{label}/{name}", unit, self._versions, why) for name, why in absent.items()]

    def _served_mib(self, program: Program) -> float:
        """Resident memory after the plan's requests."""
        workload = unary(MEMORY, "", ())
        self._upstream.script = workload.script
        with self._clients(workload, program) as tally:
            what = f"{program.name}, {self._plan.memory_requests} requests"
            self._engine.run_until(lambda: tally.done >= self._plan.memory_requests, MEMORY_LIMIT_S, what)
        return rss_bytes(_pid(program)) / 2**20

    def _idle_kib(self, program: Program) -> float:
        """What each of the plan's idle Live sessions adds to it."""
        before = rss_bytes(_pid(program))
        self._upstream.script = Script()
        tally = Tally()
        clients: list[Client] = []
        try:
            while len(clients) < self._plan.memory_sessions:
                clients.extend(idle_session(self._engine, program.aim, tally) for _ in range(_OPENED_AT_ONCE))
                self._until_ready(tally, len(clients), f"{program.name}, idle sessions")
            return (rss_bytes(_pid(program)) - before) / len(clients) / 1024
        finally:
            self._close(clients)

    def _until_ready(self, tally: Tally, count: int, what: str) -> None:
        self._engine.run_until(lambda: tally.ready == count, READY_LIMIT_S, what)


def _pid(program: Program) -> int:
    if program.pid is None:
        raise ValueError(f"{program.name} has no process")
    return program.pid


def _in_words(sample: Sample, unit: str) -> str:
    busy = f"busy {program_share([sample]):.0%}, " if sample.program_s is not None else ""
    return f"{sample.us_per_unit:.1f} {unit} ({busy}load {load_share([sample]):.0%})"
