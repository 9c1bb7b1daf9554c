"""Quotas against a slow oracle that remembers every request, the Pacific midnight, and the refusals' own words."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from simulator_rig import FLASH, HELLO, VERTEX_FLASH, ask, simulator

from understudy_simulator.clock import ManualClock
from understudy_simulator.google_errors import quota_error
from understudy_simulator.quotas import Exceeded, QuotaRule, Quotas, next_pacific_midnight_us

PACIFIC = ZoneInfo("America/Los_Angeles")
THREE_TOKENS = {"contents": [{"role": "user", "parts": [{"text": "hello there"}]}]}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = datetime(2026, 3, 7, 12, tzinfo=UTC)
"""The day before clocks are put forward."""


def us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


# ---- the oracle


class Oracle:
    """One rule for one key and model: replays the whole past for each question."""

    def __init__(self, rule: QuotaRule) -> None:
        self.rule = rule
        self.taken: list[tuple[datetime, int]] = []

    def level(self, now: datetime) -> Fraction:
        level, seen = Fraction(self.rule.limit), None
        for moment, amount in [*self.taken, (now, 0)]:
            if seen is not None:
                level = min(
                    Fraction(self.rule.limit), level + Fraction(us(moment) - us(seen), 60_000_000) * self.rule.limit
                )
            level, seen = level - amount, moment
        return level

    def wait(self, amount: int, now: datetime) -> int:
        if self.rule.per == "day":
            today = now.astimezone(PACIFIC).date()
            used = sum(taken for moment, taken in self.taken if moment.astimezone(PACIFIC).date() == today)
            midnight = datetime(today.year, today.month, today.day, tzinfo=PACIFIC) + timedelta(days=1)
            return us(midnight.astimezone(UTC)) - us(now) if used + amount > self.rule.limit else 0
        missing = min(amount, self.rule.limit) - self.level(now)
        wait = ceil(missing * 60_000_000 / self.rule.limit)
        return max(wait, 1 if amount > self.rule.limit else 0)


RULES = st.builds(
    QuotaRule,
    st.sampled_from(["requests", "tokens"]),
    st.integers(1, 12),
    st.sampled_from(["minute", "day"]),
    st.sampled_from([None, "gemini", "vertex"]),
    st.sampled_from(["*", "flash", "p*"]),
)
WAITS = st.sampled_from([timedelta(0), timedelta(microseconds=1), timedelta(seconds=1), timedelta(minutes=1)])
WAITS |= st.timedeltas(timedelta(0), timedelta(minutes=2)) | st.timedeltas(timedelta(0), timedelta(hours=30))


class CountsLikeTheOracle(RuleBasedStateMachine):
    @initialize(rules=st.lists(RULES, min_size=1, max_size=4))
    def begin(self, rules):
        self.known = rules
        self.quotas = Quotas(rules)
        self.oracles: dict[tuple[int, str, str], Oracle] = {}
        self.now = START
        self.last: tuple[Any, str, str, int] | None = None

    @rule(wait=WAITS)
    def let_time_pass(self, wait):
        self.now += wait

    @rule(
        service=st.sampled_from(["gemini", "vertex"]),
        who=st.sampled_from(["a", "b"]),
        model=st.sampled_from(["flash", "pro"]),
        tokens=st.integers(0, 15),
    )
    def ask(self, service, who, model, tokens):
        fits = {"*": True, "flash": model == "flash", "p*": model == "pro"}
        due = []
        for index, quota in enumerate(self.known):
            if quota.service in (None, service) and fits[quota.model]:
                oracle = self.oracles.setdefault((index, who, model), Oracle(quota))
                due.append((oracle, tokens if quota.kind == "tokens" else 1))
        longest = max((oracle.wait(amount, self.now) for oracle, amount in due), default=0)
        found = self.quotas.take(service, who, model, tokens, self.now)
        assert (found.wait_us if found else 0) == longest
        if found is None:
            for oracle, amount in due:
                oracle.taken.append((self.now, amount))
        is_possible = all(amount <= oracle.rule.limit for oracle, amount in due)
        self.last = (service, who, model, tokens) if found and is_possible else None
        self.ends = self.now + timedelta(microseconds=longest)

    @rule()
    def wait_as_told(self):
        """Whoever waits as long as he was told is served, and a microsecond earlier he is not."""
        if self.last is None or self.now >= self.ends:
            return
        early = self.quotas.take(*self.last, self.ends - timedelta(microseconds=1))
        assert early is not None
        self.now = self.ends
        service, who, model, tokens = self.last
        self.last = None
        self.ask(service, who, model, tokens)
        assert self.last is None


TestCountsLikeTheOracle = CountsLikeTheOracle.TestCase


# ---- midnight


@given(st.datetimes(datetime(2007, 6, 1), datetime(2040, 1, 1)))
def test_midnight_is_that_of_the_time_zone_database(moment):
    local = moment.replace(tzinfo=UTC).astimezone(PACIFIC)
    tomorrow = local.date() + timedelta(days=1)
    wanted = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=PACIFIC)
    assert next_pacific_midnight_us(us(moment.replace(tzinfo=UTC))) == us(wanted.astimezone(UTC))


@pytest.mark.parametrize("year", [2025, 2026, 2027, 2028])
def test_days_of_23_and_25_hours_end_at_midnight(year):
    hour = timedelta(hours=1)
    lengths, moment = set(), datetime(year, 1, 1, 8, tzinfo=UTC)
    while moment.year == year:
        end = next_pacific_midnight_us(us(moment))
        lengths.add((end - us(moment)) // (hour // timedelta(microseconds=1)))
        moment = EPOCH + timedelta(microseconds=end)
    assert lengths == {23, 24, 25}


# ---- single facts


def test_without_rules_nothing_is_refused():
    quotas = Quotas()
    assert not quotas
    assert quotas.take("gemini", "k", "m", 10**9, START) is None


def test_nothing_is_counted_of_what_is_refused():
    quotas = Quotas([QuotaRule("requests", 2), QuotaRule("tokens", 10)])
    assert quotas.take("gemini", "k", "m", 10, START) is None
    refused = quotas.take("gemini", "k", "m", 1, START)
    assert refused is not None
    assert refused.rule.kind == "tokens"
    assert quotas.take("gemini", "k", "m", 0, START) is None
    assert quotas.take("gemini", "k", "m", 0, START) is not None


def test_more_than_the_whole_quota_is_never_had():
    quotas = Quotas([QuotaRule("tokens", 10)])
    for now in (START, START + timedelta(days=9)):
        refused = quotas.take("gemini", "k", "m", 11, now)
        assert refused is not None
        assert refused.wait_us > 0


def test_a_clock_that_stands_still_fills_nothing():
    quotas = Quotas([QuotaRule("requests", 1)])
    assert quotas.take("gemini", "k", "m", 0, START) is None
    refused = quotas.take("gemini", "k", "m", 0, START - timedelta(hours=1))
    assert refused is not None
    assert refused.wait_us == 60_000_000


def test_sessions_are_counted_while_they_are_open():
    quotas = Quotas([QuotaRule("sessions", 2, model="live*")])
    assert quotas.open("gemini", "k", "live-1") is None
    assert quotas.open("gemini", "k", "live-1") is None
    refused = quotas.open("gemini", "k", "live-1")
    assert refused is not None
    assert (refused.rule.kind, refused.wait_us) == ("sessions", 0)
    assert quotas.open("gemini", "other", "live-1") is None
    assert quotas.open("gemini", "k", "else") is None
    quotas.reset()
    assert quotas.open("gemini", "k", "live-1") is not None
    quotas.close("gemini", "k", "live-1")
    assert quotas.open("gemini", "k", "live-1") is None
    assert quotas.take("gemini", "k", "live-1", 5, START) is None


def test_a_reset_makes_quotas_whole():
    quotas = Quotas([QuotaRule("requests", 1, "day")])
    assert quotas.take("gemini", "k", "m", 0, START) is None
    assert quotas.take("gemini", "k", "m", 0, START) is not None
    quotas.reset()
    assert quotas.take("gemini", "k", "m", 0, START) is None


def test_buckets_that_are_full_again_are_forgotten():
    quotas = Quotas([QuotaRule("requests", 1), QuotaRule("requests", 5, "day")])
    now = START
    for number in range(20_000):
        assert quotas.take("gemini", f"key {number}", "m", 0, now) is None
        now += timedelta(minutes=2)
    assert len(quotas._meters) < 4500  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("per", ["minute", "day"])
def test_buckets_that_are_not_full_are_kept(per):
    quotas = Quotas([QuotaRule("requests", 1, per)])
    for number in range(10_000):
        assert quotas.take("gemini", f"key {number}", "m", 0, START) is None
    for number in range(0, 10_000, 997):
        assert quotas.take("gemini", f"key {number}", "m", 0, START) is not None


def test_a_bucket_holds_no_more_than_its_limit():
    quotas = Quotas([QuotaRule("requests", 2)])
    assert quotas.take("gemini", "k", "m", 0, START) is None
    later = START + timedelta(hours=1)
    assert quotas.take("gemini", "k", "m", 0, later) is None
    assert quotas.take("gemini", "k", "m", 0, later) is None
    refused = quotas.take("gemini", "k", "m", 0, later)
    assert refused is not None
    assert refused.wait_us == 30_000_000


def test_a_quota_of_nothing_is_a_mistake():
    with pytest.raises(ValueError, match="1 or more"):
        QuotaRule("requests", 0)


# ---- refusals


def exceeded(service, kind: Any = "requests", per: Any = "minute", wait_us=12_345_678, **words):
    return Exceeded(QuotaRule(kind, 10, per, **words), service, "gemini-2.5-flash", wait_us)


@pytest.mark.parametrize(
    ("kind", "per", "metric", "quota"),
    [
        ("requests", "minute", "free_tier_requests", "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"),
        ("requests", "day", "free_tier_requests", "GenerateRequestsPerDayPerProjectPerModel-FreeTier"),
        (
            *("tokens", "minute", "free_tier_input_token_count"),
            "GenerateContentInputTokensPerModelPerMinute-FreeTier",
        ),
        ("tokens", "day", "free_tier_input_token_count", "GenerateContentInputTokensPerModelPerDay-FreeTier"),
    ],
)
def test_gemini_tells_the_real_wait(kind, per, metric, quota):
    error = quota_error(exceeded("gemini", kind, per))
    full = f"generativelanguage.googleapis.com/generate_content_{metric}"
    assert error.status == 429
    assert f"\n* Quota exceeded for metric: {full}, limit: 10, model: gemini-2.5-flash\n" in error.message
    assert error.message.endswith("\nPlease retry in 12.345678s.")
    assert [detail["@type"].rpartition(".")[2] for detail in error.details] == ["Help", "QuotaFailure", "RetryInfo"]
    assert error.details[1]["violations"] == [
        {
            "quotaMetric": full,
            "quotaId": quota,
            "quotaDimensions": {"location": "global", "model": "gemini-2.5-flash"},
            "quotaValue": "10",
        }
    ]
    assert error.details[2]["retryDelay"] == "12.345678s"
    assert error.headers == ()


def test_vertex_tells_no_wait_but_in_retry_after():
    error = quota_error(exceeded("vertex"))
    assert (error.status, error.details, error.headers) == (429, (), ())
    assert error.message.startswith(
        "Quota exceeded for aiplatform.googleapis.com/generate_content_requests_per_minute_per_project_per_base_model "
        "with base model: gemini-2.5-flash."
    )
    assert quota_error(exceeded("vertex"), has_retry_after=True).headers == ((b"Retry-After", b"13"),)
    assert quota_error(exceeded("gemini"), has_retry_after=True).headers == ((b"Retry-After", b"13"),)


def test_a_rule_may_have_its_own_names():
    error = quota_error(exceeded("gemini", metric="x/paid", quota_id="Paid"))
    assert "metric: x/paid," in error.message
    assert error.details[1]["violations"][0]["quotaId"] == "Paid"


def test_a_session_is_refused_without_a_wait():
    error = quota_error(exceeded("gemini", "sessions", wait_us=0))
    assert (error.status, error.message) == (429, "RESOURCE_EXHAUSTED: Maximum concurrent sessions exceeded.")


@pytest.mark.parametrize(("wait_us", "text"), [(1, "0.000001s"), (2_000_000, "2s"), (1_500_000, "1.5s"), (0, "0s")])
def test_a_wait_is_a_proto_duration(wait_us, text):
    assert exceeded("gemini", wait_us=wait_us).retry_delay == text


# ---- over sockets


async def test_a_quota_over_the_wire_tells_the_wait_that_helps():
    clock = ManualClock()
    async with simulator(
        clock=clock, quotas=(QuotaRule("requests", 2, service="gemini"),), retry_after=True
    ) as running:

        async def call(key="AIza-one"):
            return await ask(running.http_url, "POST", f"{FLASH}:generateContent", ("x-goog-api-key", key), body=HELLO)

        assert [(await call()).status for _ in range(2)] == [200, 200]
        clock.advance(10)
        refused = await call()
        assert refused.status == 429
        assert refused.json["error"]["details"][2]["retryDelay"] == "20s"
        assert refused.values("retry-after") == ["20"]
        assert (await call("AIza-two")).status == 200
        clock.advance(19.999999)
        assert (await call()).json["error"]["details"][2]["retryDelay"] == "0.000001s"
        clock.advance(0.000001)
        assert (await call()).status == 200


async def test_a_quota_of_vertex_is_that_of_the_project():
    async with simulator(clock=ManualClock(), quotas=(QuotaRule("tokens", 5),)) as running:

        async def call(token, path=VERTEX_FLASH):
            bearer = ("Authorization", f"Bearer {token}")
            return await ask(running.http_url, "POST", f"{path}:generateContent", bearer, body=THREE_TOKENS)

        ten = [await call("one"), await call("two"), await call("two", VERTEX_FLASH.replace("/p/", "/q/"))]
        assert [answer.status for answer in ten] == [200, 429, 200]
        assert "details" not in ten[1].json["error"]
        assert "generate_content_input_tokens_per_minute_per_base_model" in ten[1].json["error"]["message"]
