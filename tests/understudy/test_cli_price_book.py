"""`understudy price book` and `price check`: what they show, and what they find."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
import requests

from command_line import ANY_PORTS, first_line, started, understudy


def test_a_good_price_file_passes_and_wins(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text('gemini/gemini-2.5-flash:\n  input_cost_per_token: "5e-7"\n')
    done = understudy("price", "check", "good.yaml", home=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "good.yaml: no mistakes, no notes\n")
    done = understudy("price", "book", "gemini/gemini-2.5-flash", "--prices", "good.yaml", "--json", home=tmp_path)
    found = json.loads(done.stdout)["prices"]["input_cost_per_token"]
    assert (found["value"], found["from"], found["unit"]) == ("0.0000005", "good.yaml", "USD per token")


BAD = """{
  "gemini/x": {"input_cost_per_tokn": "1e-7", "output_cost_per_token": 0.3},
  "y": {}
}"""


def test_every_mistake_of_a_price_file_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(BAD)
    done = understudy("price", "check", "bad.json", home=tmp_path)
    assert (done.returncode, done.stderr) == (2, "bad.json: 2 mistakes, 1 note\n")
    assert done.stdout.splitlines() == [
        "bad.json:2: gemini/x: input_cost_per_tokn: unknown key (did you mean 'input_cost_per_token'?)",
        "bad.json:2: gemini/x: output_cost_per_token: 0.3 cannot be a price in USD per token; "
        'if it is one per million, write "0.0000003"',
        "bad.json:3: y: without litellm_provider, or gemini/ or vertex_ai/ in front, it is never found (note)",
    ]


def test_the_findings_as_json(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(BAD)
    done = understudy("price", "check", "bad.json", "--json", home=tmp_path)
    found = json.loads(done.stdout)
    assert (done.returncode, found["file"], found["mistakes"]) == (2, "bad.json", 2)
    assert found["findings"][0] == {
        "kind": "mistake",
        "line": 2,
        "entry": "gemini/x",
        "key": "input_cost_per_tokn",
        "message": "unknown key (did you mean 'input_cost_per_token'?)",
    }
    assert [(each["kind"], each["key"]) for each in found["findings"][1:]] == [
        ("mistake", "output_cost_per_token"),
        ("note", None),
    ]


def test_a_price_file_that_is_none_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"a":\n 1,}')
    done = understudy("price", "check", "bad.json", home=tmp_path)
    assert (done.returncode, done.stdout) == (
        2,
        "bad.json:2: no JSON: Expecting property name enclosed in double quotes\n",
    )


def shown(tmp_path: Path, *words: str) -> dict[str, list[str]]:
    done = understudy("price", "book", *words, home=tmp_path)
    assert done.returncode == 0, done.stderr
    return {row[0]: row[1:] for row in (line.split() for line in done.stdout.splitlines()) if row}


def test_the_book_of_a_day_and_a_place(tmp_path: Path) -> None:
    model = ("gemini-3.8-flash", "--provider", "vertex_ai")
    before = shown(tmp_path, *model, "--date", "2026-12-31")
    unit = ["USD", "per", "token"]
    assert before["input_cost_per_token"] == ["0.00000075", *unit, "current", "0.0000015", "from", "2027-01-01"]
    after = shown(tmp_path, *model, "--date", "2027-01-01", "--location", "europe-west4")
    # 0.0000015 x 1.1
    assert after["input_cost_per_token"] == ["0.0000015", "0.00000165", *unit, "corrections,", "since", "2027-01-01"]
    assert after["regional_endpoint_uplift_multiplier"] == ["1.1", "factor", "current"]
    assert after["search_context_cost_per_query"] == ["0.014", "USD", "per", "query", "current"]
    assert after["mode"] == ["current", "chat"]


def test_the_book_as_json_has_all_of_it_and_an_entry_to_copy(tmp_path: Path) -> None:
    words = ("price", "book", "vertex_ai/gemini-3.8-flash", "--date", "2026-11-21", "--location", "eu", "--json")
    found = json.loads(understudy(*words, home=tmp_path).stdout)
    assert found["prices"]["output_cost_per_token"] == {
        "value": "0.00000375",
        "unit": "USD per token",
        "from": "current",
        "since": None,
        "at_location": "0.000004125",  # 0.00000375 x 1.1
        "changes": [{"effective_from": "2027-01-01", "value": "0.0000075"}],
    }
    assert (found["provider"], found["date"], found["location"]) == ("vertex_ai", "2026-11-21", "eu")
    (tmp_path / "own.json").write_text(json.dumps({"vertex_ai/copy": found["entry"]}))
    assert understudy("price", "check", "own.json", home=tmp_path).returncode == 0
    words = ("price", "book", "vertex_ai/copy", "--prices", "own.json", "--date", "2027-01-01", "--json")
    copy = json.loads(understudy(*words, home=tmp_path).stdout)["prices"]["output_cost_per_token"]
    assert (copy["value"], copy["from"], copy["since"]) == ("0.0000075", "own.json", "2027-01-01")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["models/gemini-2.5-flash"], "gemini/gemini-2.5-flash"),
        (["publishers/meta/models/llama3-8b-instruct-maas"], "vertex_ai/meta/llama3-8b-instruct-maas"),
        (["projects/p/locations/eu/publishers/google/models/veo-3.1-generate-001"], "vertex_ai/veo-3.1-generate-001"),
        (["claude-sonnet-4-5@default", "--provider", "vertex_ai"], "vertex_ai/claude-sonnet-4-5"),
        (["claude-sonnet-4-5"], "vertex_ai/claude-sonnet-4-5"),
    ],
)
def test_a_model_may_be_written_as_in_a_path(words: list[str], name: str, tmp_path: Path) -> None:
    assert json.loads(understudy("price", "book", *words, "--json", home=tmp_path).stdout)["name"] == name


def test_a_place_without_uplift_is_said_to_have_none(tmp_path: Path) -> None:
    done = understudy("price", "book", "vertex_ai/gemini-2.5-pro", "--location", "eu", home=tmp_path)
    assert "no uplift at eu" in done.stderr and "at eu" not in done.stdout


CONFIG = """\
general_settings: {{master_key: sk-0123456789abcdef}}
understudy_settings: {{response_cost_header: true}}
model_list:
  - model_name: flash
    litellm_params:
      model: gemini/gemini-2.5-flash
      api_key: any
      api_base: {simulator}
      output_cost_per_token: 0.0005
    model_info: {{input_cost_per_token: "0.0003", output_cost_per_token: "0.0004"}}
"""


def test_the_gateway_bills_by_the_prices_of_its_model_info(tmp_path: Path) -> None:
    with started("simulator", *ANY_PORTS, home=tmp_path) as simulator:
        (tmp_path / "config.yaml").write_text(CONFIG.format(simulator=first_line(simulator).split()[1]))
        with started("gateway", "--config", "config.yaml", *ANY_PORTS, home=tmp_path) as gateway:
            answer = requests.post(
                f"{first_line(gateway).split()[1]}/gemini/v1beta/models/gemini-2.5-flash:generateContent",
                json={"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
                headers={"x-goog-api-key": "sk-0123456789abcdef"},
                timeout=30,
            )
    usage = answer.json()["usageMetadata"]
    answered = usage["candidatesTokenCount"] + usage.get("thoughtsTokenCount", 0)
    # The prompt at 0.0003, the answer at 0.0004: model_info wins over litellm_params and over the shipped files.
    expected = usage["promptTokenCount"] * Decimal("0.0003") + answered * Decimal("0.0004")
    assert answer.status_code == 200 and expected
    assert Decimal(answer.headers["x-litellm-response-cost"]) == expected
