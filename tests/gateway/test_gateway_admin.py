"""The admin port: who may ask what, from where, and what the spend store says there."""

import asyncio
import json
import logging
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from gateway_process import MASTER, ask, get
from gateway_stand import BOOK, KEY, asked, config_of, gateway, recorded, request
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed
from test_gateway_limits import answers
from test_gateway_spend import RECORD, START
from upstream_double import double

from understudy.errors import ConfigError
from understudy.secret import Secret
from understudy_gateway.app import Gateway
from understudy_gateway.config import parse_config
from understudy_gateway.keys import Caller
from understudy_gateway.listeners import Listen
from understudy_gateway.questions import MOST, Questions, Stop, TooManyQuestions
from understudy_gateway.settings import GatewayKey
from understudy_gateway.spend.queries import GROUPS, Wanted, all_records, records, summary
from understudy_gateway.spend.store import SpendStore
from understudy_gateway.tags import tags_of

ADMIN = "sk-admin-key-9876543210"
MASTER_KEY = GatewayKey("master", Secret(MASTER))


@asynccontextmanager
async def admin(path=None, *, admin_key=None, has_master=True, base="http://127.0.0.1:9", **ours):
    config = config_of(base, **ours)
    keys = (MASTER_KEY, *config.keys) if has_master else config.keys
    config = replace(config, keys=keys, admin_key=Secret(admin_key) if admin_key else None)
    store = SpendStore(path) if path is not None else None
    async with Gateway(config, Listen(admin_port=0), book=BOOK, store=store) as running:
        assert running.admin_url
        yield running


async def status_and_reason(running, path, key, headers=()):
    reply = await ask(running.admin_url or "", get(path, key, headers))
    return reply.status, (reply.value(b"x-understudy-error") or b"").decode()


async def test_spend_opens_to_the_master_key_alone(tmp_path):
    async with admin(tmp_path / "s.db") as running:
        for path in ("/spend/logs", "/spend/summary"):
            assert await status_and_reason(running, path, MASTER) == (200, "")
            assert await status_and_reason(running, path, KEY) == (403, "NOT_ADMIN")
            assert await status_and_reason(running, path, None) == (401, "NO_KEY")
            assert await status_and_reason(running, path, "sk-wrong-0123456789") == (401, "WRONG_KEY")


async def test_an_admin_key_takes_the_place_of_the_master_key(tmp_path):
    async with admin(tmp_path / "s.db", admin_key=ADMIN) as running:
        assert await status_and_reason(running, "/spend/logs", ADMIN) == (200, "")
        assert await status_and_reason(running, "/spend/logs", MASTER) == (403, "NOT_ADMIN")
        assert (await ask(running.http_url, get("/gemini/v1beta/models", ADMIN))).status == 401


async def test_without_master_and_admin_key_nobody_may_ask(tmp_path):
    async with admin(tmp_path / "s.db", has_master=False) as running:
        assert await status_and_reason(running, "/spend/logs", KEY) == (403, "NOT_ADMIN")


async def test_every_route_names_its_role():
    async with admin() as running:
        roles = {route.path: route.role for route in running._admin.routes.values()}
    assert set(roles.values()) <= {"anyone", "admin"}
    assert {path for path, role in roles.items() if role == "anyone"} == set()


@pytest.mark.parametrize(
    ("headers", "is_answered"),
    [
        (["Host: 127.0.0.1:4001"], True),
        (["Host: LOCALHOST:4001"], True),
        (["Host: [::1]:4001"], True),
        (["Host: evil.example"], False),
        (["Host: 127.0.0.1.evil.example"], False),
        (["Host: 10.0.0.1"], False),
        (["Host: 127.0.0.1", "Origin: http://127.0.0.1:4001"], False),
    ],
)
async def test_a_web_page_cannot_ask_the_admin_port(tmp_path, headers, is_answered):
    async with admin(tmp_path / "s.db") as running:
        expected = (200, "") if is_answered else (403, "NOT_LOCAL")
        assert await status_and_reason(running, "/spend/summary", MASTER, headers) == expected


