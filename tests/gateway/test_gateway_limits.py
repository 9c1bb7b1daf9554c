"""Limits of keys and models: windows, budgets, and what a running gateway refuses."""

import asyncio
import json
import threading
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from gateway_stand import BOOK, GENERATE, KEY, UPSTREAM_KEY, asked, client, config_of, recorded, request, usage
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace as changed
from test_gateway_metering import ASKS, NAME, VEO, done
from test_gateway_spend import RECORD
from upstream_double import Seen, Talk, double, response
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import InvalidStatus

from understudy.errors import ConfigError
from understudy.usage.operations import VeoRequest
from understudy_gateway.app import Gateway
from understudy_gateway.config import parse_config
from understudy_gateway.limits.admission import Earlier, LocalAdmission
from understudy_gateway.limits.budget import Budget
from understudy_gateway.limits.windows import LastMinute, Period
from understudy_gateway.listeners import Listen
from understudy_gateway.spend.jobs import VideoJob
from understudy_gateway.spend.queries import Foreign, Wanted, all_records
from understudy_gateway.spend.record import SpendRecord
from understudy_gateway.spend.schema import open_store
from understudy_gateway.spend.store import SpendStore
from understudy_gateway.spend.writing import Habits

NOW = datetime(2026, 3, 15, 13, 14, 15, tzinfo=UTC)
OTHER = "sk-another-key-0123456789"
ANSWER = response(json.dumps({"usageMetadata": usage(1000, 100)}).encode())  # 0.00055 USD, 1100 tokens


# --- windows ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(0, 200), st.integers(0, 5)), max_size=60), st.integers(0, 12))
def test_the_last_minute_is_the_sum_of_what_came_in_it(events, limit):
    minute = LastMinute()
    events = sorted(events)
    for at, amount in events:
        minute.add(1000 + at, amount)
    now = 1000 + (events[-1][0] if events else 0)

    def inside(moment: float) -> int:
        return sum(amount for at, amount in events if int(moment) - int(1000 + at) < 60)

    assert minute.total(now) == inside(now)
    wait = minute.wait_s(now, limit)
    if limit:
        assert inside(now + wait) < limit
    assert wait == 0 or inside(now + wait - 1) >= limit


@pytest.mark.parametrize(
    ("duration", "start", "end"),
    [
        ("30s", NOW.replace(second=0), NOW.replace(second=30)),
        ("1h", NOW.replace(minute=0, second=0), NOW.replace(hour=14, minute=0, second=0)),
        ("1d", datetime(2026, 3, 15, tzinfo=UTC), datetime(2026, 3, 16, tzinfo=UTC)),
        ("1mo", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)),
        ("3mo", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)),
        (None, None, None),
    ],
)
def test_the_periods_of_a_budget(duration, start, end):
    period = Period(duration)
    assert (period.start(NOW), period.end(NOW)) == (start, end)


@pytest.mark.parametrize("duration", ["", "30", "0d", "d", "-1d", "1w", "1 d", "1D", "99999999d", "\u0661d"])
def test_a_duration_that_is_none_is_a_mistake_in_the_configuration(duration):
    keys = [{"id": "a", "key": KEY, "max_budget": 1, "budget_duration": duration}]
    with pytest.raises(ConfigError, match=r"keys\[0\]\.budget_duration: a duration such as"):
        parse_config({"understudy_settings": {"keys": keys}}, {})


