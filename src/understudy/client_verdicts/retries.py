"""Rules about trying again: when, what, and how often. Pure."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from .attempts import Attempt, Retry, early_retries, runs
from .model import NAMED, Finding, Rule, shown_s
from .seen import Seen

HEEDED_SHARE: Final = 0.9
"""So much of the time that was told must have passed: timers are coarse, and fractions of seconds get cut off."""

HEEDED_SLACK_S: Final = 0.05

REPEAT_WITHIN_S: Final = 60.0
"""Later than that it is not taken for a retry: google-genai's longest pause (wire-http 5.1)."""

STORM: Final = 10
"""Retries within `STORM_S` that make a storm; google-genai makes 4 in 15 s or more (wire-http 5.1)."""

STORM_S: Final = 10.0

STEADY: Final = 4
"""Retries of one thing, at least, whose pauses are compared."""

STEADY_SPREAD: Final = 1.25
"""The longest pause is at most so many times the shortest: then they neither grow nor vary."""

NO_PAUSE_S: Final = 0.01
"""Pauses below that count as that: they are none."""


def _retry_after_ignored(seen: Seen) -> Iterator[Finding]:
    for group in seen.groups:
        early = tuple(early_retries(group, _told_moment))
        if early:
            worst = min(early, key=lambda retry: retry.gap_s / (retry.failed.told_s or 1.0))
            why = f"waited {shown_s(worst.gap_s)} of {shown_s(worst.failed.told_s or 0)} after {worst.failed.status}: "
            yield _found(why + worst.again.what + _times(early), early)


def _told_moment(failed: Attempt) -> float | None:
    if not failed.told_s:
        return None
    return failed.answered + max(failed.told_s * HEEDED_SHARE - HEEDED_SLACK_S, 0.0)


def _retried_non_retryable(seen: Seen) -> Iterator[Finding]:
    for group in seen.groups:
        again = tuple(early_retries(group, _final_moment))
        if again:
            first = again[0]
            why = f"the same again {shown_s(first.gap_s)} after {first.failed.status}: {first.again.what}"
            yield _found(why + _times(again), again)


def _final_moment(failed: Attempt) -> float | None:
    return failed.ended + REPEAT_WITHIN_S if failed.outcome == "final" else None


def _retry_storm(seen: Seen) -> Iterator[Finding]:
    for group in seen.groups:
        allowed = STORM * group.most
        densest = _densest(_after_failures(group.attempts))
        if len(densest) >= allowed:
            took = densest[-1].started - densest[0].started
            why = f"{len(densest)} retries in {shown_s(took)}: {densest[0].what}"
            yield _finding(why, densest)


def _after_failures(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """Attempts that began when another one had failed; each failure excuses one. Those that waited as told are not
    among them."""
    failures = deque(sorted((one for one in attempts if one.outcome != "ok"), key=lambda one: one.ended))
    found: list[Attempt] = []
    for attempt in attempts:
        if failures and failures[0].ended <= attempt.started:
            moment = _told_moment(failures.popleft())
            if moment is None or attempt.started < moment:
                found.append(attempt)
    return tuple(found)


def _densest(attempts: Sequence[Attempt]) -> Sequence[Attempt]:
    """The most attempts that began within STORM_S."""
    best = (0, 0)
    first = 0
    for last, attempt in enumerate(attempts, 1):
        while attempt.started - attempts[first].started > STORM_S:
            first += 1
        if last - first > best[1] - best[0]:
            best = first, last
    return attempts[best[0] : best[1]]


def _no_backoff(seen: Seen) -> Iterator[Finding]:
    for group in seen.groups:
        for run in runs(group, REPEAT_WITHIN_S):
            untold = [retry for retry in run if not retry.failed.told_s and retry.failed.outcome == "retryable"]
            pauses = [max(retry.gap_s, NO_PAUSE_S) for retry in untold]
            if len(pauses) >= STEADY and max(pauses) <= STEADY_SPREAD * min(pauses):
                shown = f"{shown_s(min(pauses))} to {shown_s(max(pauses))}"
                why = f"{len(pauses)} retries, each {shown} after the error before it: {untold[0].again.what}"
                yield _found(why, untold)


def _found(why: str, retries: Sequence[Retry]) -> Finding:
    return _finding(why, [attempt for retry in retries for attempt in (retry.failed, retry.again)])


def _finding(why: str, attempts: Sequence[Attempt]) -> Finding:
    exchanges = dict.fromkeys(attempt.id for attempt in attempts if not attempt.is_session)
    sessions = dict.fromkeys(attempt.id for attempt in attempts if attempt.is_session)
    return Finding(why, tuple(exchanges)[:NAMED], tuple(sessions)[:NAMED])


def _times(retries: Sequence[Retry]) -> str:
    return f" ({len(retries)} times)" if len(retries) > 1 else ""


RULES: Final = (
    Rule(
        "retry_after_ignored",
        "failed",
        "It came back before the time that the error told it to wait.",
        "The same request, begun before nine tenths of the time in `Retry-After` or `RetryInfo.retryDelay` (the smaller"
        " if there are both) had passed since the answer.",
        "RFC 9110 10.2.3; google.rpc.RetryInfo",
        _retry_after_ignored,
    ),
    Rule(
        "retried_non_retryable",
        "failed",
        "It sent the same again after an error that says that the request itself is wrong.",
        "The same request with the same credentials within 60 s after a 4xx (but 408, 409, 425, 429, 499, 404 or 410 of"
        " a GET), 501 or 505; the same setup after close 1007.",
        "google-genai's list of codes; RFC 9110 15.5",
        _retried_non_retryable,
    ),
    Rule(
        "retry_storm",
        "failed",
        "It tried again and again in a short time.",
        "10 retries of the same within 10 s, for each client that sends it.",
        "google-genai makes 4 retries in 15 s or more",
        _retry_storm,
    ),
    Rule(
        "no_backoff",
        "warned",
        "Its pauses between retries do not grow.",
        "4 or more retries of the same after errors that tell no time to wait, and the longest pause is at most 1.25"
        " times the shortest.",
        "Google Cloud: truncated exponential backoff with jitter",
        _no_backoff,
    ),
)
