"""How long a service takes: distributions and the profiles made of them, as written and as drawn.

Pure: numbers from 0 to 1 come in, seconds go out, by the inverse of each distribution's function, so that one number
gives one wait whatever was drawn before. Reference for the words: docs/reference/latency.md.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Annotated, Any, Final, Self, assert_never, cast

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from ..errors import ScenarioError
from .document_bodies import Doc, exactly_one
from .parse import Lines, form_problems
from .scalars import Duration

LONGEST_S: Final = 3600.0
"""No wait is longer, however unlucky the draw."""

_NORMAL: Final = NormalDist()
_TAIL: Final = 1e-12
"""Draws are kept that far from 0 and 1, where quantiles are without bound."""


_NEWTON_STEPS: Final = 30


# ---- as values


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Uniform:
    """Anything between two bounds, each as likely."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Half of the draws below the median; the logarithm has the standard deviation `sigma`."""

    median: float
    sigma: float


@dataclass(frozen=True, slots=True)
class Gamma:
    """A sum of `shape` exponential waits (any positive number), with this mean."""

    shape: float
    mean: float


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was measured: quantiles as pairs of share and seconds, straight lines between them."""

    quantiles: tuple[tuple[float, float], ...]


Distribution = Constant | Uniform | LogNormal | Gamma | Recorded
NONE: Final = Constant(0.0)


@dataclass(frozen=True, slots=True)
class Load:
    """With `at` answers under way every wait is `factor` times as long; evenly less with fewer, once with one."""

    at: int
    factor: float

    def times(self, under_way: int) -> float:
        """The factor with so many answers under way."""
        return 1.0 + (self.factor - 1.0) * max(under_way - 1, 0) / max(self.at - 1, 1)


@dataclass(frozen=True, slots=True)
class Profile:
    """How long a service takes, in seconds; see docs/reference/latency.md for what each wait is."""

    name: str = ""
    connect: Distribution = NONE
    setup: Distribution = NONE
    first_token: Distribution = NONE
    gap: Distribution = NONE
    per_token_in: Distribution = NONE
    per_token_out: Distribution = NONE
    operation: Distribution = NONE
    load: Load | None = None


def quantile(distribution: Distribution, share: float) -> float:
    """The wait below which that share (0 to 1) of all waits is, in seconds; at least 0, at most an hour."""
    share = min(max(share, _TAIL), 1.0 - _TAIL)
    match distribution:
        case Constant(seconds):
            found = seconds
        case Uniform(low, high):
            found = low + (high - low) * share
        case LogNormal(median, sigma):
            found = median * math.exp(min(sigma * _NORMAL.inv_cdf(share), 700.0))
        case Gamma(shape, mean):
            found = mean / shape * _gamma_quantile(shape, share)
        case Recorded(quantiles):
            found = _between(quantiles, share)
        case _:
            assert_never(distribution)
    return min(max(found, 0.0), LONGEST_S)


def _between(quantiles: Sequence[tuple[float, float]], share: float) -> float:
    before = quantiles[0]
    for at, seconds in quantiles:
        if share <= at:
            width = at - before[0]
            part = (share - before[0]) / width if width > 0 else 1.0
            return before[1] + (seconds - before[1]) * part if share > before[0] else before[1]
        before = (at, seconds)
    return before[1]


def _gamma_quantile(shape: float, share: float) -> float:
    """The inverse of the gamma distribution's function with scale 1.

    By Newton's steps on the logarithm from Wilson and Hilferty's approximation; by halving where they do not arrive.
    """
    ninth = 1.0 / (9.0 * shape)
    cube = 1.0 - ninth + _NORMAL.inv_cdf(share) * math.sqrt(ninth)
    x = shape * cube**3 if cube > 0.1 else math.exp((math.log(share) + math.lgamma(shape + 1.0)) / shape)
    for _ in range(_NEWTON_STEPS):
        if not 1e-290 < x < 1e290:
            break
        slope = math.exp(shape * math.log(x) - x - math.lgamma(shape))
        if slope <= 0.0:
            break
        step = (gamma_share(shape, x) - share) / slope
        x *= math.exp(-min(max(step, -2.0), 2.0))
        if abs(step) < 1e-10:
            return x
    return _gamma_by_halving(shape, share)


def _gamma_by_halving(shape: float, share: float) -> float:
    low, high = 1e-300, max(shape, 1.0)
    while gamma_share(shape, high) < share:
        high *= 2.0
    while high > low * (1.0 + 1e-12):
        middle = math.sqrt(low) * math.sqrt(high)
        if not low < middle < high:
            break
        low, high = (middle, high) if gamma_share(shape, middle) < share else (low, middle)
    return high


def gamma_share(shape: float, x: float) -> float:
    """The share of a gamma distribution with scale 1 below `x`: the regularized lower incomplete gamma function.

    By its series below `shape + 1` and by its continued fraction above, where each converges fast (NIST DLMF 8.11.4,
    8.9.2).
    """
    if x <= 0:
        return 0.0
    front = math.exp(-x + shape * math.log(x) - math.lgamma(shape))
    if x < shape + 1.0:
        term = total = 1.0 / shape
        at = shape
        while abs(term) > total * 1e-16:
            at += 1.0
            term *= x / at
            total += term
        return min(total * front, 1.0)
    tiny = 1e-300
    b = x + 1.0 - shape
    c, d = 1.0 / tiny, 1.0 / b
    fraction = d
    for index in range(1, 1000):
        a = -index * (index - shape)
        b += 2.0
        d = 1.0 / (a * d + b or tiny)
        c = b + a / c or tiny
        step = c * d
        fraction *= step
        if abs(step - 1.0) < 1e-16:
            break
    return 1.0 - front * fraction


# ---- as people write them


class UniformDoc(Doc):
    """Anything between two bounds."""

    low: Duration
    high: Duration

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.high < self.low:
            raise ValueError("'high' is below 'low'")
        return self


class LogNormalDoc(Doc):
    """Half below the median, with a long tail above."""

    median: Duration
    sigma: Annotated[float, Field(ge=0, le=5, strict=False)]
    """The standard deviation of the logarithm: 0.3 is steady, 1 is wild."""


class GammaDoc(Doc):
    """Waits that add up from parts."""

    shape: Annotated[float, Field(gt=0.01, le=1000, strict=False)]
    """1 is exponential, more is steadier."""
    mean: Duration


class DistributionDoc(Doc):
    """How waits are spread: exactly one of its words."""

    constant: Duration | None = None
    uniform: UniformDoc | None = None
    log_normal: LogNormalDoc | None = None
    gamma: GammaDoc | None = None
    recorded: Annotated[list[Duration], Field(min_length=1, max_length=10_000)] | None = None
    """Measured waits, in any order."""
    quantiles: Annotated[dict[str, Duration], Field(min_length=2)] | None = None
    """Measured quantiles: {p0: 80ms, p50: 120ms, p99: 900ms}; straight lines between them."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, tuple(DistributionDoc.model_fields), "a wait")
        if self.quantiles is not None:
            found = _quantiles_of(self.quantiles)
            if [seconds for _, seconds in found] != sorted(seconds for _, seconds in found):
                raise ValueError("quantiles grow with their share")
        return self