class BudgetMachine(RuleBasedStateMachine):
    """A budget beside a plain account of what should be in it."""

    def __init__(self) -> None:
        super().__init__()
        self.most = Decimal(10)
        self.budget = Budget(self.most, Period("1h"))
        self.now = NOW.replace(minute=0)
        self.running: list = []
        self.held = Decimal(0)
        self.spent = Decimal(0)

    @rule(amount=st.decimals(0, 6, places=3))
    def reserve(self, amount):
        is_first, taken = self.held == 0, self.held + self.spent
        lease = self.budget.reserve(amount, self.now)
        may = taken < self.most and (is_first or taken + amount <= self.most)
        assert (lease is not None) == may
        if lease is not None:
            self.running.append(lease)
            self.held += amount

    @rule(cost=st.decimals(0, 9, places=3), data=st.data())
    def settle(self, cost, data):
        if self.running:
            lease = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
            self.budget.settle(lease, cost, self.now)
            self.held -= lease.amount
            self.spent += cost if lease.period == self.now.replace(minute=0, second=0) else 0

    @rule(minutes=st.integers(1, 40))
    def pass_time(self, minutes):
        before = self.now.hour
        self.now += timedelta(minutes=minutes)
        self.spent *= self.now.hour == before

    @invariant()
    def it_is_what_it_should_be(self):
        self.budget.charge(Decimal(0), self.now, self.now)  # looks at the time
        assert (self.budget.reserved, self.budget.spent) == (self.held, self.spent)


TestBudget = BudgetMachine.TestCase


# --- a running gateway -----------------------------------------------------------------------------------------------


def limited(base: str, **limits: object):
    keys = [{"id": "team", "key": KEY, **limits}, {"id": "other", "key": OTHER}]
    return config_of(base, keys=keys)


async def answers(talk: Talk, seen: Seen) -> None:
    await talk.send(ANSWER)


class Clock:
    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return 1000 + self.passed

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.passed)


def of(config, clock: Clock | None = None, store: SpendStore | None = None) -> Gateway:
    clock = clock or Clock()
    return Gateway(config, Listen(), book=BOOK, store=store, now=clock.now, monotonic=clock.monotonic)


async def test_a_key_over_its_budget_is_refused_before_the_provider_hears_of_it_and_others_are_not():
    async with double(answers) as up, of(limited(up.url, max_budget="0.001")) as running:
        for count in (1, 2):
            assert (await asked(running, request())).status == 200
            await recorded(running, count)
        reply = await asked(running, request())
        assert (reply.status, reply.reason, len(up.requests)) == (429, "BUDGET_EXCEEDED", 2)
        assert json.loads(reply.body)["error"]["status"] == "RESOURCE_EXHAUSTED"
        assert (reply.value(b"x-understudy-error"), reply.value(b"retry-after")) == (b"BUDGET_EXCEEDED", None)
        assert (await asked(running, request(key=OTHER))).status == 200
        # What is free by its kind stays open: a video that is paid for can be fetched.
        assert (await asked(running, request("/gemini/v1beta/models", method="GET", body=None))).status == 200
        assert (await asked(running, request(GENERATE.replace("generateContent", "countTokens")))).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "PUT", "PATCH"])
@pytest.mark.parametrize("where", ["field", "x-pass", "query"])
async def test_what_is_free_by_its_method_may_not_ask_to_be_taken_for_another(method, where):
    """COST-12, S-31: it would be executed and counted as free; this also without any limit."""
    target = GENERATE + ("?%24httpMethod=POST" if where == "query" else "")
    name = {"field": "X-HTTP-Method-Override", "x-pass": "x-pass-X-HTTP-Method"}.get(where)
    fields = {} if name is None else {name: "POST"}
    async with double(answers) as up, of(config_of(up.url)) as running:
        reply = await asked(running, request(target, method=method, headers=fields), is_head=method == "HEAD")
        assert (reply.status, reply.value(b"x-understudy-error")) == (400, b"AMBIGUOUS_REQUEST")
        assert not up.requests


