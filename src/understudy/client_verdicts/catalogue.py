"""All rules about clients, and the judge that applies them. Pure."""

from collections.abc import Sequence
from math import inf
from typing import Final

from ..messages import Transcript
from . import connections, live, operations, retries, streams, uploads
from .model import ClientVerdict, Finding, Level, Rule
from .seen import Seen, Whole

AREAS: Final = {
    "Trying again": retries.RULES,
    "Streams": streams.RULES,
    "Operations and uploads": (*operations.RULES, *uploads.RULES),
    "Connections and credentials": connections.RULES,
    "Live sessions": live.RULES,
}
"""The rules by area, as the reference page shows them."""

RULES: Final[tuple[Rule, ...]] = tuple(rule for rules in AREAS.values() for rule in rules)


def judge(transcript: Transcript, now: float | None = None, scope: str | None = None) -> tuple[ClientVerdict, ...]:
    """What the clients in a transcript did wrong: by scope, in the order of the rules.

    `now` is the transcript's clock; None: the clients are done, what they have not done they will not do. `scope` None
    judges all scopes.
    """
    whole = Whole(transcript, inf if now is None else now)
    mine = whole.by_scope()
    found: list[ClientVerdict] = []
    for name in sorted(mine) if scope is None else [scope]:
        seen = Seen(name, *mine.get(name, ((), ())), whole)
        found += [_verdict(rule, name, finding) for rule in RULES for finding in rule.judge(seen)]
    return tuple(found)


def _verdict(rule: Rule, scope: str, finding: Finding) -> ClientVerdict:
    return ClientVerdict(rule.id, rule.level, scope, finding.why, finding.exchanges, finding.sessions)


def worst(verdicts: Sequence[ClientVerdict]) -> Level | None:
    """The gravest level among verdicts, None if there are none."""
    levels = {verdict.level for verdict in verdicts}
    return "failed" if "failed" in levels else "warned" if levels else None
