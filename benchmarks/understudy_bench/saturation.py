"""CPU at saturation: every workload is put on each of its programs in shuffled order, and samples become rows."""

import time
from collections.abc import Mapping, Sequence

from understudy.errors import TargetError

from .figures import Sample, cpu_row, disturbed, load_share, program_share, skipped_row
from .limits import limited
from .machine import cpu_s
from .plan import Stand
from .playing import order, playing, programs_on
from .programs import Program
from .rows import Row
from .workloads import Workload


class Saturation:
    """Measures; a measurement that somebody disturbed is made again, as often as the plan allows in all."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._retries = stand.plan.retries

    def rows(self, wanted: Sequence[Workload]) -> list[Row]:
        """The rows of all these workloads."""
        names = list(dict.fromkeys(name for workload in wanted for name in workload.programs))
        absent: dict[str, str] = {}
        rows: list[Row] = []
        with programs_on(self._stand, names, absent) as programs:
            for workload in wanted:
                here = [programs[name] for name in workload.programs if name in programs]
                rows += self._rows_of(workload, self._repetitions(workload, here))
                rows += [
                    skipped_row(f"{workload.name}/{name}", workload.unit, self._stand.versions, absent[name])
                    for name in workload.programs
                    if name in absent
                ]
        return rows

    def _repetitions(self, workload: Workload, programs: Sequence[Program]) -> dict[str, list[Sample]]:
        """The samples by program, one for each repetition; the order inside each is shuffled."""
        plan = self._stand.plan
        samples: dict[str, list[Sample]] = {program.name: [] for program in programs}
        for number in range(plan.repetitions):
            for program in order(programs, plan.seed, workload.name, number):
                sample = self._undisturbed(workload, program)
                samples[program.name].append(sample)
                place = f"{workload.name} {number + 1}/{plan.repetitions} {program.name}"
                self._stand.say(f"{place}: {_in_words(sample, workload.unit)}")
        return samples

    def _undisturbed(self, workload: Workload, program: Program) -> Sample:
        found = sample(self._stand, workload, program)
        while self._retries > 0 and disturbed(found):
            self._retries -= 1
            words = _in_words(found, workload.unit)
            self._stand.say(f"{program.name}: again, somebody else used the cores ({words})")
            found = sample(self._stand, workload, program)
        return found

    def _rows_of(self, workload: Workload, samples: Mapping[str, Sequence[Sample]]) -> list[Row]:
        rows: list[Row] = []
        for name, own in samples.items():
            references = [reference for reference in workload.beside(name) if reference in samples]
            label, versions = f"{workload.name}/{name}", self._stand.versions
            if not references:
                rows.append(cpu_row(label, workload.unit, own, versions))
            rows += [
                limited(cpu_row(label, workload.unit, own, versions, reference, samples[reference]))
                for reference in references
            ]
        return rows


def sample(stand: Stand, workload: Workload, program: Program) -> Sample:
    """One measurement of a workload on a program. Raises TargetError if it answers nothing."""
    with playing(stand, workload, program) as tally:
        stand.engine.run_for(stand.plan.warm_s)
        before, pid = tally.done, program.pid
        program_s = cpu_s(pid) if pid is not None else 0.0
        wall_s, load_s = time.monotonic(), time.process_time()
        stand.engine.run_for(stand.plan.window_s)
        load_s, wall_s = time.process_time() - load_s, time.monotonic() - wall_s
        used = cpu_s(pid) - program_s if pid is not None else None
        units = (tally.done - before) * workload.units_per_answer
    if not units:
        raise TargetError(f"{program.name}: no answer to {workload.name} within {stand.plan.window_s:g} s")
    return Sample(units, wall_s, used, load_s)


def _in_words(sample: Sample, unit: str) -> str:
    busy = f"busy {program_share([sample]):.0%}, " if sample.program_s is not None else ""
    return f"{sample.us_per_unit:.1f} {unit} ({busy}load {load_share([sample]):.0%})"