async def test_a_post_that_says_it_is_a_get_counts_as_a_post():
    """COST-12: it goes on as it came, and is held to the budget."""
    async with double(answers) as up, of(limited(up.url, max_budget="0.001")) as running:
        fields = {"X-HTTP-Method-Override": "GET"}
        statuses = [(await asked(running, request(headers=fields))).status for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert up.requests[0].values(b"x-http-method-override") == [b"GET"]


async def test_of_a_hundred_at_once_on_a_budget_for_one_one_passes():
    go = asyncio.Event()

    async def slow(talk: Talk, seen: Seen) -> None:
        await go.wait()
        await talk.send(ANSWER)

    async with double(slow) as up, of(limited(up.url, max_budget="0.0005")) as running:
        async with asyncio.TaskGroup() as clients:
            tasks = [clients.create_task(asked(running, request())) for _ in range(100)]
            while sum(task.done() for task in tasks) < 99:  # noqa: ASYNC110 - the refused ones come back at once
                await asyncio.sleep(0.01)
            go.set()
        statuses = [task.result().status for task in tasks]
        assert (statuses.count(200), statuses.count(429), len(up.requests)) == (1, 99, 1)


async def test_a_client_that_leaves_without_usage_is_charged_what_was_reserved():
    begun = asyncio.Event()

    async def silent(talk: Talk, seen: Seen) -> None:
        begun.set()
        await talk.left()

    async with double(silent) as up, of(limited(up.url, max_budget="0.01")) as running:
        async with client(running) as talk:
            await talk.send(request())
            await begun.wait()
            talk.leave()
        (record,) = await recorded(running)
        assert record.cost is None
        assert (await asked(running, request())).reason == "BUDGET_EXCEEDED"


async def test_a_budget_begins_anew_with_its_period_and_outlives_the_process(tmp_path):
    clock = Clock()
    async with double(answers) as up:
        config = limited(up.url, max_budget="0.0005", budget_duration="1d")
        async with of(config, clock, SpendStore(tmp_path / "s.db")) as running:
            assert (await asked(running, request())).status == 200
            await recorded(running)
            assert (await asked(running, request())).status == 429
        clock.passed += 60
        async with of(config, clock, SpendStore(tmp_path / "s.db")) as running:
            reply = await asked(running, request())
            # 13:15:15 to midnight, and the second that has begun
            assert (reply.reason, reply.value(b"retry-after")) == ("BUDGET_EXCEEDED", b"38686")
            clock.passed += 38686
            assert (await asked(running, request())).status == 200


async def test_a_video_holds_its_price_from_the_start_until_it_is_settled(tmp_path):
    async def script(talk: Talk, seen: Seen) -> None:
        is_start = b":predictLongRunning" in seen.target
        await talk.send(response(json.dumps({"name": NAME} if is_start else done(1)).encode()))

    start, poll = (
        request(f"{VEO}:predictLongRunning", body=ASKS),
        request(f"/gemini/v1beta/{NAME}", method="GET", body=None),
    )
    async with double(script) as up:
        config = limited(up.url, max_budget="4.8")  # 2 videos x 6 s x 0.40: all of it
        async with of(config, store=SpendStore(tmp_path / "s.db")) as running:
            assert (await asked(running, start)).status == 200
            await recorded(running)
            assert (await asked(running, start)).reason == "BUDGET_EXCEEDED"
        async with of(config, store=SpendStore(tmp_path / "s.db")) as running:
            assert (await asked(running, start)).reason == "BUDGET_EXCEEDED"  # held over the restart
            assert (await asked(running, poll)).status == 200
            await recorded(running, 2)  # one video was delivered: 2.40 are spent, 2.40 are free again
            assert (await asked(running, request())).status == 200


def admission_in(running: Gateway) -> LocalAdmission:
    admission = running._admission
    assert isinstance(admission, LocalAdmission)
    return admission


def budget_of(running: Gateway) -> Budget:
    budget = admission_in(running)._keys["team"].budget
    assert budget is not None
    return budget


async def test_two_gateways_on_one_store_share_a_budget(tmp_path):
    path = tmp_path / "s.db"
    async with double(answers) as up:
        config = limited(up.url, max_budget="0.001")  # two requests of 0.00055 use it up
        async with of(config, store=SpendStore(path)) as one, of(config, store=SpendStore(path)) as other:
            assert (await asked(one, request())).status == 200
            await recorded(one)
            assert (await asked(one, request())).status == 200
            async with asyncio.timeout(30):
                while (await asked(other, request("/gemini/v1beta/models", method="GET", body=None))).status == 200:
                    if budget_of(other).spent == Decimal("0.0011"):
                        break
                    await asyncio.sleep(0.05)
            assert (await asked(other, request())).reason == "BUDGET_EXCEEDED"
            await asyncio.sleep(1)  # what each has written itself is not charged to it again
            assert budget_of(one).spent == Decimal("0.0011")
            assert budget_of(other).spent == Decimal("0.0011")


async def test_a_video_that_another_gateway_settled_is_held_no_longer_and_charged_once(tmp_path):
    async def script(talk: Talk, seen: Seen) -> None:
        is_start = b":predictLongRunning" in seen.target
        await talk.send(response(json.dumps({"name": NAME} if is_start else done(1)).encode()))

    path = tmp_path / "s.db"
    async with double(script) as up:
        config = limited(up.url, max_budget="4.8")
        async with of(config, store=SpendStore(path)) as one, of(config, store=SpendStore(path)) as other:
            await asked(one, request(f"{VEO}:predictLongRunning", body=ASKS))
            await recorded(one)
            budgets = [budget_of(each) for each in (one, other)]
            assert (budgets[0].reserved, budgets[0].spent) == (Decimal("4.8"), 0)
            await asked(other, request(f"/gemini/v1beta/{NAME}", method="GET", body=None))
            async with asyncio.timeout(30):
                while any(budget.spent == 0 for budget in budgets):  # noqa: ASYNC110 - an inner state
                    await asyncio.sleep(0.05)
            await asyncio.sleep(1)
            assert [(budget.reserved, budget.spent) for budget in budgets] == [(0, Decimal("2.4"))] * 2


# --- the books under a changed configuration, and what others settle --------------------------------------------------


def spent_of(running: Gateway, name: str = "team") -> Decimal:
    budget = admission_in(running)._keys[name].budget
    assert budget is not None
    return budget.spent


async def until(condition) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - an inner state
            await asyncio.sleep(0.05)


async def test_a_budget_that_comes_with_a_reload_has_all_that_was_spent_once(tmp_path):
    path = tmp_path / "s.db"
    async with double(answers) as up:
        free, bounded = limited(up.url), limited(up.url, max_budget="1")
        async with of(free, store=SpendStore(path)) as one, of(bounded, store=SpendStore(path)) as other:
            for running in (one, other) * 2:
                assert (await asked(running, request())).status == 200
            await asyncio.to_thread(other.spend.flush)
            await one.reload(bounded, BOOK)
            assert spent_of(one) == Decimal("0.0022")
            assert (await asked(other, request())).status == 200
            await until(lambda: spent_of(one) > Decimal("0.0022"))
            await until(lambda: spent_of(other) == Decimal("0.00275"))
            await asyncio.sleep(1.1)  # two more looks: what is old must not come again
            assert (spent_of(one), spent_of(other)) == (Decimal("0.00275"),) * 2


async def test_what_runs_while_its_key_gets_a_budget_is_charged_to_it(tmp_path):
    go, begun = asyncio.Event(), asyncio.Event()

    async def slow(talk: Talk, seen: Seen) -> None:
        begun.set()
        await go.wait()
        await talk.send(ANSWER)

    async with double(slow) as up, of(limited(up.url), store=SpendStore(tmp_path / "s.db")) as running:
        under_way = asyncio.create_task(asked(running, request()))
        await begun.wait()
        await running.reload(limited(up.url, max_budget="1"), BOOK)
        go.set()
        assert (await under_way).status == 200
        await recorded(running)
        assert spent_of(running) == Decimal("0.00055")


async def test_a_reload_reads_the_store_aside_and_says_if_records_still_wait(tmp_path, caplog):
    path = tmp_path / "s.db"
    async with double(answers) as up, of(limited(up.url), store=SpendStore(path)) as running:
        store = running.spend.store
        assert store is not None
        store._connection.execute("PRAGMA busy_timeout = 10")
        with closing(open_store(path)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert (await asked(running, request())).status == 200
            await recorded(running)
            running.spend.flush = lambda limit_s=0.2: store.flush(0.2)  # ty: ignore
            loops = threading.get_ident()
            read_by = []
            admission = admission_in(running)
            earlier = admission.earlier
            admission.earlier = lambda config: read_by.append(threading.get_ident()) or earlier(config)  # ty: ignore
            await running.reload(limited(up.url, max_budget="1"), BOOK)
            other.execute("ROLLBACK")
        assert "spend records still wait for the disk" in caplog.text
        assert [thread != loops for thread in read_by] == [True]


def operation(cost: str | None, **changes) -> Foreign:
    amount = None if cost is None else Decimal(cost)
    return replace(Foreign(9, NAME, True, "team", amount, NOW), **changes)


def settled(cost: str | None) -> SpendRecord:
    return changed(RECORD, id=NAME, kind="operation", cost=None if cost is None else Decimal(cost), started=NOW)


def job(name: str = NAME) -> VideoJob:
    return VideoJob(name, "1", "team", (), "gemini", "gemini", "veo-3.0-generate-001", VeoRequest(), NOW)


def admission_of(**limits: object) -> tuple[LocalAdmission, Budget]:
    clock = Clock()
    made = LocalAdmission(limited("http://127.0.0.1:9", **limits), now=clock.now, monotonic=clock.monotonic)
    budget = made._keys["team"].budget
    assert budget is not None
    return made, budget


@pytest.mark.parametrize("cost", [None, "1.2"])
@pytest.mark.parametrize("order", ["others first", "own first", "others alone", "own alone"])
def test_a_video_is_charged_once_and_an_unknown_cost_leaves_what_was_held(cost, order):
    # S-74, COST-9: the store's thread and the look at the store both tell of a settlement.
    admission, budget = admission_of(max_budget="10")
    admission.job_started(job(), Decimal("2.4"))
    tell = [lambda: admission.others_spent([operation(cost)]), lambda: admission.job_booked(settled(cost))]
    for act in {"others first": tell, "own first": tell[::-1], "others alone": tell[:1], "own alone": tell[1:]}[order]:
        act()
    assert (budget.reserved, budget.spent) == (0, Decimal(cost or "2.4"))


@pytest.mark.parametrize("order", [1, -1])
def test_a_video_that_nothing_is_held_for_is_charged_once(order):
    admission, budget = admission_of(max_budget="10")
    tell = [lambda: admission.others_spent([operation("1.2")]), lambda: admission.job_booked(settled("1.2"))]
    for act in tell[::order]:
        act()
    assert (budget.reserved, budget.spent) == (0, Decimal("1.2"))


def test_a_name_that_is_given_out_again_is_held_and_charged_again():
    admission, budget = admission_of(max_budget="10")
    for minutes in range(2):
        moment = NOW + timedelta(minutes=minutes)
        admission.job_started(replace(job(), started=moment), Decimal(1))
        admission.job_booked(changed(settled("1"), started=moment))
    assert (budget.reserved, budget.spent) == (0, 2)


def test_what_is_in_the_budget_already_is_not_charged_by_others_again():
    clock = Clock()
    config = limited("http://127.0.0.1:9", max_budget="10")
    admission = LocalAdmission(
        config, now=clock.now, monotonic=clock.monotonic, spent=lambda key_id, since: Earlier(Decimal(3), 5)
    )
    assert admission.place == 5
    records = [operation("1", place=place, is_operation=False) for place in (4, 5, 6)]
    admission.others_spent(records)
    budget = admission._keys["team"].budget
    assert budget is not None
    assert budget.spent == 4


def test_parts_that_were_charged_are_not_lost_where_the_rest_is_unknown():
    budget = Budget(Decimal(10), Period("1h"))
    reserved = budget.reserve(Decimal(1), NOW)
    assert reserved is not None
    assert not budget.use(reserved, Decimal(3), NOW)
    assert (budget.spent, budget.reserved) == (3, 0)
    budget.settle(reserved, None, NOW)
    assert budget.spent == 3


# --- what else is refused, and told -----------------------------------------------------------------------------------


async def test_the_answer_tells_what_the_key_had_spent_before(tmp_path):
    # OBS-3
    clock = Clock()
    async with double(answers) as up:
        config = config_of(up.url, keys=[{"id": "team", "key": KEY}], key_spend_header=True)
        async with of(config, clock, SpendStore(tmp_path / "s.db")) as running:
            told = []
            for count in range(3):
                told.append((await asked(running, request())).value(b"x-litellm-key-spend"))
                await recorded(running, count + 1)
            poll = await asked(running, request("/gemini/v1beta/models", method="GET", body=None))
            assert poll.value(b"x-litellm-key-spend") == b"0.00165"
        assert told == [b"0", b"0.00055", b"0.0011"]
        async with of(config, clock, SpendStore(tmp_path / "s.db")) as running:  # it outlives the process
            # the GET's answer has usage too, and is free
            assert (await asked(running, request())).value(b"x-litellm-key-spend") == b"0.00165"
        async with of(limited(up.url)) as running:
            assert (await asked(running, request())).value(b"x-litellm-key-spend") is None


@pytest.mark.parametrize("refuses", [True, False])
async def test_requests_are_refused_while_the_store_is_down_if_that_is_set(tmp_path, refuses):
    #
    path = tmp_path / "s.db"
    async with double(answers) as up:
        config = config_of(up.url, keys=[{"id": "team", "key": KEY}], refuse_without_store=refuses)
        async with of(config, store=SpendStore(path, Habits(gather_s=0.0, retry_s=0.01))) as running:
            store = running.spend.store
            assert store is not None
            store._connection.execute("PRAGMA busy_timeout = 10")
            with closing(open_store(path)) as other:
                other.execute("BEGIN IMMEDIATE")
                assert (await asked(running, request())).status == 200
                await until(lambda: store.is_down)
                reply = await asked(running, request())
                assert reply.status == (503 if refuses else 200)
                if refuses:
                    assert (reply.reason, reply.value(b"retry-after")) == ("STORE_DOWN", b"5")
                other.execute("ROLLBACK")
            await until(lambda: not store.is_down)
            assert (await asked(running, request())).status == 200
            assert len(up.requests) == (2 if refuses else 3)
            await recorded(running, len(up.requests))
            await asyncio.to_thread(running.spend.flush)
            assert (store.lost, len(list(all_records(path, Wanted())))) == (0, len(up.requests))


LIVE = "/gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


@pytest.mark.parametrize(
    ("limits", "status", "reason"),
    [({"sessions": 2}, 503, "TOO_MANY_SESSIONS"), ({"sessions_per_key": 2}, 429, "LIMIT_REACHED")],
)
async def test_sessions_beyond_the_most_are_refused_and_a_place_that_is_left_is_free(limits, status, reason):
    # S-53
    async def provider(session):
        await session.wait_closed()

    async with serve(provider, "127.0.0.1", 0) as server:
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        keys = [{"id": "team", "key": KEY}, {"id": "other", "key": OTHER}]
        async with of(config_of(base, keys=keys, limits=limits)) as running, AsyncExitStack() as sessions:
            url = running.http_url.replace("http", "ws") + LIVE
            held = [await sessions.enter_async_context(connect(f"{url}?key={KEY}")) for _ in range(2)]
            with pytest.raises(InvalidStatus) as refusal:
                await connect(f"{url}?key={KEY}")
            response = refusal.value.response
            assert (response.status_code, response.headers["x-understudy-error"]) == (status, reason)
            assert response.headers["retry-after"] == "5"
            if status == 429:  # another key's are its own
                await sessions.enter_async_context(connect(f"{url}?key={OTHER}"))
            await held[0].close()
            await recorded(running)
            await sessions.enter_async_context(connect(f"{url}?key={KEY}"))


@pytest.mark.parametrize("checks", [True, False])
async def test_a_session_that_uses_its_budget_up_is_closed_at_that_usage_message_if_that_is_set(checks):
    # WS-17
    turn = json.dumps({"serverContent": {"turnComplete": True}, "usageMetadata": LIVE_USAGE})

    async def provider(session):
        async for _ in session:
            await session.send(turn)

    async with serve(provider, "127.0.0.1", 0) as server:
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        keys = [{"id": "team", "key": KEY, "max_budget": "0.001"}]
        async with of(config_of(base, keys=keys, live_budget_check=checks)) as running:
            async with connect(running.http_url.replace("http", "ws") + f"{LIVE}?key={KEY}") as session:
                await session.send('{"setup":{"model":"models/gemini-2.5-flash"}}')
                await session.recv()  # 0.00055
                assert budget_of(running).spent == (Decimal("0.00055") if checks else 0)
                await session.send("{}")
                await session.recv()  # 0.0011
                if checks:
                    await session.wait_closed()
                    assert (session.close_code, session.close_reason) == (1008, "budget exceeded")
                else:
                    await session.send("{}")
                    await session.recv()
            (record,) = await recorded(running)
            turns = 2 if checks else 3
            assert (record.cost, record.reason) == (turns * Decimal("0.00055"), "budget exceeded" if checks else None)
            assert (budget_of(running).spent, budget_of(running).reserved) == (record.cost, 0)


LIVE_USAGE = {
    "promptTokenCount": 1000,
    "responseTokenCount": 100,
    "totalTokenCount": 1100,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1000}],
    "responseTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
}


