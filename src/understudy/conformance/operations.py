"""Checks of long-running operations, VEO's above all: names, polls, results, downloads (requirements LRO)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from ..messages import Exchange, Response
from ..scenario.json_subset import decode_json
from ..scenario.model import Scenario
from ..scenario.parse import parse_scenario
from ..surfaces import Surface
from .errors import NOT_SENT, google_error
from .evidence import (
    answered,
    bare_target,
    differing,
    differing_fields,
    each_pair,
    exchanges,
    not_forwarded,
    pairwise,
    shown,
)
from .model import Ask, Asked, Case, Check, Finding, Judge, Probe
from .probes import Document, http_probe, reply

VEO_MODEL: Final = "veo-3.0-generate-001"
_START: Final = ":predictLongRunning"
_FETCH: Final = ":fetchPredictOperation"
_DOWNLOAD: Final = ":download"

VIDEO: Final[Document] = {
    "instances": [{"prompt": "A lighthouse at dusk"}],
    "parameters": {"durationSeconds": 8, "sampleCount": 1},
}


def veo_probe(
    id: str,
    title: str,
    operation: Document,
    client: tuple[Document, ...],
    *,
    surface: Surface,
    model: str = VEO_MODEL,
    expect: Document | None = None,
) -> Probe:
    """A probe of an operation, whose client starts, polls and downloads as the steps of its scenario say."""
    document: dict[str, Any] = {
        "id": f"probe/{id}",
        "title": title,
        "surface": surface.value,
        "model": model,
        "server": [{"operation": operation}],
        "client": list(client),
        "expect": dict(expect or {}),
    }
    return Probe(parse_scenario(document, source="probe"), (surface.value,), document, None, times=None)


def polls(at_most: int) -> Document:
    """A client's step: polls until it is done, so many at most."""
    return {"poll": {"every": "1s", "at_most": at_most}}


