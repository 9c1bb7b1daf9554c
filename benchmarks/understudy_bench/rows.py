"""What a run of the bench leaves behind: rows, and the report that holds them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from understudy.errors import ConfigError

SCHEMA_VERSION: Final = 1

OURS: Final = ("gateway", "simulator", "engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure. The smaller, the better, for every unit there is.

    `name` is `workload/program`. `value` is the median over the repetitions; `ratio` the median of the ratios to
    `reference`, each formed inside one repetition; `spread` is how far these lie apart, (largest - smallest) / median,
    of the ratios or, without a reference, of the values. `saturated`: the program and its reference had their core
    busy and the load tool had not; None where that means nothing. Shares are of one core, medians. A row that was
    `skipped` says why and has no figures. `must`, `aim`: the limit of the ratio; of the value without a
    reference, or with `limits_value`.
    """

    name: str
    value: float | None
    unit: str
    reference: str | None
    ratio: float | None
    versions: Mapping[str, str]
    spread: float | None = None
    repetitions: int = 0
    saturated: bool | None = None
    rate: float | None = None
    program_share: float | None = None
    load_share: float | None = None
    skipped: str | None = None
    note: str | None = None
    must: float | None = None
    aim: float | None = None
    limits_value: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it is more than its limit."""
        figure = self.value if self.limits_value or self.reference is None else self.ratio
        return self.must is not None and figure is not None and figure > self.must

    @property
    def workload(self) -> str:
        """The part of the name before the slash."""
        return self.name.partition("/")[0]

    @property
    def program(self) -> str:
        """The part of the name behind the slash."""
        return self.name.partition("/")[2]

    @property
    def is_ours(self) -> bool:
        """Whether it says something of this project; the others are there to compare with."""
        return self.program in OURS


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run: the machine, what was asked for, and the rows."""

    schema_version: int
    machine: Mapping[str, str]
    settings: Mapping[str, float | int | str]
    rows: tuple[Row, ...]


def to_json(report: Report) -> bytes:
    """The report as the file `bench.json`."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def from_json(data: bytes, source: str) -> Report:
    """The report that `to_json` wrote. Raises ConfigError, naming `source`, if it is none."""
    try:
        report = msgspec.json.decode(data, type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: no report of the bench: {error}") from error
    if report.schema_version != SCHEMA_VERSION:
        raise ConfigError(f"{source}: schema_version {report.schema_version}, and this bench reads {SCHEMA_VERSION}")
    return report