@pytest.mark.parametrize(
    ("limits", "wait"),
    [({"rpm_limit": 2}, b"50"), ({"tpm_limit": 2200}, b"50")],
)
async def test_requests_and_tokens_per_minute(limits, wait):
    clock = Clock()
    async with double(answers) as up, of(limited(up.url, **limits), clock) as running:
        assert (await asked(running, request())).status == 200
        await recorded(running, 1)
        clock.passed += 10
        assert (await asked(running, request())).status == 200
        await recorded(running, 2)
        reply = await asked(running, request())
        assert (reply.status, reply.reason, reply.value(b"retry-after")) == (429, "LIMIT_REACHED", wait)
        assert len(up.requests) == 2
        assert (await asked(running, request(key=OTHER))).status == 200
        clock.passed += int(wait)
        assert (await asked(running, request())).status == 200


async def test_requests_at_once_of_a_key():
    go = asyncio.Event()

    async def slow(talk: Talk, seen: Seen) -> None:
        await go.wait()
        await talk.send(ANSWER)

    async with (
        double(slow) as up,
        of(limited(up.url, max_parallel_requests=2)) as running,
        AsyncExitStack() as open_ones,
    ):
        talks = [await open_ones.enter_async_context(client(running)) for _ in range(2)]
        for talk in talks:
            await talk.send(request())
        while len(up.requests) < 2:  # noqa: ASYNC110 - seen by the double
            await asyncio.sleep(0.01)
        reply = await asked(running, request())
        assert (reply.status, reply.reason, reply.value(b"retry-after")) == (429, "LIMIT_REACHED", b"1")
        assert "requests at once" in json.loads(reply.body)["error"]["message"]
        go.set()
        for talk in talks:
            assert (await talk.reply()).status == 200
        await recorded(running, 2)
        assert (await asked(running, request())).status == 200