async def test_spend_is_not_on_the_traffic_port(tmp_path):
    async with admin(tmp_path / "s.db") as running:
        assert (await ask(running.http_url, get("/spend/logs"))).reason == "NO_ROUTE"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("limit=0", "BAD_PARAMETER"),
        ("limit=1001", "BAD_PARAMETER"),
        ("limit=%D9%A3", "BAD_PARAMETER"),
        ("after=-1", "BAD_PARAMETER"),
        ("since=yesterday", "BAD_PARAMETER"),
        ("since=0001-01-01T00:00:00%2B23:59", "BAD_PARAMETER"),
        ("until=9999-12-31T23:59:59-23:59", "BAD_PARAMETER"),
        ("untill=2026-01-01", "UNKNOWN_PARAMETER"),
        ("model=';DROP%20TABLE%20spend;--", ""),
    ],
)
async def test_words_of_a_query_are_checked_and_bound(tmp_path, query, reason):
    async with admin(tmp_path / "s.db") as running:
        status, said = await status_and_reason(running, f"/spend/logs?{query}", MASTER)
        assert (status, said) == (400 if reason else 200, reason)
        assert await status_and_reason(running, "/spend/summary?by=colour", MASTER) == (400, "BAD_PARAMETER")
        assert await status_and_reason(running, "/spend/summary", MASTER) == (200, "")


async def test_questions_beyond_the_most_are_turned_away_and_traffic_goes_on(tmp_path):
    go = threading.Event()
    async with double(answers) as up, admin(tmp_path / "s.db", base=up.url) as running:
        questions = running._operations.questions
        held = [asyncio.create_task(questions.ask(lambda stop: go.wait(30))) for _ in range(MOST)]
        await asyncio.sleep(0)
        assert await status_and_reason(running, "/spend/logs", MASTER) == (503, "ADMIN_BUSY")
        assert (await asked(running, request())).status == 200
        assert await status_and_reason(running, "/metrics", MASTER) == (200, "")
        go.set()
        await asyncio.gather(*held)
        assert await status_and_reason(running, "/spend/logs", MASTER) == (200, "")


async def test_an_answer_that_takes_too_long_is_given_up_and_its_thread_is_free_again(tmp_path):
    books = SpendStore(tmp_path / "s.db")
    for number in range(3000):
        books.add(changed(RECORD, id=str(number)))
    books.close()
    with pytest.raises(ConfigError, match="interrupted"):
        summary(tmp_path / "s.db", "key", Wanted(), stop=lambda: True)
    stopped = threading.Event()

    def answer(stop: Stop) -> None:
        for _ in range(5000):
            if stop():
                stopped.set()
                break
            time.sleep(0.001)
        raise ConfigError("interrupted")

    questions = Questions("test", limit_s=0.05, at_once=1, most=1)
    with pytest.raises((TimeoutError, ConfigError)):
        await questions.ask(answer)
    assert stopped.wait(10)
    assert await questions.ask(lambda stop: 1) == 1
    questions.close()
    with pytest.raises(TooManyQuestions):
        await questions.ask(lambda stop: 1)


async def test_without_a_store_that_is_said():
    async with admin() as running:
        assert await status_and_reason(running, "/spend/logs", MASTER) == (404, "NO_STORE")
        assert await status_and_reason(running, "/nowhere", MASTER) == (404, "NO_ADMIN_ROUTE")


async def test_logs_go_page_by_page_and_sums_are_exact(tmp_path):
    async with admin(tmp_path / "s.db") as running:
        for number in range(5):
            running.spend.add(changed(RECORD, id=str(number), cost=Decimal("1E-7"), tags=("a", "b") if number else ()))
        running.spend.add(changed(RECORD, id="5", cost=None, known="unknown", key_id=None))
        assert running.spend.flush()
        pages, place = [], 0
        while place is not None:
            reply = await ask(running.admin_url or "", get(f"/spend/logs?limit=2&after={place}"))
            page = json.loads(reply.body)
            pages.append([record["id"] for record in page["records"]])
            place = page["next"]
        assert pages == [["0", "1"], ["2", "3"], ["4", "5"]]
        by_tag = json.loads((await ask(running.admin_url or "", get("/spend/summary?by=tag"))).body)
    four = {"records": 4, "unknown": 0, "estimated": 0, "cost": "0.0000004"}
    assert by_tag == {
        "by": "tag",
        "groups": [
            {"tag": None, "records": 2, "unknown": 1, "estimated": 0, "cost": "0.0000001"},
            {"tag": "a", **four},
            {"tag": "b", **four},
        ],
        "total": {"records": 6, "unknown": 1, "estimated": 0, "cost": "0.0000005"},
    }