def _distribution_word(value: Any) -> Any:
    return {"constant": value} if isinstance(value, str) else value


Wait = Annotated[DistributionDoc, BeforeValidator(_distribution_word, json_schema_input_type=str | DistributionDoc)]


class LoadDoc(Doc):
    """How waits grow when many answers are under way."""

    at: Annotated[int, Field(ge=2, le=1_000_000)]
    """With so many."""
    factor: Annotated[float, Field(ge=1, le=1000, strict=False)]
    """They are so many times as long."""


class ProfileDoc(Doc):
    """How long a service takes; a wait that is left out is none."""

    title: str = ""
    connect: Wait | None = None
    """Once on each connection, before its first answer."""
    setup: Wait | None = None
    """Live: before the first message of the server."""
    first_token: Wait | None = None
    """Before an answer, or before the first message of a Live answer."""
    gap: Wait | None = None
    """Before each chunk or message that follows."""
    per_token_in: Wait | None = None
    """For each token of the request, on top of first_token."""
    per_token_out: Wait | None = None
    """For each token of the answer or chunk."""
    operation: Wait | None = None
    """How long a video is being made."""
    load: LoadDoc | None = None


def latency_profile(document: object, *, name: str, source: str = "latency", lines: Lines | None = None) -> Profile:
    """The profile that a decoded document describes. Raises ScenarioError with every mistake, and nothing else."""
    try:
        doc = ProfileDoc.model_validate(document)
    except ValidationError as error:
        mapping: Mapping[str, Any] = cast("Mapping[str, Any]", document) if isinstance(document, Mapping) else {}
        raise ScenarioError(form_problems(error, mapping, ProfileDoc, source, lines or {})) from None
    waits = {word: _value(getattr(doc, word)) for word in _WAITS if getattr(doc, word) is not None}
    load = None if doc.load is None else Load(doc.load.at, doc.load.factor)
    return Profile(name, **waits, load=load)


_WAITS: Final = ("connect", "setup", "first_token", "gap", "per_token_in", "per_token_out", "operation")


def _value(doc: DistributionDoc) -> Distribution:
    if doc.constant is not None:
        return Constant(doc.constant)
    if doc.uniform is not None:
        return Uniform(doc.uniform.low, doc.uniform.high)
    if doc.log_normal is not None:
        return LogNormal(doc.log_normal.median, doc.log_normal.sigma)
    if doc.gamma is not None:
        return Gamma(doc.gamma.shape, doc.gamma.mean)
    if doc.recorded is not None:
        found = sorted(doc.recorded)
        steps = max(len(found) - 1, 1)
        return Recorded(tuple((index / steps, seconds) for index, seconds in enumerate(found)))
    return Recorded(_quantiles_of(doc.quantiles or {}))


def _quantiles_of(words: Mapping[str, float]) -> tuple[tuple[float, float], ...]:
    found: list[tuple[float, float]] = []
    for word, seconds in words.items():
        try:
            percent = float(word.removeprefix("p"))
        except ValueError:
            percent = -1.0
        if not word.startswith("p") or not 0 <= percent <= 100:
            raise ValueError(f"a quantile is p0 to p100, like p99.9; found '{word}'")
        found.append((percent / 100, seconds))
    return tuple(sorted(found))
