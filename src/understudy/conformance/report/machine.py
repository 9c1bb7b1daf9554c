"""The report as JSON: the whole run, without secrets and without bodies, by `report.schema.json`. Pure.

Members may be added within a `schema_version`; none changes its meaning or goes away.
"""

from typing import Any, Final

from ...redaction import Json, redacted
from ..model import Case, Finding, Run, Verdict
from .repeat import repeat_command, without_key
from .summary import Outcome, by_area, by_feature, counts, deviations, exit_status, is_broken, outcomes, skips
from .veil import Veil

SCHEMA_VERSION: Final = 1


def as_json(run: Run) -> Json:
    """The report as a JSON value."""
    found = outcomes(run)
    told = {verdict.probe for verdict in run.verdicts if verdict.findings or verdict.status == "errored"}
    report: Json = {
        "schema_version": SCHEMA_VERSION,
        "gateway": _gateway(run),
        "simulator": run.simulator,
        "versions": dict(run.versions),
        "started": run.started,
        "seconds": round(run.seconds, 3),
        "command": list(without_key(run.command)),
        "strict": run.strict,
        "partial": run.is_partial,
        "exit_status": exit_status(run),
        "scope_carriers": {surface.value: carrier for surface, carrier in run.carriers.items()},
        "summary": dict(counts(found)),
        "areas": {area: dict(counts(inner)) for area, inner in by_area(run).items()},
        "features": {count.feature: {"claimed": count.is_claimed, **count.verdicts} for count in by_feature(run)},
        "skipped": [{"reason": reason, "checks": list(ids)} for reason, ids in skips(run).items()],
        "known_deviations": [
            {"check": deviation.check, "reason": deviation.reason, "state": state}
            for deviation, state in deviations(run)
        ],
        "checks": [_check(run, outcome) for outcome in found],
        "transcripts": {id: _transcripts(case) for id, case in run.cases.items() if id in told},
    }
    veiled: Json = Veil(run).value(report)
    return veiled


def _gateway(run: Run) -> Json:
    return {
        "name": run.target.name,
        "version": run.target.version,
        "url": run.url,
        "features": sorted(run.target.features),
        "price_book": run.target.price_book,
    }


def _check(run: Run, outcome: Outcome) -> Json:
    check = outcome.check
    return {
        "id": check.id,
        "area": check.area,
        "requirement": check.requirement,
        "sentence": check.sentence,
        "level": check.level,
        "features": list(check.features),
        "reference": check.reference,
        "status": outcome.status,
        "reason": outcome.reason,
        "cases": [_case(run, verdict) for verdict in outcome.verdicts],
    }


def _case(run: Run, verdict: Verdict) -> Json:
    repeat = {"repeat": repeat_command(run, verdict)} if is_broken(run, verdict) or verdict.status == "warned" else {}
    return {
        "probe": verdict.probe,
        "status": verdict.status,
        "reason": verdict.reason,
        "seconds": round(verdict.seconds, 6),
        "findings": [_finding(finding) for finding in verdict.findings],
        "evidence": list(verdict.evidence),
        **repeat,
    }


def _finding(finding: Finding) -> Json:
    return {"message": finding.message, "evidence": list(finding.evidence), "timeout": finding.is_timeout}


def _transcripts(case: Case) -> dict[str, Any]:
    """Both sides of the gateway; the times of one side are not those of the other."""
    return {"scope": case.scope, "client": redacted(case.client), "upstream": redacted(case.upstream)}