AMOUNTS = st.none() | st.decimals(min_value=0, max_value=10**6, places=12)
ENTRIES = st.lists(
    st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from(["m", "n"]), st.integers(0, 3), AMOUNTS), max_size=30
)


@given(ENTRIES)
def test_sums_are_those_of_fractions(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("sums") / "s.db"
    store = SpendStore(path)
    for key, model, day, amount in entries:
        known = "unknown" if amount is None else "exact"
        begun = START + timedelta(days=day)
        store.add(changed(RECORD, key_id=key, model=model, started=begun, cost=amount, known=known))
    store.close()
    for by, place in (("key", 0), ("model", 1), ("day", 2)):
        groups, total = summary(path, by, Wanted())
        expected: dict[object, Fraction] = {}
        for entry in entries:
            expected[entry[place]] = expected.get(entry[place], Fraction(0)) + Fraction(entry[3] or 0)
        named = {key if by != "day" else f"2026-01-0{2 + int(str(key))}": value for key, value in expected.items()}
        assert {group.name: Fraction(group.cost) for group in groups} == named
        assert Fraction(total.cost) == sum(expected.values())
        assert total.records == len(entries) == sum(group.records for group in groups)
        assert total.unknown == sum(entry[3] is None for entry in entries)


def test_filters_choose_by_time_key_model_and_tag(tmp_path):
    path = tmp_path / "s.db"
    store = SpendStore(path)
    for number in range(4):
        begun = START + timedelta(days=number)
        store.add(changed(RECORD, id=str(number), key_id=f"k{number % 2}", tags=("odd",) * (number % 2), started=begun))
    store.close()

    def chosen(**words: str) -> str:
        return "".join(record["id"] for record in all_records(path, Wanted.of_texts(words)))

    assert chosen() == "0123"
    assert chosen(since="2026-01-03") == "123"
    assert chosen(until="2026-01-03T03:04:05.678Z") == "0"
    assert chosen(since="2026-01-03T05:04:05.678+02:00", until="2026-01-05") == "12"
    assert (chosen(key_id="k1"), chosen(tag="odd"), chosen(tag="od"), chosen(model="x")) == ("13", "13", "", "")
    assert [record["id"] for record in records(path, Wanted(key_id="k1"), limit=1)[0]] == ["1"]
    assert set(GROUPS) == {"key", "model", "tag", "day"}


async def test_tags_of_the_client_stand_beside_the_keys_in_spend_and_go_no_further(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    headers = [("x-litellm-tags", f"a, b c,,{'x' * 65},tab\there,{KEY},old-{KEY}"), ("Tags", "a,\xe9,d")]
    keys = [{"id": "team", "key": KEY, "tags": ["own", "d"]}]
    async with double() as up, gateway(up.url, keys=keys) as running:
        assert (await asked(running, request(headers=headers))).status == 200
        (record,) = await recorded(running)
        (seen,) = up.requests
    assert record.tags == ("own", "d", "a", "b c")
    assert [json.loads(line)["tags"] for line in caplog.messages if line.startswith("{")] == [["own", "d", "a", "b c"]]
    assert KEY not in caplog.text
    assert not seen.values(b"tags")
    assert not seen.values(b"x-litellm-tags")


def test_clients_cannot_make_a_record_grow_by_tags():
    names = ((b"x-litellm-tags", b",".join(b"t%d" % number for number in range(5000))),)
    assert tags_of(names, Caller("team", ("own",), b"k" * 20)) == ("own", *(f"t{number}" for number in range(20)))


def test_the_admin_key_comes_from_the_environment_or_the_file_and_is_held_to_rules():
    document = {"understudy_settings": {"keys": [{"id": "a", "key": KEY}], "admin_key": "sk-file-0123456789abc"}}
    assert parse_config(document, {}).admin_key == Secret("sk-file-0123456789abc")
    assert parse_config(document, {"UNDERSTUDY_ADMIN_KEY": ADMIN}).admin_key == Secret(ADMIN)
    with pytest.raises(Exception, match=r"understudy_settings\.admin_key: the key is shorter"):
        parse_config({"understudy_settings": {**document["understudy_settings"], "admin_key": "short"}}, {})
    with pytest.raises(Exception, match=r"UNDERSTUDY_ADMIN_KEY: the key is empty"):
        parse_config(document, {"UNDERSTUDY_ADMIN_KEY": ""})