@pytest.mark.parametrize("word", ["rpm", "tpm"])
async def test_a_model_has_rates_of_its_own_for_all_keys(word):
    params = {"model": "gemini/gemini-2.5-flash", word: 1}
    document = {
        "model_list": [{"model_name": "x", "litellm_params": params}],
        "understudy_settings": {"keys": [{"id": "team", "key": KEY}, {"id": "other", "key": OTHER}]},
    }
    async with double(answers) as up:
        config = parse_config(document, {"GEMINI_API_KEY": UPSTREAM_KEY, "GEMINI_API_BASE": up.url})
        # The account of the model's own entry has neither key nor base here: those of the environment do not fill it.
        models = tuple(type(entry)(entry.model, config.gemini, entry.rates) for entry in config.models)
        async with of(type(config)(config.keys, config.gemini, config.vertex, models)) as running:
            assert (await asked(running, request())).status == 200
            await recorded(running, 1)
            assert (await asked(running, request(key=OTHER))).reason == "LIMIT_REACHED"
            other_model = GENERATE.replace("gemini-2.5-flash", "gemini-2.5-pro")
            assert (await asked(running, request(other_model, key=OTHER))).status == 200


async def test_a_live_session_over_the_budget_is_refused_at_the_handshake():
    path = "/gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    handshake = [
        *(("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]
    async with double(answers) as up, of(limited(up.url, max_budget="0")) as running:
        reply = await asked(running, request(path, method="GET", headers=handshake, body=None))
        assert (reply.status, reply.reason, up.connections) == (429, "BUDGET_EXCEEDED", 0)
