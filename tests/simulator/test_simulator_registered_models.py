"""The models of a Vertex AI project."""

import pytest
from resource_rig import Desk, P

from understudy_simulator.surfaces import models, registered_models, tunings

MODELS = f"/v1beta1/{P}/models"


@pytest.fixture
def desk() -> Desk:
    return Desk(tunings.ROUTES, registered_models.ROUTES, models.ROUTES)


def register(desk: Desk, name: str = "m") -> str:
    spec = {"supervisedTuningSpec": {"trainingDatasetUri": "gs://b/t.jsonl"}}
    body = {"baseModel": "gemini-2.5-flash", "tunedModelDisplayName": name, "labels": {"team": "red"}, **spec}
    made = desk.ask("POST", f"/v1beta1/{P}/tuningJobs", body)
    desk.ask("GET", f"/v1beta1/{made['name']}")
    return desk.ask("GET", f"/v1beta1/{made['name']}")["tunedModel"]["model"]


def test_a_registered_model_is_shown_with_and_without_its_version(desk: Desk):
    name = register(desk, "fine")
    shown = desk.ask("GET", f"/v1beta1/{name}", fits="Model")
    assert shown == desk.ask("GET", f"/v1beta1/{name.partition('@')[0]}")
    assert shown["name"] + "@1" == name
    assert (shown["displayName"], shown["versionId"]) == ("fine", "1")
    assert shown["labels"]["team"] == "red"
    assert shown["deployedModels"][0]["endpoint"].startswith(f"{P}/endpoints/")
    assert desk.refused("GET", f"{MODELS}/123")[:2] == (404, "NOT_FOUND")


def test_the_list_of_tuned_models_as_google_genai_asks_for_it(desk: Desk):
    assert desk.ask("GET", f"{MODELS}?filter=labels.tune-type:*") == {}
    first, second = register(desk), register(desk)
    listed = desk.ask("GET", f"{MODELS}?filter=labels.tune-type:*", fits="ListModelsResponse")["models"]
    assert [model["name"] + "@1" for model in listed] == [second, first]
    assert desk.ask("GET", f"{MODELS}?filter=labels.other:*") == {}
    page = desk.ask("GET", f"{MODELS}?pageSize=1")
    assert len(page["models"]) == 1
    assert page["nextPageToken"]


def test_a_model_is_changed_by_mask_or_by_what_the_body_has(desk: Desk):
    place = f"/v1beta1/{register(desk).partition('@')[0]}"
    before = desk.ask("GET", place)
    desk.wait(minutes=1)
    after = desk.ask("PATCH", place, {"display_name": "new", "description": "why"}, fits="Model")
    assert (after["displayName"], after["description"]) == ("new", "why")
    assert after["updateTime"] > before["updateTime"]
    masked = desk.ask("PATCH", f"{place}?updateMask=description", {"displayName": "other", "name": "x"})
    assert (masked["displayName"], "description" in masked, masked["name"]) == ("new", False, before["name"])
    assert desk.ask("GET", place) == masked
    assert desk.refused("PATCH", place, {"colour": 1})[0] == 400


def test_a_deleted_model_is_gone_with_its_endpoint(desk: Desk):
    name = register(desk).partition("@")[0]
    endpoint = desk.ask("GET", f"/v1beta1/{name}")["deployedModels"][0]["endpoint"]
    assert desk.store.shelf("").find(endpoint) is not None
    gone = desk.ask("DELETE", f"/v1beta1/{name}", fits="Operation")
    assert gone["done"] is True
    assert desk.refused("GET", f"/v1beta1/{name}")[0] == 404
    assert desk.store.shelf("").find(endpoint) is None
    assert desk.refused("DELETE", f"/v1beta1/{name}")[0] == 404
