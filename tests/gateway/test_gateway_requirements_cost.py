"""What of COST-1 to COST-13, and of the threats to budgets, no other test holds."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from gateway_stand import GENERATE, KEY, asked, config_of, gateway, recorded, request, usage
from upstream_double import answering, double, response

from understudy_gateway.limits.admission import Lease, LocalAdmission
from understudy_gateway.refusals import Refusal
from understudy_gateway.routes import Route
from understudy_gateway.routing import route
from understudy_gateway.spend.record import SpendRecord

ANSWER = response(json.dumps({"usageMetadata": usage(1000, 100)}).encode())  # 0.00055 USD


async def test_a_record_names_whom_and_what_it_is_for():  # COST-10
    keys = [{"id": "team", "key": KEY, "tags": ["blue"]}]
    async with double(answering(ANSWER)) as up, gateway(up.url, keys=keys) as running:
        reply = await asked(running, request(headers={"x-litellm-tags": "red, green"}))
        (record,) = await recorded(running)
    assert (record.key_id, record.tags, record.model) == ("team", ("blue", "red", "green"), "gemini-2.5-flash")
    assert (record.provider, record.route, record.status) == ("gemini", "gemini", 200)
    assert record.id.encode() == reply.value(b"x-understudy-request-id")


async def test_nothing_that_a_client_sends_changes_the_cost():  # COST-11, S-73
    hostile = {
        "x-litellm-response-cost": "0",
        "x-litellm-key-spend": "0",
        "x-gemini-service-tier": "flex",
        "x-litellm-call-id": "mine",
        "content-encoding": "br",
        "x-litellm-tags": "admin",
        "x-litellm-model": "gemini-free",
    }
    body = json.dumps({"usageMetadata": usage(0, 0), "response_cost": 0, "model": "free", "user": "root"}).encode()
    async with double(answering(ANSWER)) as up, gateway(up.url) as running:
        await asked(running, request(f"{GENERATE}?cost=0&model=free", headers=hostile, body=body))
        (record,) = await recorded(running)
    assert (record.cost, record.known, record.usage) == (Decimal("0.00055"), "exact", usage(1000, 100))
    assert (record.key_id, record.model) == ("team", "gemini-2.5-flash")


class Clock:
    """Two clocks: the monotonic one goes on, the wall clock does what it likes."""

    def __init__(self) -> None:
        self.passed, self.wall = 0.0, datetime(2026, 3, 15, 12, tzinfo=UTC)

    def monotonic(self) -> float:
        return 5000 + self.passed

    def now(self) -> datetime:
        return self.wall


def admission(clock: Clock, **limits: object) -> LocalAdmission:
    config = config_of("http://127.0.0.1:9", keys=[{"id": "team", "key": KEY, **limits}])
    return LocalAdmission(config, now=clock.now, monotonic=clock.monotonic)


def wanted() -> Route:
    found = route(config_of("http://127.0.0.1:9"), "POST", GENERATE.encode())
    assert isinstance(found, Route)
    return found


def record_of(cost: str) -> SpendRecord:
    moment = datetime(2026, 3, 15, tzinfo=UTC)
    names = ("1", "team", "gemini", "gemini-2.5-flash", 200, "ok")
    return SpendRecord(*names, None, Decimal(cost), "exact", None, (), moment, moment, provider="gemini")


def begun(limits: LocalAdmission) -> Lease | Refusal:
    return limits.admit("team", "POST", wanted())


def test_a_reservation_is_given_back_when_the_cost_is_known():  # S-71
    limits = admission(Clock(), max_budget="0.0115")
    for _ in range(20):  # each reserves a cent at first, and costs next to nothing
        lease = begun(limits)
        assert isinstance(lease, Lease)
        limits.ended(lease, record_of("0.0001"))


def test_a_budget_goes_by_the_monotonic_clock():  # S-76, R-29
    clock = Clock()
    limits = admission(clock, max_budget="0.01", budget_duration="1d")
    lease = begun(limits)
    assert isinstance(lease, Lease)
    limits.ended(lease, record_of("0.02"))
    clock.wall += timedelta(days=400)  # the wall clock jumps: the period is the same
    assert isinstance(begun(limits), Refusal)
    clock.wall -= timedelta(days=800)
    assert isinstance(begun(limits), Refusal)
    clock.passed += 86_400
    assert isinstance(begun(limits), Lease)
