"""The report as JUnit XML: a test suite an area, a test case a check and probe. Pure.

JUnit knows no warning: a broken SHOULD is a passed test case that tells so, or with `strict` a failure.
"""

from collections.abc import Iterator
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ..model import Run, Verdict
from .repeat import repeat_command
from .summary import is_broken
from .veil import Veil

_NO_XML: Final = ("\ufffe", "\uffff")
"""Characters beside the control and surrogate ones that XML 1.0 cannot hold, not even escaped."""


def as_xml(run: Run) -> str:
    """The report as the text of an XML document."""
    veil = Veil(run)
    root = Element("testsuites", name="understudy check")
    areas: dict[str, list[Verdict]] = {}
    for verdict in run.verdicts:
        areas.setdefault(verdict.check.area, []).append(verdict)
    for area, verdicts in areas.items():
        _suite(root, run, area, verdicts, veil)
    _count(root, run, run.verdicts)
    root.set("time", f"{run.seconds:.3f}")
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(root: Element, run: Run, area: str, verdicts: list[Verdict], veil: Veil) -> None:
    suite = SubElement(root, "testsuite", name=area, timestamp=run.started)
    _count(suite, run, tuple(verdicts))
    suite.set("time", f"{sum(verdict.seconds for verdict in verdicts):.3f}")
    properties = SubElement(suite, "properties")
    values = {"gateway": run.target.name, "gateway.version": run.target.version, "url": run.url, **run.versions}
    for name, value in values.items():
        SubElement(properties, "property", name=_clean(name, veil), value=_clean(value, veil))
    for verdict in verdicts:
        _case(suite, run, verdict, veil)


def _count(element: Element, run: Run, verdicts: tuple[Verdict, ...]) -> None:
    element.set("tests", str(len(verdicts)))
    failed = [verdict for verdict in verdicts if is_broken(run, verdict) and verdict.status != "errored"]
    element.set("failures", str(len(failed)))
    element.set("errors", str(sum(verdict.status == "errored" for verdict in verdicts)))
    element.set("skipped", str(sum(verdict.status == "skipped" for verdict in verdicts)))


def _case(suite: Element, run: Run, verdict: Verdict, veil: Veil) -> None:
    check = verdict.check
    case = SubElement(
        suite,
        "testcase",
        classname=f"understudy.{check.area}",
        name=_clean(f"{check.id} [{verdict.probe}]", veil),
        time=f"{verdict.seconds:.3f}",
    )
    text = _clean("\n".join(_told(run, verdict)), veil)
    message = _clean(verdict.findings[0].message if verdict.findings else verdict.reason, veil)
    if verdict.status == "errored":
        SubElement(case, "error", message=message, type="errored").text = text
    elif is_broken(run, verdict):
        SubElement(case, "failure", message=message, type=_clean(verdict.reason or verdict.status, veil)).text = text
    elif verdict.status == "skipped":
        SubElement(case, "skipped", message=_clean(verdict.reason, veil))
    if verdict.findings:
        SubElement(case, "system-out").text = text


def _told(run: Run, verdict: Verdict) -> Iterator[str]:
    check = verdict.check
    yield f"{verdict.status}: {check.sentence}"
    if verdict.reason:
        yield f"reason: {verdict.reason}"
    if check.reference:
        yield f"reference: {check.reference}"
    for finding in verdict.findings:
        yield finding.message
        yield from (f"  {line}" for line in finding.evidence)
    yield from verdict.evidence
    if is_broken(run, verdict):
        yield f"$ {repeat_command(run, verdict)}"


def _clean(text: str, veil: Veil) -> str:
    """Without secrets, and with what XML 1.0 cannot hold written as Python would write it."""
    return "".join(char if _is_xml(char) else ascii(char)[1:-1] for char in veil.text(text))


def _is_xml(char: str) -> bool:
    if char in "\t\n":
        return True
    code = ord(char)
    return code >= 0x20 and not 0x7F <= code <= 0x9F and not 0xD800 <= code <= 0xDFFF and char not in _NO_XML
