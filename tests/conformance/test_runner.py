"""The runner over real sockets: a simulator, a small relay in front of it, and checks that say what they are told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import pytest
from simulator_rig import simulator

from understudy.conformance.catalogue import CHECKS, Pair, is_named, missing_features, named, paired
from understudy.conformance.model import Ask, Case, Check, Finding, Probe, Run
from understudy.conformance.probes import GENERATE, HELLO, http_probe
from understudy.conformance.runner import Plan, judged, run
from understudy.conformance.target import CostSource, Deviation, Target
from understudy.errors import ConfigError, TargetError
from understudy.library import load_all
from understudy.scenario.parse import parse_scenario
from understudy.secret import Secret
from understudy.surfaces import Surface

PROBE = http_probe("runner/hello", "hello", Ask(GENERATE, body=HELLO), expect={"cost": "0.0000162"})
TARGET = Target("double", frozenset({"gemini"}), key=Secret("k"))


def holds(case: Case) -> Iterator[Finding]:
    if not case.upstream.exchanges:
        yield Finding("nothing arrived")


def breaks(case: Case) -> Iterator[Finding]:
    yield Finding("always wrong")


def late(case: Case) -> Iterator[Finding]:
    yield Finding("too late", is_timeout=True)


def fails_itself(case: Case) -> Iterator[Finding]:
    raise KeyError("a mistake of the suite")


def check(id: str = "URL-1/x", judge=holds, **words) -> Check:
    return Check(id, "It holds.", judge, probes=words.pop("probes", (PROBE,)), **words)


def pairs(*checks: Check) -> tuple[Pair, ...]:
    return paired(checks, [])


async def ran(url: str, control: str, *checks: Check, target: Target = TARGET, **words) -> Run:
    return await asyncio.to_thread(run, Plan(url, target, pairs(*checks), control, **words))


@asynccontextmanager
async def relay(url: str, change: Callable[[bytes], bytes]) -> AsyncIterator[str]:
    """A gateway that changes the head of each request; one request a connection."""
    host, port = url.removeprefix("http://").split(":")
    busy: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        head = await reader.readuntil(b"\r\n\r\n")
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        up_writer.write(change(head).replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

        async def upwards() -> None:
            while data := await reader.read(65536):
                up_writer.write(data)

        going = asyncio.ensure_future(upwards())
        while data := await up_reader.read(65536):
            writer.write(data)
        going.cancel()
        for side in (writer, up_writer):
            side.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as listening:
        name, number = listening.sockets[0].getsockname()
        yield f"http://{name}:{number}"
        async with asyncio.timeout(5):
            await asyncio.gather(*busy, return_exceptions=True)


def without_scope_header(head: bytes) -> bytes:
    return b"\r\n".join(line for line in head.split(b"\r\n") if not line.lower().startswith(b"x-understudy"))


def without_any_scope(head: bytes) -> bytes:
    line, rest = without_scope_header(head).split(b"\r\n", 1)
    method, target, version = line.split(b" ")
    segments = [part for part in target.split(b"/") if not part.startswith(b"~")]
    return b" ".join((method, b"/".join(segments), version)) + b"\r\n" + rest


async def test_each_check_has_its_verdict():
    async with simulator(strict=True) as running:
        done = await ran(
            running.http_url,
            running.admin_url,
            check("URL-1/holds"),
            check("URL-1/breaks", breaks),
            check("URL-1/should", breaks, level="should"),
            check("URL-1/may", breaks, level="may"),
            check("URL-1/late", late),
            check("URL-1/itself", fails_itself),
            check("URL-1/claims", breaks, features=("keys",)),
            check("COST-1/books", breaks, needs_books=True),
        )
    assert [(verdict.check.id.partition("/")[2], verdict.status, verdict.reason) for verdict in done.verdicts] == [
        ("holds", "passed", ""),
        ("breaks", "failed", ""),
        ("should", "warned", ""),
        ("may", "passed", ""),
        ("late", "failed", "timeout"),
        ("itself", "errored", "KeyError: 'a mistake of the suite'"),
        ("claims", "skipped", "undeclared: keys"),
        ("books", "skipped", "undeclared: cost"),
    ]
    assert done.carriers == {Surface.GEMINI: "header"}
    assert done.cases[PROBE.id].origin == running.http_url.removeprefix("http://")


async def test_a_known_deviation_is_an_exception_and_no_pass():
    target = replace(TARGET, deviations=(Deviation("URL-1", "we know"),))
    async with simulator(strict=True) as running:
        done = await ran(running.http_url, running.admin_url, check(judge=breaks), check("HDR-1/x"), target=target)
    first, second = done.verdicts
    assert (first.status, first.reason) == ("skipped", "known deviation: we know")
    assert first.findings and second.status == "passed"


async def test_the_scope_goes_by_the_path_where_headers_are_lost():
    async with simulator(strict=True) as running, relay(running.http_url, without_scope_header) as url:
        done = await ran(url, running.admin_url, check())
    assert done.carriers == {Surface.GEMINI: "path"}
    assert done.verdicts[0].status == "passed"


async def test_where_no_scope_gets_through_probes_are_played_one_by_one():
    probes = tuple(
        replace(
            PROBE,
            scenario=replace(PROBE.scenario, id=f"probe/runner/{n}"),
            document={**(PROBE.document or {}), "id": f"probe/runner/{n}"},
        )
        for n in range(4)
    )
    seen: list[int] = []

    def alone(case: Case) -> Iterator[Finding]:
        seen.append(len(case.upstream.exchanges))
        yield from holds(case)

    async with simulator(strict=True) as running, relay(running.http_url, without_any_scope) as url:
        done = await ran(url, running.admin_url, check(judge=alone, probes=probes))
    assert done.carriers == {Surface.GEMINI: None}
    assert seen == [1, 1, 1, 1] and {verdict.status for verdict in done.verdicts} == {"passed"}


async def test_a_gateway_that_never_reaches_the_simulator_cannot_be_judged():
    async with simulator(strict=True) as running, simulator(strict=True) as other:
        with pytest.raises(TargetError, match="is it the gateway's upstream"):
            await ran(other.http_url, running.admin_url, check())
        with pytest.raises(TargetError, match="no connection"):
            await ran("http://127.0.0.1:1", running.admin_url, check())
    with pytest.raises(TargetError, match="cannot be reached"):
        await ran("http://127.0.0.1:1", "http://127.0.0.1:1", check())


async def test_a_run_that_is_stopped_is_partial():
    async with simulator(strict=True) as running:
        plan = Plan(running.http_url, TARGET, pairs(check()), running.admin_url)
        done = await asyncio.to_thread(run, plan, None, lambda: True)
    assert done.is_partial and [verdict.reason for verdict in done.verdicts] == ["not played"]


async def test_progress_counts_every_probe_once():
    told: list[tuple[int, int, str]] = []
    async with simulator(strict=True) as running:
        plan = Plan(running.http_url, TARGET, pairs(check(), check("URL-2/y")), running.admin_url)
        await asyncio.to_thread(run, plan, lambda *words: told.append(words))
    assert told == [(1, 1, PROBE.id)]


async def test_the_books_of_a_case_are_read_by_the_answers_id(tmp_path):
    path = tmp_path / "spend.jsonl"
    path.write_text('{"id": "call-1", "cost": "0.0000162"}\n')
    source = CostSource("json-lines", file=str(path), id_header="x-id", within_s=0.2)
    target = replace(TARGET, features=frozenset({"gemini", "cost"}), cost=source)
    probe = http_probe(
        "runner/cost",
        "cost",
        Ask(GENERATE, body=HELLO),
        server=[{"reply": {"headers": {"x-id": "call-1"}, "json": {}}}],
        expect={"cost": "0.0000162"},
    )

    def exact(case: Case) -> Iterator[Finding]:
        if case.books is None or case.books.total != case.expected or case.expected != Decimal("0.0000162"):
            yield Finding("another cost")

    async with simulator(strict=True) as running:
        costly = check("COST-1/x", exact, features=("cost",), needs_books=True, probes=(probe,))
        done = await ran(running.http_url, running.admin_url, costly, target=target)
        path.write_text("")
        lost = await ran(running.http_url, running.admin_url, costly, target=target)
    assert done.verdicts[0].status == "passed" and lost.verdicts[0].status == "failed"


async def test_what_is_billed_twice_may_be_billed_late(tmp_path):
    path = tmp_path / "spend.jsonl"
    path.write_text('{"id": "call-1", "cost": "0.0000162"}\n')
    source = CostSource("json-lines", file=str(path), id_header="x-id", within_s=0.5)
    target = replace(TARGET, features=frozenset({"gemini", "cost"}), cost=source)
    server = [{"reply": {"headers": {"x-id": "call-1"}, "json": {}}}]
    probe = http_probe("runner/late", "late", Ask(GENERATE, body=HELLO), server=server, expect={"cost": "0.0000162"})
    seen: list[int] = []

    def once(case: Case) -> Iterator[Finding]:
        seen.append(len(case.books.figures) if case.books else 0)
        yield from ()

    def later(done: int, total: int, id: str) -> None:
        with path.open("a") as file:
            file.write('{"id": "call-1", "cost": "0.0000162"}\n')

    async with simulator(strict=True) as running:
        costly = check("COST-9/x", once, features=("cost",), needs_books=True, probes=(probe,))
        plan = Plan(running.http_url, target, pairs(costly), running.admin_url)
        await asyncio.to_thread(run, plan, later)
    assert seen == [2]


async def test_strays_are_kept_where_probes_are_played_one_by_one():
    probe = http_probe("runner/stray", "stray", Ask(GENERATE, body=HELLO))
    seen: list[int] = []

    def strays(case: Case) -> Iterator[Finding]:
        seen.append(len(case.elsewhere.exchanges))
        yield from ()

    async with simulator(strict=True) as running, relay(running.http_url, without_any_scope) as url:
        await ran(url, running.admin_url, check(judge=strays, probes=(probe,)))
    assert seen and seen[0] >= 1, "what tried the carriers arrived outside every scope"


async def test_what_a_gateway_answers_does_not_end_the_run():
    answer = [{"reply": {"text": '{"name": "models/\u0434\u0430/operations/x y\\r\\n"}'}}]
    document = {
        "id": "probe/runner/odd-name",
        "title": "an operation whose name is no URL",
        "surface": "gemini-veo",
        "model": "veo-3.0-generate-001",
        "match": {"path": "*", "model": "*"},
        "server": answer,
        "client": [{"start": {"json": {}}}, {"poll": {"every": "1s", "at_most": 2}}],
    }
    odd = Probe(parse_scenario(document), ("gemini-veo",), document, times=None)
    target = replace(TARGET, features=frozenset({"gemini", "gemini-veo"}))
    async with simulator(strict=True) as running:
        done = await ran(running.http_url, running.admin_url, check(probes=(odd,)), check("HDR-1/y"), target=target)
    assert [verdict.status for verdict in done.verdicts] == ["passed", "passed"]


# ---- the choice


def test_checks_are_named_by_area_requirement_and_id():
    ids = [one.id for one in CHECKS]
    assert len(set(ids)) == len(ids) >= 40
    assert {one.area for one in named(["hdr"])} == {"HDR"}
    assert {one.requirement for one in named(["URL-1", "AUTH-5"])} == {"URL-1", "AUTH-5"}
    assert [one.id for one in named([ids[3]])] == [ids[3]]
    assert named([]) == CHECKS


def test_an_unknown_check_names_the_nearest():
    with pytest.raises(ConfigError, match=r"did you mean '.*HDR-4"):
        named(["HDR-4/x-pas-authorization"])


def test_a_scenario_is_named_by_the_start_of_its_id():
    assert is_named("live/text-turn", "live") and is_named("live/text-turn", "live/text-turn")
    assert not is_named("live/text-turn", "live/text")
    chosen = paired(CHECKS, load_all([]), ["live"])
    assert chosen and all(pair.probe.id.startswith("live/") for pair in chosen)
    with pytest.raises(ConfigError, match="no scenario of these checks"):
        paired(CHECKS, load_all([]), ["lve"])


def test_what_a_target_does_not_claim_is_told():
    pair = Pair(check(features=("keys",)), PROBE)
    assert missing_features(pair, TARGET) == ("keys",)
    assert judged(pair, TARGET, None).reason == "undeclared: keys"


def test_every_probe_has_one_id():
    probes = {}
    for one in CHECKS:
        for probe in one.probes:
            assert probes.setdefault(probe.id, probe) is probe, probe.id
