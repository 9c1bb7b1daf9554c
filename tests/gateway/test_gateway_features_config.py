"""The words of guardrails, retries, fallbacks, callbacks and switches: what they come to, and mistakes in them."""

from pathlib import Path

import pytest
from features_stand import featured, guardrail, words
from gateway_stand import KEY

from understudy.errors import ConfigError
from understudy_gateway.config import load_config
from understudy_gateway.config.callbacks import WORDS
from understudy_gateway.config.features import LITELLM, RETRIES, ROUTER
from understudy_gateway.config.guardrails import PARAMS
from understudy_gateway.features import Fallback, Features, Retries

BASE = "http://127.0.0.1:1"
MODELS = [
    {"model_name": "flash", "litellm_params": {"model": "gemini/gemini-2.5-flash", "api_key": "k" * 20}},
    {"model_name": "spare", "litellm_params": {"model": "vertex_ai/gemini-2.5-flash", "api_key": "k" * 20}},
    {"model_name": "spare", "litellm_params": {"model": "gemini/gemini-2.5-flash", "api_key": "k" * 20}},
    {"model_name": "gpt", "litellm_params": {"model": "openai/gpt"}},
]


def said(**document: object) -> list[str]:
    with pytest.raises(ConfigError) as found:
        featured(BASE, **document)  # pyright: ignore
    return str(found.value).splitlines()


def test_everything_is_off_unless_it_is_switched_on():
    assert featured(BASE).features == Features()
    assert not featured(BASE).features.is_any
    assert not featured(BASE, mock_testing=False, sse_ping_s=None).features.is_any


def test_what_is_switched_on_is_there():
    found = featured(
        BASE,
        litellm={"include_cost_in_streaming_usage": True},
        top={"guardrails": [words("a")]},
        stream_error_event=True,
        sse_ping_s=15,
        mock_testing=True,
        trace_file="spans.jsonl",
    ).features
    assert (found.cost_in_streams, found.stream_error_event, found.sse_ping_s) == (True, True, 15.0)
    assert (found.mock_testing, found.trace_file, found.is_any) == (True, "spans.jsonl", True)
    assert found.guardrails[0].words == ("a",)


@pytest.mark.parametrize("place", ["router_settings", "litellm_settings"])
def test_retries_and_fallbacks_are_read_from_either_of_litellms_blocks(place):
    block = {
        "num_retries": 2,
        "fallbacks": [{"flash": ["spare"]}, {"vertex_ai/x": ["flash"]}],
        "default_fallbacks": ["flash"],
    }
    ours = {"retries": {"statuses": [401, 503], "longest_wait_s": 5, "body_bytes": 10}}
    document = (
        {"top": {"model_list": MODELS, "router_settings": block}}
        if place == "router_settings"
        else {"litellm": block, "top": {"model_list": MODELS}}
    )
    found = featured(BASE, **document, **ours).features  # pyright: ignore
    assert found.retries == Retries(2, 0.0, frozenset({401, 503}), 5.0, 10)
    spare = (Fallback("spare", 1), Fallback("spare", 2))
    assert found.fallbacks == {
        "*": (Fallback("flash", 0),),
        "gemini/gemini-2.5-flash": spare,
        "vertex_ai/x": (Fallback("flash", 0),),
    }


@pytest.mark.parametrize(
    ("document", "place", "message"),
    [
        (
            {"top": {"router_settings": {"num_retries": 1}}, "litellm": {"num_retries": 1}},
            "litellm_settings.num_retries",
            "keep one",
        ),
        ({"litellm": {"num_retries": 11}}, "litellm_settings.num_retries", "at most 10"),
        ({"top": {"router_settings": {"num_retrys": 1}}}, "router_settings.num_retrys", "did you mean 'num_retries'"),
        ({"retries": {"status": [429]}}, "understudy_settings.retries.status", "did you mean 'statuses'"),
        ({"retries": {"statuses": [400]}}, "understudy_settings.retries.statuses[0]", "one of 401, 408"),
        ({"retries": {"statuses": ["429"]}}, "understudy_settings.retries.statuses[0]", "one of 401, 408"),
        (
            {"litellm": {"fallbacks": [{"flash": ["spar"]}]}},
            "litellm_settings.fallbacks[0].flash[0]",
            "did you mean 'spare'",
        ),
        (
            {"litellm": {"fallbacks": [{"flash": ["gpt"]}]}},
            "litellm_settings.fallbacks[0].flash[0]",
            "no entry of model_list",
        ),
        ({"litellm": {"fallbacks": [{"flush": ["spare"]}]}}, "litellm_settings.fallbacks[0]", "did you mean 'flash'"),
        ({"litellm": {"fallbacks": {"flash": ["spare"]}}}, "litellm_settings.fallbacks", "a list is wanted"),
        ({"sse_ping_s": 0}, "understudy_settings.sse_ping_s", "1 to 3600"),
        ({"mock_testing": "perhaps"}, "understudy_settings.mock_testing", "true or false"),
    ],
)
def test_mistakes_in_retries_and_switches_are_told_with_their_place(document, place, message):
    document = {**document, "top": {"model_list": MODELS, **document.get("top", {})}}
    found = said(**document)
    assert any(f" {place}: " in line and message in line for line in found), found


