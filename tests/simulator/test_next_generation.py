"""Agents, credentials, decisions, environments, triggers, voices and webhooks without sockets (sdk-surface)."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snake_rig import World

from understudy_simulator.call import Media
from understudy_simulator.surfaces import (
    agents,
    credentials,
    decisions,
    environments,
    interactions,
    triggers,
    voices,
    webhooks,
)

ROUTES = tuple(
    route
    for family in (agents, credentials, decisions, environments, interactions, triggers, voices, webhooks)
    for route in family.ROUTES
)


@pytest.fixture(params=["gemini", "vertex", "express"])
def world(request: pytest.FixtureRequest) -> World:
    return World(ROUTES, request.param)


@pytest.fixture
def gemini() -> World:
    return World(ROUTES)


# ---- what all have in common

CREATED: dict[str, Any] = {
    "agents": ({"base_agent": "antigravity", "id": "a1"}, {"base_agent": "antigravity", "id": "a2"}),
    "credentials": (
        {"id": "c1", "token": "x", "type": "bearer_token"},
        {"id": "c2", "value": "x", "type": "environment_variable", "injection_location": "header"},
    ),
    "environments": ({}, {}),
    "triggers": tuple(
        {"interaction": {"agent": "m", "input": name}, "schedule": "0 0 * * *", "time_zone": "UTC"} for name in "xy"
    ),
    "voices": tuple(
        {"voice": {"type": "prompted", "prompted": {"input": f"a {name} voice"}}, "store": True} for name in "xy"
    ),
    "webhooks": tuple({"subscribed_events": ["batch.succeeded"], "uri": f"https://{name}.test/h"} for name in "xy"),
}


@pytest.mark.parametrize("collection", CREATED)
def test_what_is_created_is_found_listed_and_deleted(world: World, collection: str) -> None:
    bodies = CREATED[collection]
    made = [world.ask("POST", collection, body) for body in bodies]
    ids = [value["id"] for value in made]
    hidden = {"new_signing_secret", "usage"}

    assert len(set(ids)) == 2
    for value in made:
        shown = world.ask("GET", f"{collection}/{value['id']}")
        assert shown == {name: item for name, item in value.items() if name not in hidden}
    first = world.ask("GET", f"{collection}?page_size=1")
    assert [value["id"] for value in first[collection]] == ids[:1]
    rest = world.ask("GET", f"{collection}?page_size=1&page_token={first['next_page_token']}")
    assert [value["id"] for value in rest[collection]] == ids[1:]
    assert ("next_page_token" in rest) is (collection == "voices")
    assert world.ask("DELETE", f"{collection}/{ids[0]}") == {}
    code, text = world.refused("GET", f"{collection}/{ids[0]}", status=404)
    assert (code, ids[0] in text) == ("not_found", True)
    world.refused("DELETE", f"{collection}/{ids[0]}", status=404)
    assert world.ask("GET", f"{collection}/{ids[1]}")["id"] == ids[1]


@pytest.mark.parametrize("collection", CREATED)
def test_unknown_members_and_pages_are_refused(gemini: World, collection: str) -> None:
    code, text = gemini.refused("POST", collection, {**CREATED[collection][0], "frobnicate": 1})

    assert (code, "'frobnicate'" in text) == ("parameter_unknown", True)
    assert "'page_size'" in gemini.refused("GET", f"{collection}?page_size=many")[1]
    assert "'page_token'" in gemini.refused("GET", f"{collection}?page_size=1&page_token=none")[1]


@pytest.mark.parametrize("collection", CREATED)
def test_scopes_do_not_see_one_another(gemini: World, collection: str) -> None:
    value = gemini.ask("POST", collection, CREATED[collection][0], scope="a")

    gemini.ask("GET", f"{collection}/{value['id']}", scope="b", status=404)
    listed = gemini.ask("GET", collection, scope="b").get(collection, [])
    assert value["id"] not in [entry["id"] for entry in listed]


@pytest.mark.parametrize("collection", CREATED)
def test_vertex_ai_does_not_see_what_the_gemini_api_has(gemini: World, collection: str) -> None:
    value = gemini.ask("POST", collection, CREATED[collection][0])

    gemini.ask("GET", f"/v1beta1/{collection}/{value['id']}", status=404)
    listed = gemini.ask("GET", f"/v1beta1/{collection}").get(collection, [])
    assert value["id"] not in [entry["id"] for entry in listed]


# ---- agents and credentials


@pytest.mark.parametrize("collection", ["agents", "credentials"])
def test_an_id_is_given_once(gemini: World, collection: str) -> None:
    body = CREATED[collection][0]
    gemini.ask("POST", collection, body)

    assert gemini.refused("POST", collection, body, status=409)[0] == "already_exists"


def test_a_credential_never_shows_its_secrets(world: World) -> None:
    made = world.ask("POST", "credentials", {"id": "c", "token": "s3cret", "type": "bearer_token"})
    world.later(seconds=1)
    changed = world.ask("PATCH", "credentials/c", {"token": "s4cret", "type": "bearer_token"})
    listed = world.ask("GET", "credentials")

    assert set(made) == {"id", "type", "status", "create_time", "update_time"}
    assert (made["type"], made["status"]) == ("bearer_token", "active")
    assert changed["update_time"] > made["update_time"] == made["create_time"] == changed["create_time"]
    assert "cret" not in str([made, changed, listed])


def test_a_credential_keeps_its_type(gemini: World) -> None:
    gemini.ask("POST", "credentials", {"id": "c", "token": "x", "type": "bearer_token"})

    assert "'type'" in gemini.refused("PATCH", "credentials/c", {"type": "oauth2", "scopes": ["a"]})[1]
    assert "'type'" in gemini.refused("PATCH", "credentials/c", {"token": "x"})[1]
    path = "credentials/c?update_mask=id"
    assert "'update_mask'" in gemini.refused("PATCH", path, {"token": "x", "type": "bearer_token"})[1]
    assert "'id'" in gemini.refused("POST", "credentials", {"id": "", "token": "x", "type": "bearer_token"})[1]
    gemini.refused("PATCH", "credentials/none", {"token": "x", "type": "bearer_token"}, status=404)


# ---- decisions

QUESTIONS: dict[str, Any] = {
    "kind": {"type": "choice", "criteria": {"a": "x", "b": "y", "c": "z"}, "instructions": "pick"},
    "true": {"type": "noul", "instructions": [{"type": "text", "text": "is it?"}]},
    "level": {"type": "score", "criteria": ["bad", "middling", "good"], "instructions": "rate"},
}


def decided(world: World, text: str, questions: Any = QUESTIONS) -> Any:
    body = {"model": "gemini-3-flash", "input": text, "questions": questions}
    return world.ask("POST", "decisions", body)


@given(st.text(max_size=20))
def test_answers_keep_what_their_types_promise(text: str) -> None:
    answers = decided(World(ROUTES), text or "-")["answers"]

    choice, noul, score = answers["kind"], answers["true"], answers["level"]
    assert (choice["type"], noul["type"], score["type"]) == ("choice", "noul", "score")
    assert set(choice["probabilities"]) == {"a", "b", "c"}
    for answer in (choice, score):
        assert sum(answer["probabilities"].values()) == pytest.approx(1)
        assert answer["confidence"] == max(answer["probabilities"].values())
        assert all(0 <= share <= 1 for share in answer["probabilities"].values())
    assert choice["probabilities"][choice["choice"]] == choice["confidence"]
    assert 0.01 <= noul["noul"] <= 0.99
    assert noul["confidence"] == pytest.approx(max(noul["noul"], 1 - noul["noul"]))
    expected = sum(int(level) * share for level, share in score["probabilities"].items())
    assert score["score"] == pytest.approx(expected, abs=1e-4)
    assert score["legend"] == {"0": "bad", "1": "middling", "2": "good"}


def test_decisions_depend_on_the_input_alone(world: World) -> None:
    first = decided(world, "a")

    assert decided(world, "a") == first
    assert any(decided(world, text)["answers"] != first["answers"] for text in "bcd")
    assert first["usage"]["total_input_tokens"] > 0


def test_questions_that_cannot_be_answered_are_refused(gemini: World) -> None:
    for questions, path in (
        ({}, "questions"),
        ({"q": {"type": "choice", "criteria": {"a": "x"}, "instructions": "x"}}, "questions.q.criteria"),
        ({"q": {"type": "choice", "criteria": {" a": "x", "b": ""}, "instructions": "x"}}, "questions.q.criteria"),
        ({"q": {"type": "score", "criteria": ["x", ""], "instructions": "x"}}, "questions.q.criteria"),
        ({"q": {"type": "noul"}}, "questions.q.instructions"),
        ({"q": {"type": "noul", "instructions": ""}}, "questions.q.instructions"),
        ({"q": {"type": "guess", "instructions": "x"}}, "questions.q.type"),
    ):
        body = {"model": "gemini-3-flash", "input": "x", "questions": questions}
        assert path in gemini.refused("POST", "decisions", body)[1]
    body = {"model": "nobody", "input": "x", "questions": QUESTIONS}
    assert gemini.refused("POST", "decisions", body, status=404)[0] == "model_not_found"


# ---- environments and their files


def test_inline_sources_become_files(world: World) -> None:
    sources = [
        {"type": "inline", "content": "print(1)", "target": "src/main.py"},
        {"type": "inline", "content": "aGVsbG8=", "encoding": "base64", "target": "/data/hello.txt"},
        {"type": "gcs", "source": "gs://b/o", "target": "x"},
    ]
    made = world.ask("POST", "environments", {"sources": sources})

    assert (made["status"], made["file_count"], made["size_bytes"]) == ("active", 2, 13)
    path = f"environments/{made['id']}/files"
    root = world.ask("GET", path)["files"]
    assert [(entry["name"], entry["type"], entry["size_bytes"]) for entry in root] == [
        ("data", "directory", 5),
        ("src", "directory", 8),
    ]
    (file,) = world.ask("GET", f"{path}/src")["files"]
    assert (file["path"], file["mime_type"], file["type"]) == ("src/main.py", "text/x-python", "file")
    assert world.ask("GET", f"{path}/src/main.py")["files"] == [file]
    assert len(world.ask("GET", f"{path}?recursive=true")["files"]) == 2
    media = world.answer("GET", f"{path}/data/hello.txt?alt=media")
    assert isinstance(media, Media)
    assert (media.source, media.content_type) == (b"hello", "text/plain")


def test_a_copy_has_the_files_of_its_origin(gemini: World) -> None:
    source = {"type": "inline", "content": "1", "target": "a.txt"}
    origin = gemini.ask("POST", "environments", {"sources": [source], "network": "disabled"})
    copy = gemini.ask("POST", "environments", {"from_environment": f"environments/{origin['id']}"})
    gemini.ask("DELETE", f"environments/{origin['id']}")

    assert (copy["file_count"], copy["network"]) == (1, "disabled")
    assert gemini.ask("GET", f"environments/{copy['id']}/files/a.txt")["files"][0]["size_bytes"] == 1
    body = {"from_environment": copy["id"], "sources": [source]}
    assert "'sources'" in gemini.refused("POST", "environments", body)[1]
    gemini.refused("POST", "environments", {"from_environment": "none"}, status=404)


def test_files_that_are_not_there(gemini: World) -> None:
    made = gemini.ask("POST", "environments", {})
    path = f"environments/{made['id']}/files"

    assert gemini.ask("GET", path) == {}
    assert gemini.refused("GET", f"{path}/none.txt", status=404)[0] == "not_found"
    gemini.refused("GET", f"{path}/none.txt?alt=media", status=404)
    gemini.refused("GET", f"{path}/../x")
    gemini.refused("GET", "environments/none/files/x", status=404)


def test_sources_that_cannot_be_mounted_leave_nothing_behind(gemini: World) -> None:
    good = {"type": "inline", "content": "1", "target": "a.txt"}

    for source, path in (
        ({"type": "inline", "content": "1", "target": "../x"}, "sources[1].target"),
        ({"type": "inline", "content": "?", "encoding": "base64", "target": "x"}, "sources[1].content"),
    ):
        assert path in gemini.refused("POST", "environments", {"sources": [good, source]})[1]
    assert not gemini.store.shelf("").below("environments")


def test_what_is_below_goes_with_it(gemini: World) -> None:
    source = {"type": "inline", "content": "1", "target": "a.txt"}
    environment = gemini.ask("POST", "environments", {"sources": [source]})
    trigger = gemini.ask("POST", "triggers", {**DAILY, "time_zone": "UTC"})
    gemini.ask("POST", f"triggers/{trigger['id']}/executions")
    shelf = gemini.store.shelf("")

    for name in (f"environments/{environment['id']}", f"triggers/{trigger['id']}"):
        assert shelf.below(name)
        gemini.ask("DELETE", name)
        assert not shelf.below(name)


# ---- triggers

DAILY = {"interaction": {"agent": "antigravity-preview-09-2026", "input": "x"}, "schedule": "30 6 * * *"}


def test_a_trigger_knows_its_next_time(world: World) -> None:
    made = world.ask("POST", "triggers", {**DAILY, "time_zone": "Europe/Berlin", "display_name": "d"})

    # 06:30 in Berlin is 05:30 UTC in winter; it is noon, so it is tomorrow.
    assert made["next_run_time"] == "2026-03-02T05:30:00.000000Z"
    assert (made["status"], made["display_name"]) == ("active", "d")


def test_a_trigger_is_renamed_paused_and_resumed(world: World) -> None:
    made = world.ask("POST", "triggers", {**DAILY, "time_zone": "UTC"})
    path = f"triggers/{made['id']}"

    assert world.ask("PATCH", path, {"display_name": "n"})["display_name"] == "n"
    paused = world.ask("PATCH", f"{path}?update_mask=status", {"status": "paused", "display_name": "ignored"})
    assert (paused["status"], paused["display_name"], "next_run_time" in paused) == ("paused", "n", False)
    assert paused["last_pause_time"] == "2026-03-01T12:00:00.000000Z"
    world.later(days=3)
    resumed = world.ask("PATCH", path, {"status": "active"})
    assert resumed["next_run_time"] == "2026-03-05T06:30:00.000000Z"
    assert resumed["last_resume_time"] == resumed["update_time"] == "2026-03-04T12:00:00.000000Z"
    assert "'schedule'" in world.refused("PATCH", f"{path}?update_mask=schedule", {"display_name": "x"})[1]


def test_a_trigger_runs_an_interaction(world: World) -> None:
    trigger = world.ask("POST", "triggers", {**DAILY, "time_zone": "UTC"})
    path = f"triggers/{trigger['id']}"

    begun = world.ask("POST", f"{path}/executions")
    assert (begun["status"], begun["trigger_id"]) == ("in_progress", trigger["id"])
    assert world.ask("GET", f"interactions/{begun['interaction_id']}")["status"] == "completed"
    world.later(minutes=1)
    (done,) = world.ask("GET", f"{path}/executions")["trigger_executions"]
    assert done == {**begun, "status": "completed", "end_time": "2026-03-01T12:01:00.000000Z"}
    shown = world.ask("GET", path)
    assert shown["previous_interaction_id"] == begun["interaction_id"]
    assert shown["last_run_time"] == begun["start_time"]


def test_a_trigger_works_in_its_environment(gemini: World) -> None:
    environment = gemini.ask("POST", "environments", {})["id"]
    trigger = gemini.ask("POST", "triggers", {**DAILY, "time_zone": "UTC", "environment_id": environment})
    path = f"triggers/{trigger['id']}"

    assert gemini.ask("POST", f"{path}/executions")["environment_id"] == environment
    assert "'status'" in gemini.refused("PATCH", path, {"status": "error"})[1]


def test_failures_in_a_row_stop_a_trigger(gemini: World) -> None:
    body = {"interaction": {"agent": "nobody", "input": "x"}, "schedule": "* * * * *", "time_zone": "UTC"}
    trigger = gemini.ask("POST", "triggers", {**body, "max_consecutive_failures": 2})
    path = f"triggers/{trigger['id']}"

    for status in ("active", "error"):
        failed = gemini.ask("POST", f"{path}/executions")
        assert (failed["status"], "nobody" in failed["error"]) == ("failed", True)
        assert gemini.ask("GET", path)["status"] == status
    assert gemini.ask("GET", path)["consecutive_failure_count"] == 2
    assert len(gemini.ask("GET", f"{path}/executions?page_size=5")["trigger_executions"]) == 2


def test_bad_schedules_and_zones_are_refused(gemini: World) -> None:
    for members, path in (
        ({"schedule": "daily", "time_zone": "UTC"}, "'schedule'"),
        ({"schedule": "0 0 * * *", "time_zone": "Mars/Olympus"}, "'time_zone'"),
    ):
        assert path in gemini.refused("POST", "triggers", {**DAILY, **members})[1]


# ---- voices


def test_voices_by_recording_and_by_prompt(world: World) -> None:
    audio = {"data": "AAAA", "mime_type": "audio/wav"}
    wish = {"type": "replicated", "replicated": {"consent_audio": audio, "source_audio": audio}, "accent": "Scots"}

    client_kept = world.ask("POST", "voices", {"voice": wish})
    stored = world.ask("POST", "voices", {"voice": wish, "store": True})
    prompted = world.ask("POST", "voices", CREATED["voices"][0])

    assert client_kept["key"].startswith("voicekey_")
    assert "id" not in client_kept and "accent" not in client_kept
    assert stored["id"].startswith("voice_")
    assert (stored["accent"], "replicated" in stored, "key" in stored) == ("Scots", False, False)
    assert prompted["prompted"] == {"input": "a x voice"}
    assert prompted["sample_audio"]["data"]
    world.later(days=364)
    world.ask("GET", f"voices/{stored['id']}")
    world.later(days=2)
    world.ask("GET", f"voices/{stored['id']}", status=404)


def test_prebuilt_voices_are_listed_and_filtered(gemini: World) -> None:
    names = [voice["id"] for voice in gemini.ask("GET", "voices")["voices"]]

    assert len(names) == 30
    assert gemini.ask("GET", "voices/Puck")["type"] == "prebuilt"
    assert [voice["id"] for voice in gemini.ask("GET", "voices?search=upbeat")["voices"]] == ["Puck", "Laomedeia"]
    gemini.ask("POST", "voices", CREATED["voices"][0])
    own = gemini.ask("GET", "voices?type=prompted&type=replicated")["voices"]
    assert [voice["type"] for voice in own] == ["prompted"]
    assert len(gemini.ask("GET", "voices?type=PREBUILT")["voices"]) == 30
    assert gemini.ask("GET", "voices?type=prebuilt&search=nothing") == {}


def test_voices_that_cannot_be_made(gemini: World) -> None:
    prompted = {"type": "prompted", "prompted": {"input": "x"}}

    assert "'store'" in gemini.refused("POST", "voices", {"voice": prompted})[1]
    assert "voice.type" in gemini.refused("POST", "voices", {"voice": {"type": "prebuilt"}})[1]
    assert "voice.prompted" in gemini.refused("POST", "voices", {"voice": {"type": "prompted"}, "store": True})[1]


# ---- webhooks


def test_a_webhook_shows_its_secret_once(world: World) -> None:
    made = world.ask("POST", "webhooks", CREATED["webhooks"][0])
    path = f"webhooks/{made['id']}"
    secret = made["new_signing_secret"]

    assert secret.startswith("whsec_")
    shown = world.ask("GET", path)
    assert secret not in str(shown)
    assert [entry["truncated_secret"][:10] for entry in shown["signing_secrets"]] == [secret[:10]]
    assert shown["state"] == "enabled"


def test_signing_secrets_are_rotated(world: World) -> None:
    made = world.ask("POST", "webhooks", CREATED["webhooks"][0])
    path = f"webhooks/{made['id']}"

    second = world.ask("POST", f"{path}:rotateSigningSecret", {})["secret"]
    old, new = world.ask("GET", path)["signing_secrets"]
    assert second != made["new_signing_secret"]
    assert new == {"truncated_secret": second[:10] + "..."}
    assert old["expire_time"] == (world.now + timedelta(hours=24)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    body = {"revocation_behavior": "revoke_previous_secrets_immediately"}
    third = world.ask("POST", f"{path}:rotateSigningSecret", body)["secret"]
    assert world.ask("GET", path)["signing_secrets"] == [{"truncated_secret": third[:10] + "..."}]


def test_a_webhook_is_updated_and_pinged(world: World) -> None:
    made = world.ask("POST", "webhooks", CREATED["webhooks"][0])
    path = f"webhooks/{made['id']}"

    assert world.ask("POST", f"{path}:ping") == {}
    named = world.ask("PATCH", f"{path}?update_mask=name", {"name": "n", "state": "disabled"})
    assert (named["name"], named["state"]) == ("n", "enabled")
    assert world.ask("PATCH", path, {"state": "disabled"})["state"] == "disabled"
    assert world.refused("POST", f"{path}:ping")[0] == "failed_precondition"
    assert "name" not in world.ask("PATCH", f"{path}?update_mask=name", {})
    assert "'update_mask'" in world.refused("PATCH", f"{path}?update_mask=id", {})[1]
    assert "'uri'" in world.refused("PATCH", path, {"uri": "nowhere"})[1]
    assert "'uri'" in world.refused("POST", "webhooks", {"uri": "nowhere", "subscribed_events": ["batch.failed"]})[1]
    assert "'subscribed_events'" in world.refused("PATCH", path, {"subscribed_events": []})[1]
    world.refused("POST", "webhooks/none:ping", status=404)
