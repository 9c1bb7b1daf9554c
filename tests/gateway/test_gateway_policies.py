"""`cost_policies`: where Google leaves room, the configuration says how cost is computed."""

import dataclasses
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from gateway_stand import asked, config_of, gateway, recorded, request
from test_gateway_metering import Desk
from upstream_double import answering, double, response

from understudy.errors import ConfigError
from understudy.pricing.book import Layer, PriceBook
from understudy.usage.meters import Modality
from understudy.usage.policies import DOCUMENTED, Policies
from understudy_gateway.config import load_config
from understudy_gateway.metering import Books

HEAD = "general_settings: {master_key: sk-0123456789abcdef}\nunderstudy_settings:\n  cost_policies:\n"
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"


def load(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(HEAD + text)
    return load_config(path, {})


def test_without_the_block_the_documented_defaults_hold():
    assert config_of("http://127.0.0.1:9").cost_policies == DOCUMENTED


def test_every_policy_can_be_set(tmp_path):
    text = """\
    uncounted_detail_takes_rest: false
    cached_order: [audio, video, image, text]
    unknown_tier_is_standard: false
    prepaid_is_free: false
    absent_fields_persist: false
    free_grounding_units: 2
    estimates_live_media: false
    storage_by_begun_hours: true
    day_offset_hours: -8
"""
    found = load(tmp_path, text).cost_policies
    order = (Modality.AUDIO, Modality.VIDEO, Modality.IMAGE, Modality.TEXT)
    assert found == Policies(False, order, False, False, False, 2, False, True, -8)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "prepaid_is_fre: true",
            "4: understudy_settings.cost_policies.prepaid_is_fre: unknown word (did you mean 'pre",
        ),
        ("prepaid_is_free: 7", "4: understudy_settings.cost_policies.prepaid_is_free: true or false is wanted"),
        ("cached_order: [text, imge, video, audio]", "cached_order: unknown modality 'imge' (did you mean 'image'?)"),
        ("cached_order: [text, text, video, audio]", "cached_order: each of text, image, video, audio is wanted, once"),
        ("free_grounding_units: -1", "free_grounding_units: a number that is not negative is wanted"),
        ("day_offset_hours: 15", "day_offset_hours: whole hours from -12 to 14 are wanted"),
        ("day_offset_hours: true", "day_offset_hours: whole hours from -12 to 14 are wanted"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_the_nearest_word(tmp_path, line, told):
    with pytest.raises(ConfigError) as error:
        load(tmp_path, f"    {line}\n")
    assert told in str(error.value)


def test_the_reference_names_every_policy():
    section = REFERENCE.read_text("utf-8").partition("### `cost_policies`")[2].partition("\n### ")[0]
    told = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
    assert told == [field.name for field in dataclasses.fields(Policies)]


# 1000 x 3e-7 + 100 x 2.5e-6
@pytest.mark.parametrize(("policies", "cost"), [({}, "0"), ({"prepaid_is_free": False}, "0.00055")])
async def test_a_policy_decides_over_what_a_response_costs(policies, cost):
    usage = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "trafficType": "PROVISIONED_THROUGHPUT"}
    body = json.dumps({"usageMetadata": usage}).encode()
    served = answering(response(body=body))
    async with double(served) as up, gateway(up.url, cost_policies=policies) as running:
        assert (await asked(running, request())).status == 200
        [record] = await recorded(running, 1)
    assert record.cost == Decimal(cost)


CHUNKS = (
    b'data: {"usageMetadata":{"promptTokenCount":1000,"candidatesTokenCount":1}}\n\n'
    b'data: {"usageMetadata":{"candidatesTokenCount":100}}\n\n'
)


# 1000 x 3e-7 + 100 x 2.5e-6; or the last usage alone: 100 x 2.5e-6
@pytest.mark.parametrize(("policies", "cost"), [({}, "0.00055"), ({"absent_fields_persist": False}, "0.00025")])
async def test_a_policy_decides_over_how_a_stream_is_read(policies, cost):
    served = answering(response(body=CHUNKS, content_type=b"text/event-stream"))
    async with double(served) as up, gateway(up.url, cost_policies=policies) as running:
        assert (await asked(running, request())).status == 200
        [record] = await recorded(running, 1)
    assert record.cost == Decimal(cost)


def test_the_clock_of_prices_counts_for_videos_too():
    """At 20:00 UTC of the day before it is the next day already where the clock is five hours ahead."""
    change = {"effective_from": "2027-01-01", "output_cost_per_second": "0.80"}
    prices = {"gemini/veo": {"output_cost_per_second": "0.40", "price_changes": [change]}}
    book = PriceBook.from_layers([Layer("test", prices)])
    costs = []
    for offset in (0, 5):
        desk = Desk()
        desk.now = datetime(2026, 12, 31, 20, tzinfo=UTC)
        desk.books = Books(book, desk.log, lambda at=desk.now: at, policies=Policies(day_offset_hours=offset))
        name = "models/veo/operations/o"
        desk.exchange("/gemini/v1beta/models/veo:predictLongRunning", {"name": name}, asks=b'{"instances": [{}]}')
        done = {"generateVideoResponse": {"generatedSamples": [{"video": {"uri": "u"}}]}}
        desk.exchange(f"/gemini/v1beta/{name}", {"name": name, "done": True, "response": done}, method="GET")
        costs.append(next(record.cost for record in desk.log.records if record.id == name))
    assert costs == [Decimal("3.20"), Decimal("6.40")]  # 8 x 0.40, 8 x 0.80
