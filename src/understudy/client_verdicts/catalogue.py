"""All rules about clients, and the judge that applies them. Pure."""

from collections.abc import Sequence
from typing import Final

from ..messages import Transcript
from . import retries
from .model import ClientVerdict, Finding, Level, Rule, Seen

AREAS: Final = {"Trying again": retries.RULES}
"""The rules by area, as the reference page shows them."""

RULES: Final[tuple[Rule, ...]] = tuple(rule for rules in AREAS.values() for rule in rules)


def judge(transcript: Transcript, now: float | None = None, scope: str | None = None) -> tuple[ClientVerdict, ...]:
    """What the clients in a transcript did wrong: by scope, in the order of the rules.

    `now` is the transcript's clock; None: what is under way is over. `scope` None judges all scopes. A scope is taken
    for one client's, or for clients that do not know of one another.
    """
    entries = (*transcript.exchanges, *transcript.sessions)
    end = max((entry.ended or entry.started for entry in entries), default=0.0) if now is None else now
    names = sorted({entry.origin.scope for entry in entries}) if scope is None else [scope]
    found: list[ClientVerdict] = []
    for name in names:
        seen = Seen(name, transcript.of_scope(name), transcript, end)
        found += [_verdict(rule, name, finding) for rule in RULES for finding in rule.judge(seen)]
    return tuple(found)


def _verdict(rule: Rule, scope: str, finding: Finding) -> ClientVerdict:
    return ClientVerdict(rule.id, rule.level, scope, finding.why, finding.exchanges, finding.sessions)


def worst(verdicts: Sequence[ClientVerdict]) -> Level | None:
    """The gravest level among verdicts, None if there are none."""
    levels = {verdict.level for verdict in verdicts}
    return "failed" if "failed" in levels else "warned" if levels else None