def test_a_label_must_be_fit_for_a_header():
    models = [{"model_name": "a\nb", "litellm_params": {"model": "gemini/x", "api_key": "k" * 20}}]
    (found,) = said(top={"model_list": models}, litellm={"default_fallbacks": ["a\nb"]})
    assert "goes into a header" in found


@pytest.mark.parametrize(
    ("entry", "place", "message"),
    [
        (guardrail(guardrail="presidio"), "litellm_params.guardrail", "without it nothing would be judged"),
        (guardrail(guardrail="regexp", patterns=["a"]), "litellm_params.guardrail", "did you mean 'regex'"),
        (guardrail(guardrail="os.environ/HOOK"), "litellm_params.guardrail", "dotted name"),
        (guardrail(), "litellm_params.guardrail", "dotted name"),
        (guardrail(guardrail="regex"), "litellm_params.guardrail", "are missing beside it"),
        (guardrail(guardrail="regex", patterns=[r"(a)\1"]), "litellm_params.patterns[0]", "go back"),
        (guardrail(guardrail="regex", patterns=["("]), "litellm_params.patterns[0]", "not a regular expression"),
        (guardrail(guardrail="regex", patterns=["a*"]), "litellm_params.patterns[0]", "empty text"),
        (
            guardrail(guardrail="regex", patterns=[{"pattern_type": "prebuilt", "pattern": "us_ssn"}]),
            "patterns[0].pattern_type",
            "regex is wanted",
        ),
        (guardrail(guardrail="regex", patterns=[{"pattern_type": "regex"}]), "patterns[0]", "pattern is missing"),
        (
            guardrail(guardrail="deny_list", blocked_words=[{"keyword": "x", "action": "MASK"}]),
            "blocked_words[0].action",
            "never changed",
        ),
        (guardrail(guardrail="deny_list", blocked_words=[" "]), "litellm_params.blocked_words", "empty word"),
        (words("x", mode="precall"), "litellm_params.mode", "did you mean 'pre_call'"),
        (words("x", mode=["pre_call", "logging_only"]), "litellm_params.mode", "pre_call or post_call"),
        (words("x", on_large="perhaps"), "litellm_params.on_large", "block or allow"),
        (words("x", routes=["vertex"]), "litellm_params.routes", "did you mean 'vertex_ai'"),
        (words("x", max_byte=3), "litellm_params.max_byte", "did you mean 'max_bytes'"),
        ({"guardrail_name": "a/b"}, "guardrail_name", "a name such as"),
        ({"guardrail_nam": "x"}, "guardrail_nam", "did you mean 'guardrail_name'"),
        (guardrail(guardrail="a.b", patterns=["x"]), "litellm_params.guardrail", "of their own"),
    ],
)
def test_mistakes_in_a_guardrail_are_told_and_never_leave_it_out_silently(entry, place, message):
    found = said(top={"guardrails": [entry]})
    assert any("guardrails[0]." in line and f"{place}: " in line and message in line for line in found), found


def test_two_guardrails_have_two_names_and_keys_name_those_that_are_there():
    assert "used twice" in said(top={"guardrails": [words("a"), words("b")]})[0]
    keys: list[dict[str, object]] = [{"id": "team", "key": KEY, "guardrails": ["no-secret"]}]
    (found,) = said(top={"guardrails": [words("a")]}, keys=keys)
    assert "there is no guardrail 'no-secret' (did you mean 'no-secrets'?)" in found


def test_a_guardrail_that_nobody_asks_for_is_told():
    found = featured(BASE, top={"guardrails": [words("a", default_on=False)]})
    assert "no-secrets judges nothing" in found.notices[0]
    keys: list[dict[str, object]] = [{"id": "team", "key": KEY, "guardrails": ["no-secrets"]}]
    assert featured(BASE, top={"guardrails": [words("a", default_on=False)]}, keys=keys).notices == ()


def test_during_call_is_judged_before_the_call_and_said_so():
    found = featured(BASE, top={"guardrails": [words("a", mode="during_call")]})
    assert found.features.guardrails[0].modes == {"pre_call"}
    assert "during_call" in found.notices[0]


def test_callbacks_are_told_what_they_come_to_and_nothing_else_of_them():
    litellm = {"success_callback": ["prometheus", "langfuse"], "failure_callback": "otel", "json_logs": True}
    found = featured(BASE, litellm=litellm)
    assert found.json_logs
    first, second, third = found.notices
    assert "litellm_settings.success_callback[0]: 'prometheus' is not needed: the admin port's /metrics" in first
    assert second.endswith("success_callback[1]: 'langfuse' has no effect here")
    assert "trace_file" in third
    assert not featured(BASE).json_logs


def test_mistakes_have_the_line_of_the_file(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        f"general_settings: {{master_key: {KEY}}}\n"
        "guardrails:\n"
        "  - guardrail_name: a\n"
        "    litellm_params:\n"
        "      guardrail: regex\n"
        "      mode: pre_call\n"
        "      patterns:\n"
        "        - '(?=a)'\n"
    )
    with pytest.raises(ConfigError, match=r"config.yaml:8: guardrails\[0\].litellm_params.patterns\[0\]: "):
        load_config(path, {})


@pytest.mark.parametrize("word", sorted({*PARAMS, *ROUTER, *RETRIES, *LITELLM, *WORDS, "json_logs", "guardrail_name"}))
def test_every_word_stands_in_the_reference(word):
    text = (Path(__file__).parents[2] / "docs/reference/configuration.md").read_text()
    assert f"`{word}`" in text
