"""All checks, and the choice among them. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ..errors import ConfigError, did_you_mean
from ..scenario.model import Scenario
from . import auth, bodies, cost, errors, headers, live, operations, streams, urls
from .model import Check, Probe
from .probes import library_probe
from .target import Target

CHECKS: Final[tuple[Check, ...]] = (
    *urls.CHECKS,
    *auth.CHECKS,
    *headers.CHECKS,
    *bodies.CHECKS,
    *streams.CHECKS,
    *live.CHECKS,
    *operations.CHECKS,
    *cost.CHECKS,
    *errors.CHECKS,
)


@dataclass(frozen=True, slots=True)
class Pair:
    """One check on one probe: what a verdict is about."""

    check: Check
    probe: Probe


def named(words: Sequence[str], checks: Sequence[Check] = CHECKS) -> tuple[Check, ...]:
    """The checks that `words` name: an area (`HDR`), a requirement (`HDR-4`) or a check; no words: all.

    Raises ConfigError with the nearest word.
    """
    known = [word for check in checks for word in (check.area, check.requirement, check.id)]
    lowered = {word.lower() for word in known}
    for word in words:
        if word.lower() not in lowered:
            hint = did_you_mean(word, dict.fromkeys(known))
            raise ConfigError(f"--check {word}: there is no such check, requirement or area{hint}")
    wanted = {word.lower() for word in words}
    return tuple(check for check in checks if not wanted or wanted & {word.lower() for word in _words(check)})


def _words(check: Check) -> tuple[str, str, str]:
    return check.area, check.requirement, check.id


def paired(checks: Iterable[Check], scenarios: Sequence[Scenario], words: Sequence[str] = ()) -> tuple[Pair, ...]:
    """Each check with each probe that it is judged on; `words` are ids of probes or the starts of them.

    A check without probes of its own is judged on every one of `scenarios` that it fits and that has a client's side:
    those of faults have none. Raises ConfigError if a word names no probe.
    """
    scenarios = [scenario for scenario in scenarios if scenario.client]
    library = {scenario.id: library_probe(scenario) for scenario in scenarios}
    pairs = [Pair(check, probe) for check in checks for probe in _probes(check, scenarios, library)]
    ids = [pair.probe.id for pair in pairs]
    for word in words:
        if not any(is_named(id, word) for id in ids):
            raise ConfigError(
                f"{word}: no scenario of these checks is called so{did_you_mean(word, dict.fromkeys(ids))}"
            )
    return tuple(pair for pair in pairs if not words or any(is_named(pair.probe.id, word) for word in words))


def _probes(check: Check, scenarios: Sequence[Scenario], library: dict[str, Probe]) -> Iterable[Probe]:
    if check.probes:
        return check.probes
    fits = check.fits
    return [library[scenario.id] for scenario in scenarios if fits is None or fits(scenario)]


def is_named(id: str, word: str) -> bool:
    """Whether `word` is an id or the start of one, at a slash."""
    return id == word or id.startswith(word.rstrip("/") + "/")


def missing_features(pair: Pair, target: Target) -> tuple[str, ...]:
    """What the target does not claim of what the check and its probe need."""
    needed = dict.fromkeys((*pair.probe.features, *pair.check.features))
    return tuple(feature for feature in needed if feature not in target.features)
