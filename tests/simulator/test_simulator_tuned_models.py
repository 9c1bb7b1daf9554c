"""Tuned models of the Gemini API and the operations that make them."""

import pytest
from resource_rig import Desk

from understudy_simulator.surfaces import tuned_models
from understudy_simulator.tuned import tuned_base

TUNED = "/v1/tunedModels"
BASE = {"baseModel": "models/gemini-1.5-flash-001-tuning"}


@pytest.fixture
def desk() -> Desk:
    return Desk(tuned_models.ROUTES)


def examples(count: int):
    return {"trainingData": {"examples": {"examples": [{"textInput": str(n), "output": "x"} for n in range(count)]}}}


def test_a_model_is_made_by_an_operation_in_two_looks(desk: Desk):
    made = desk.ask("POST", TUNED, BASE | {"displayName": "My Model!"}, fits="Operation")
    model = made["metadata"]["tunedModel"]
    assert made["name"].startswith(f"{model}/operations/")
    assert model.startswith("tunedModels/my-model-")
    assert made["metadata"]["@type"].endswith(".CreateTunedModelMetadata")
    assert "done" not in made
    assert tuned_base(desk.store.shelf(""), model) is None
    half = desk.ask("GET", f"/v1/{made['name']}", fits="Operation")
    assert (half["metadata"]["completedPercent"], "done" in half) == (50, False)
    desk.wait(minutes=1)
    done = desk.ask("GET", f"/v1/{made['name']}", fits="Operation")
    assert (done["done"], done["metadata"]["completedPercent"]) == (True, 100)
    assert done["response"]["@type"].endswith(".TunedModel")
    shown = desk.ask("GET", f"/v1/{model}", fits="TunedModel")
    assert shown["state"] == "ACTIVE"
    assert shown["tuningTask"]["completeTime"] == "2026-05-01T12:01:00.000000Z"
    assert {**shown, "@type": done["response"]["@type"]} == done["response"]
    # The base is retired by then.
    assert tuned_base(desk.store.shelf(""), model) == "gemini-2.5-flash"


def test_looks_at_the_model_bring_its_operation_on(desk: Desk):
    made = desk.ask("POST", TUNED, BASE)
    model = made["metadata"]["tunedModel"]
    assert desk.ask("GET", f"/v1/{model}", fits="TunedModel")["state"] == "CREATING"
    assert desk.ask("GET", TUNED)["tunedModels"][0]["state"] == "CREATING"
    assert desk.ask("GET", f"/v1/{model}")["state"] == "ACTIVE"
    assert desk.ask("GET", f"/v1/{made['name']}")["done"] is True
    assert desk.ask("GET", f"/v1/{model}/operations", fits="ListOperationsResponse")["operations"][0]["done"] is True


def test_steps_follow_from_the_examples(desk: Desk):
    task = examples(20) | {"hyperparameters": {"epoch_count": 3, "batch_size": 6}}
    made = desk.ask("POST", TUNED, BASE | {"tuningTask": task})
    assert made["metadata"]["totalSteps"] == 10
    shown = desk.ask("GET", f"/v1/{made['metadata']['tunedModel']}")["tuningTask"]
    assert shown["hyperparameters"] == {"epochCount": 3, "batchSize": 6, "learningRate": 0.001}
    assert [point["step"] for point in shown["snapshots"]] == list(range(1, 11))
    losses = [point["meanLoss"] for point in shown["snapshots"]]
    assert losses == sorted(losses, reverse=True)
    assert [shown["snapshots"][at]["epoch"] for at in (0, 9)] == [1, 3]
    assert "trainingData" not in shown


def test_what_only_the_service_says_is_not_taken_from_the_client(desk: Desk):
    given = BASE | {"name": "tunedModels/forged", "state": "ACTIVE", "createTime": "2020-01-01T00:00:00Z"}
    name = desk.ask("POST", TUNED, given)["metadata"]["tunedModel"]
    assert name != "tunedModels/forged"
    shown = desk.ask("GET", f"/v1/{name}")
    assert (shown["name"], shown["state"], shown["createTime"][:4]) == (name, "CREATING", "2026")


def test_an_id_of_ones_own_is_taken_once(desk: Desk):
    made = desk.ask("POST", f"{TUNED}?tunedModelId=mine", BASE)
    assert made["metadata"]["tunedModel"] == "tunedModels/mine"
    assert desk.refused("POST", f"{TUNED}?tunedModelId=mine", BASE)[:2] == (409, "ALREADY_EXISTS")
    assert desk.refused("POST", f"{TUNED}?tunedModelId=Not%20Mine", BASE)[0] == 400


