"""Limits of keys and models: windows, budgets, and what a running gateway refuses."""

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from gateway_stand import BOOK, GENERATE, KEY, UPSTREAM_KEY, asked, client, config_of, recorded, request, usage
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from test_gateway_metering import ASKS, NAME, VEO, done
from upstream_double import Seen, Talk, double, response

from understudy.errors import ConfigError
from understudy_gateway.app import Gateway
from understudy_gateway.config import parse_config
from understudy_gateway.limits.admission import LocalAdmission
from understudy_gateway.limits.budget import Budget
from understudy_gateway.limits.windows import LastMinute, Period
from understudy_gateway.listeners import Listen
from understudy_gateway.spend.store import SpendStore

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


def budget_of(running: Gateway) -> Budget:
    admission = running._admission
    assert isinstance(admission, LocalAdmission)
    budget = admission._keys["team"].budget
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