_GEMINI_JOB: Final = veo_probe(
    "lro/gemini-job",
    "A whole job of the Gemini API: two polls say running, the third is done, the video is downloaded",
    {"running_polls": 2, "then": {"videos": 1}},
    ({"start": {"json": VIDEO}}, polls(6), {"download": {}}),
    surface=Surface.GEMINI_VEO,
)
_VERTEX_JOB: Final = veo_probe(
    "lro/vertex-job",
    "A whole job of Vertex AI: two polls say running, the third is done, the video comes inline",
    {"running_polls": 2, "then": {"videos": 1}},
    ({"start": {"json": VIDEO}}, polls(6)),
    surface=Surface.VERTEX_VEO,
)
_JOBS: Final = (_GEMINI_JOB, _VERTEX_JOB)
_FAILED_JOB: Final = veo_probe(
    "lro/failed-job",
    "A job that ends with an error",
    {"running_polls": 0, "then": {"error": {"code": 3, "message": "Refused: caf\u00e9 <x>"}}},
    ({"start": {"json": VIDEO}}, polls(2)),
    surface=Surface.GEMINI_VEO,
)
_FILTERED_JOB: Final = veo_probe(
    "lro/filtered-job",
    "A job whose only video was filtered",
    {"then": {"response": {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": ["Support codes: 1"]}}},
    ({"start": {"json": VIDEO}}, polls(2)),
    surface=Surface.VERTEX_VEO,
)
_OPERATION: Final = f"/v1beta/models/{VEO_MODEL}/operations/abc123"
_VERBS: Final = http_probe(
    "lro/verbs",
    "What can be done with an operation beside polling it",
    (
        Ask(f"{_OPERATION}:cancel", body=b"{}"),
        Ask(f"{_OPERATION}:wait", body=b'{"timeout": "5s"}'),
        Ask(f"/v1beta/models/{VEO_MODEL}/operations", "GET", "pageSize=2", (), framing="none"),
        Ask(_OPERATION, "DELETE", headers=(), framing="none"),
    ),
    server=[reply(body=b'{ "done": %d }' % number) for number in range(4)],
)
_UNKNOWN_PATH: Final = http_probe(
    "lro/unknown-poll-path",
    "A poll on a path of circulating guides, that Google does not know",
    Ask(f"/v1beta/operations/models/{VEO_MODEL}/operations/abc123", "GET", headers=(), framing="none"),
    server=[google_error(404)],
)
_RANGE: Final = http_probe(
    "lro/range",
    "A part of a video",
    Ask(
        "/v1beta/files/video-1:download",
        "GET",
        "alt=media",
        ((b"Range", b"bytes=4-11"), (b"If-Range", b'"v1"')),
        framing="none",
    ),
    server=[
        reply(
            status=206,
            headers={"Content-Type": "video/mp4", "Content-Range": "bytes 4-11/4096", "ETag": '"v1"'},
            body=b"ftyp\x00\xff\r\n",
        )
    ],
)


def _start_refused(status: int) -> Probe:
    return http_probe(
        f"lro/start-refused-{status}",
        f"The start of a job is refused with {status}",
        Ask(f"/v1beta/models/{VEO_MODEL}{_START}", body=b'{"instances":[{"prompt":"A lighthouse"}]}'),
        server=[google_error(status, Retry_After="0"), reply(body=b'{"name":"models/m/operations/second"}')],
        surface=Surface.GEMINI_VEO,
        model=VEO_MODEL,
    )


_REFUSED: Final = tuple(_start_refused(status) for status in (429, 500, 503))


# -- reading


def is_start(path: str) -> bool:
    """Whether a path starts an operation."""
    return path.endswith(_START)


def is_poll(path: str) -> bool:
    """Whether a path asks for the state of an operation."""
    return "/operations/" in path or path.endswith(_FETCH)


def _path(target: str) -> str:
    return target.partition("?")[0]


def members_of(response: Response | None) -> Mapping[str, Any]:
    """The JSON object of an answer; empty if it is none."""
    value: Any = decode_json(response.body) if response is not None else None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _asked_polls(case: Case) -> list[Asked]:
    return [asked for asked in case.asked if is_poll(_path(asked.provider_target))]


def _seen_polls(case: Case) -> list[Exchange]:
    return [exchange for exchange in exchanges(case) if is_poll(exchange.request.path)]


# -- judging


def _name_kept(case: Case) -> Iterator[Finding]:
    if not case.asked:
        yield NOT_SENT
    for pair in each_pair(case):
        if isinstance(pair, Finding):
            yield pair
            return
        asked, exchange = pair
        if not is_start(_path(asked.provider_target)):
            continue
        given, got = (members_of(one.response).get("name") for one in (exchange, asked.exchange))
        if given is None or given != got:
            evidence = (f"provider: {shown(str(given))}", f"client: {shown(str(got))}")
            yield Finding("The name of the operation was changed.", evidence)


def _polls_arrive(case: Case) -> Iterator[Finding]:
    asked_polls, seen = _asked_polls(case), _seen_polls(case)
    if not asked_polls:
        yield Finding("The client could not poll: the start gave it no name.", _start_line(case))
    for asked, exchange in zip(asked_polls, seen, strict=False):
        wanted, found = bare_target(asked.provider_target), bare_target(exchange.request.target)
        if wanted != found:
            evidence = (f"wanted: {shown(wanted)}", f"found: {shown(found)}")
            yield Finding("A poll reached the provider on another path.", evidence)
        elif exchange.request.body != asked.ask.body:
            yield Finding("The body of a poll was changed.", differing(asked.ask.body, exchange.request.body))
    if not seen and asked_polls:
        yield not_forwarded(asked_polls[0])


def _start_line(case: Case) -> tuple[str, ...]:
    response = case.asked[0].exchange.response if case.asked else None
    return () if response is None else (f"answer: HTTP {response.status}", shown(response.body))


def _one_for_one(case: Case) -> Iterator[Finding]:
    mine, theirs = len(_asked_polls(case)), len(_seen_polls(case))
    if not mine:
        yield Finding("The client could not poll: the start gave it no name.", _start_line(case))
    elif mine != theirs:
        evidence = (f"polls: {mine} of the client, {theirs} at the provider",)
        yield Finding("The provider saw another number of polls than the client made.", evidence)


def _answer_kept(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    for both in answered(asked, exchange):
        if isinstance(both, Finding):
            yield both
            continue
        given, got = both
        if given.status != got.status:
            evidence = (f"provider: HTTP {given.status}", f"client: HTTP {got.status}", shown(got.body))
            yield Finding("The answer came with another status.", evidence)
        elif given.body != got.body or not got.complete:
            yield Finding("The body of the answer was changed.", differing(given.body, got.body))


def _same_both_ways(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    mine, theirs = asked.exchange.request, exchange.request
    wanted, found = bare_target(asked.provider_target), bare_target(theirs.target)
    if (mine.method, wanted) != (theirs.method, found):
        evidence = (f"wanted: {mine.method} {wanted}", f"found: {theirs.method} {found}")
        yield Finding("A request about an operation reached the provider as another one.", evidence)
    elif mine.body != theirs.body:
        yield Finding("The body of a request about an operation was changed.", differing(mine.body, theirs.body))
    yield from _answer_kept(asked, exchange)


def _only(wanted: str) -> Judge:
    """Judges the answers to one sort of request: `poll` or `download`."""

    def judge(case: Case) -> Iterator[Finding]:
        count = 0
        for pair in each_pair(case):
            if isinstance(pair, Finding):
                yield pair
                continue
            path = _path(pair[0].provider_target)
            if path.endswith(_DOWNLOAD) if wanted == "download" else is_poll(path):
                count += 1
                yield from _answer_kept(*pair)
        if not count:
            yield Finding(f"The client could make no {wanted}: the answers before it did not say where.")

    return judge


def _range_kept(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    lost = tuple(differing_fields(asked.ask.headers, exchange.request.headers, (b"range", b"if-range")))
    if lost:
        yield Finding("The range that was asked for did not reach the provider.", lost)
    for both in answered(asked, exchange):
        if isinstance(both, Finding):
            yield both
            continue
        changed = tuple(differing_fields(both[0].headers, both[1].headers, (b"content-range",)))
        if changed:
            yield Finding("The client was not told which part it got.", changed)
        yield from _answer_kept(asked, exchange)


def _started_once(case: Case) -> Iterator[Finding]:
    if not case.asked:
        yield NOT_SENT
    starts = [exchange for exchange in exchanges(case) if is_start(exchange.request.path)]
    if len(starts) != len(case.asked):
        evidence = (f"starts: {len(case.asked)} of the client, {len(starts)} at the provider",)
        yield Finding(
            "A job that was refused was not started exactly once: a second start buys a second video.", evidence
        )


def _as_the_library_says(case: Case) -> Iterator[Finding]:
    if not case.asked:
        yield NOT_SENT
    expect = case.probe.scenario.expect
    states = tuple(_state(asked) for asked in _asked_polls(case))
    if expect.polls and states != expect.polls:
        evidence = (f"wanted: {' '.join(expect.polls)}", f"found: {' '.join(states) or 'no polls'}")
        yield Finding("The polls did not go as the scenario says.", evidence)
    statuses = tuple(asked.exchange.response.status for asked in case.asked if asked.exchange.response is not None)
    if expect.statuses and statuses != expect.statuses:
        wanted, found = (" ".join(map(str, each)) for each in (expect.statuses, statuses))
        evidence = (f"wanted: {wanted}", f"found: {found or 'no answers'}")
        yield Finding("The requests were not answered as the scenario says.", evidence)
    count = len(exchanges(case))
    if expect.upstream_requests is not None and count != expect.upstream_requests:
        evidence = (f"wanted: {expect.upstream_requests}", f"found: {count}")
        yield Finding("The provider saw another number of requests than the scenario says.", evidence)


def _state(asked: Asked) -> str:
    members = members_of(asked.exchange.response)
    if "error" in members:
        return "error"
    return "done" if members.get("done") else "running" if "name" in members else "unreadable"


def _is_job(scenario: Scenario) -> bool:
    return scenario.surface in (Surface.GEMINI_VEO, Surface.VERTEX_VEO)


_GEMINI_DOC: Final = "ai.google.dev/gemini-api/docs/video"

CHECKS: Final = (
    Check(
        "LRO-1/operation-name",
        "The name of a started operation comes back as the provider gave it.",
        _name_kept,
        reference=_GEMINI_DOC,
        probes=_JOBS,
    ),
    Check(
        "LRO-1/poll-path",
        "Polls reach the provider on the path, and with the name, that the client used.",
        _polls_arrive,
        reference=_GEMINI_DOC,
        probes=_JOBS,
    ),
    Check(
        "LRO-1/one-upstream-poll-per-poll",
        "The provider sees one poll for each poll of the client.",
        _one_for_one,
        reference=_GEMINI_DOC,
        probes=_JOBS,
    ),
    Check(
        "LRO-1/verbs",
        "Cancelling, waiting for, listing and deleting operations passes as it is.",
        pairwise(_same_both_ways),
        reference="google.aip.dev/151",
        probes=(_VERBS,),
    ),
    Check(
        "LRO-1/library-operations",
        "The jobs of the library go as their scenarios say.",
        _as_the_library_says,
        reference=_GEMINI_DOC,
        fits=_is_job,
    ),
    Check(
        "LRO-3/unknown-poll-path",
        "A poll on a path that the provider does not know gets the provider's 404.",
        pairwise(_answer_kept),
        reference=_GEMINI_DOC,
        probes=(_UNKNOWN_PATH,),
    ),
    Check(
        "LRO-4/result-bodies",
        "What a poll says passes unchanged: videos inline or by address, filtered ones, errors.",
        _only("poll"),
        reference=_GEMINI_DOC,
        probes=(*_JOBS, _FAILED_JOB, _FILTERED_JOB),
    ),
    Check(
        "LRO-5/download",
        "A video that is downloaded arrives byte for byte.",
        _only("download"),
        reference="BerriAI/litellm#17849",
        probes=(_GEMINI_JOB,),
    ),
    Check(
        "LRO-5/range",
        "A part of a video can be asked for, and comes back as that part.",
        pairwise(_range_kept),
        reference="RFC 9110 14.2, 15.3.7",
        probes=(_RANGE,),
    ),
    Check(
        "LRO-8/no-second-start",
        "The start of a job is never sent twice, whatever the provider answered: that would buy a second video.",
        _started_once,
        reference="RFC 9110 9.2.2",
        probes=_REFUSED,
    ),
)