def test_a_tuned_model_can_be_tuned_again(desk: Desk):
    desk.ask("POST", f"{TUNED}?tunedModelId=first", {"baseModel": "models/gemini-2.5-pro"})
    body = {"tunedModelSource": {"tunedModel": "tunedModels/first"}}
    made = desk.ask("POST", f"{TUNED}?tunedModelId=second", body)
    for _ in range(2):
        desk.ask("GET", f"/v1/{made['name']}")
    assert tuned_base(desk.store.shelf(""), "tunedModels/second") == "gemini-2.5-pro"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"baseModel": "models/nobody"}, 404),
        ({"baseModel": "models/gemini-embedding-001"}, 404),
        ({"tunedModelSource": {"tunedModel": "tunedModels/none"}}, 404),
        (BASE | {"colour": 1}, 400),
    ],
)
def test_what_cannot_be_tuned_is_refused(desk: Desk, body, status):
    assert desk.refused("POST", TUNED, body)[0] == status
    assert desk.ask("GET", TUNED) == {}


def test_a_model_is_changed_by_mask_or_by_what_the_body_has(desk: Desk):
    desk.ask("POST", f"{TUNED}?tunedModelId=mine", BASE)
    changed = desk.ask("PATCH", f"{TUNED}/mine", {"display_name": "n", "temperature": 0.5}, fits="TunedModel")
    assert (changed["displayName"], changed["temperature"]) == ("n", 0.5)
    masked = desk.ask("PATCH", f"{TUNED}/mine?updateMask=temperature", {"displayName": "x", "temperature": 1})
    assert (masked["displayName"], masked["temperature"]) == ("n", 1)
    kept = desk.ask("PATCH", f"{TUNED}/mine", {"baseModel": "models/other", "state": "FAILED"})
    assert (kept["baseModel"], kept["state"]) == (BASE["baseModel"], "CREATING")


def test_a_cancelled_model_has_failed(desk: Desk):
    made = desk.ask("POST", f"{TUNED}?tunedModelId=mine", BASE)
    assert desk.ask("POST", f"{TUNED}/mine:cancel") == {}
    assert desk.ask("GET", f"{TUNED}/mine")["state"] == "FAILED"
    operation = desk.ask("GET", f"/v1/{made['name']}", fits="Operation")
    assert (operation["done"], operation["error"]["code"]) == (True, 1)
    assert tuned_base(desk.store.shelf(""), "tunedModels/mine") is None


def test_a_model_of_another_scope_goes_on_when_the_carrier_was_lost(desk: Desk):
    made = desk.ask("POST", f"{TUNED}?tunedModelId=mine", BASE, scope="a")
    for _ in range(2):
        desk.ask("GET", f"{TUNED}/mine")
    assert desk.ask("GET", f"/v1/{made['name']}", scope="a")["done"] is True
    assert desk.refused("GET", f"{TUNED}/mine", scope="b")[0] == 404


def test_a_deleted_model_is_gone_with_its_operation(desk: Desk):
    made = desk.ask("POST", f"{TUNED}?tunedModelId=mine", BASE)
    assert desk.ask("DELETE", f"{TUNED}/mine") == {}
    for method, tail in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", ":cancel"), ("GET", "/operations")):
        code, status, message = desk.refused(method, f"{TUNED}/mine{tail}")
        assert (code, status, message) == (404, "NOT_FOUND", "Tuned model tunedModels/mine does not exist.")
    assert desk.refused("GET", f"/v1/{made['name']}")[0] == 404


def test_lists_are_paged_the_latest_first(desk: Desk):
    for number in range(3):
        desk.ask("POST", f"{TUNED}?tunedModelId=t{number}", BASE)
    page = desk.ask("GET", f"{TUNED}?pageSize=2", fits="ListTunedModelsResponse")
    rest = desk.ask("GET", f"{TUNED}?pageSize=2&pageToken={page['nextPageToken']}")
    names = [model["name"] for model in page["tunedModels"] + rest["tunedModels"]]
    assert names == ["tunedModels/t2", "tunedModels/t1", "tunedModels/t0"]
    assert desk.refused("GET", f"{TUNED}?pageSize=many")[0] == 400
