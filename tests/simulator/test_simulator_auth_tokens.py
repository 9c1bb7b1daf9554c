"""Ephemeral tokens: created on the wire, kept where Live sessions look for them."""

from resource_rig import Desk

from understudy_simulator.auth.ephemeral import EphemeralTokens
from understudy_simulator.surfaces import auth_tokens

TOKENS = "/v1alpha/auth_tokens"


def make() -> tuple[Desk, EphemeralTokens]:
    tokens = EphemeralTokens()
    return Desk(auth_tokens.routes(tokens)), tokens


def test_a_token_is_kept_with_its_uses_and_times():
    desk, tokens = make()
    made = desk.ask("POST", TOKENS, {"uses": 1, "expireTime": "2026-05-01T13:00:00Z"})
    assert set(made) == {"name"}
    assert made["name"].startswith("auth_tokens/")
    assert len(made["name"]) == len("auth_tokens/") + 64
    kept = tokens.find(made["name"])
    assert kept is not None
    assert (kept.uses, kept.expires.hour, kept.new_session_expires.minute) == (1, 13, 1)
    assert tokens.admit(made["name"], desk.now) == "admitted"
    assert tokens.admit(made["name"], desk.now) == "spent"
    assert desk.ask("POST", TOKENS, {})["name"] != made["name"]


def test_both_spellings_lock_the_same_setup():
    desk, tokens = make()
    setup = {"model": "models/gemini-live-2.5-flash", "generationConfig": {"temperature": 0.5}}
    mask = "model,generationConfig.temperature"
    body = {"uses": 1, "bidiGenerateContentSetup": setup, "fieldMask": mask}
    first = tokens.find(desk.ask("POST", TOKENS, body)["name"])
    snake = {"model": setup["model"], "generation_config": {"temperature": 0.5}}
    body = {"uses": 1, "bidi_generate_content_setup": snake, "field_mask": mask}
    second = tokens.find(desk.ask("POST", TOKENS, body)["name"])
    assert first is not None
    assert second is not None
    assert first.setup == second.setup == setup
    assert first.fields == ("model", "generationConfig.temperature")


def test_only_v1alpha_has_them():
    desk, _ = make()
    assert desk.router.find("POST", TOKENS) is not None
    for version in ("v1", "v1beta"):
        assert desk.router.find("POST", f"/{version}/auth_tokens") is None


def test_what_cannot_be_a_token_is_refused():
    desk, _ = make()
    for body in ({"uses": -1}, {"expireTime": "2026-05-01T11:00:00Z"}, {"expireTime": "soon"}, {"colour": 1}):
        assert desk.refused("POST", TOKENS, body)[:2] == (400, "INVALID_ARGUMENT")
