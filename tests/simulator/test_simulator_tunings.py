"""Tuning jobs of Vertex AI, and the registered models and endpoints that they leave."""

import pytest
from resource_rig import Desk, P

from understudy_simulator.surfaces import registered_models, tunings
from understudy_simulator.tuned import tuned_base

JOBS = f"/v1beta1/{P}/tuningJobs"
JOB = {"baseModel": "gemini-2.5-flash", "supervisedTuningSpec": {"trainingDatasetUri": "gs://b/t.jsonl"}}


@pytest.fixture
def desk() -> Desk:
    return Desk(tunings.ROUTES, registered_models.ROUTES)


def finished(desk: Desk, **members):
    made = desk.ask("POST", JOBS, JOB | members)
    desk.ask("GET", f"/v1beta1/{made['name']}")
    return desk.ask("GET", f"/v1beta1/{made['name']}", fits="TuningJob")


def test_a_job_is_pending_then_running_then_done(desk: Desk):
    made = desk.ask("POST", JOBS, JOB | {"state": "JOB_STATE_SUCCEEDED", "name": "mine"}, fits="TuningJob")
    assert made["name"].startswith(f"{P}/tuningJobs/")
    assert made["state"] == "JOB_STATE_PENDING"
    running = desk.ask("GET", f"/v1beta1/{made['name']}", fits="TuningJob")
    assert (running["state"], "tunedModel" in running) == ("JOB_STATE_RUNNING", False)
    assert running["experiment"].startswith(f"{P}/metadataStores/default/contexts/tuning-experiment-")
    desk.wait(hours=1)
    done = desk.ask("GET", f"/v1beta1/{made['name']}", fits="TuningJob")
    assert done["state"] == "JOB_STATE_SUCCEEDED"
    assert done["endTime"] > done["startTime"]
    assert done["tunedModel"]["model"].startswith(f"{P}/models/")
    assert done["tunedModel"]["model"].endswith("@1")
    assert done["tunedModel"]["endpoint"].startswith(f"{P}/endpoints/")
    assert len(done["tunedModel"]["checkpoints"]) == 3
    assert desk.ask("GET", f"/v1beta1/{made['name']}") == done


def test_the_tuned_model_answers_as_its_base_once_it_is_there(desk: Desk):
    made = desk.ask("POST", JOBS, JOB)
    shelf = desk.store.shelf("")
    assert not [resource for resource in shelf.below(P) if "/models/" in resource.name]
    done = finished(desk)
    for name in (done["tunedModel"]["model"], done["tunedModel"]["endpoint"]):
        assert tuned_base(shelf, name) == "gemini-2.5-flash"
    assert tuned_base(shelf, made["name"]) is None
    assert tuned_base(shelf, f"{P}/endpoints/1") is None


def test_epochs_and_the_last_checkpoint_alone(desk: Desk):
    spec = {"trainingDatasetUri": "gs://b/t", "hyperParameters": {"epochCount": "2"}}
    assert len(finished(desk, supervisedTuningSpec=spec)["tunedModel"]["checkpoints"]) == 2
    spec["exportLastCheckpointOnly"] = True
    assert "checkpoints" not in finished(desk, supervisedTuningSpec=spec)["tunedModel"]


def test_a_tuned_model_is_tuned_again_and_rebased(desk: Desk):
    first = finished(desk)
    spec = {"supervisedTuningSpec": {"trainingDatasetUri": "gs://b/t"}}
    again = desk.ask("POST", JOBS, {"preTunedModel": {"tunedModelName": first["tunedModel"]["model"]}, **spec})
    desk.ask("GET", f"/v1beta1/{again['name']}")
    done = desk.ask("GET", f"/v1beta1/{again['name']}")
    assert tuned_base(desk.store.shelf(""), done["tunedModel"]["endpoint"]) == "gemini-2.5-flash"
    body = {"tunedModelRef": {"tuningJob": first["name"]}, "tuningJob": {"baseModel": "gemini-2.5-pro"}}
    rebased = desk.ask("POST", f"{JOBS}:rebaseTunedModel", body, fits="Operation")
    assert rebased["done"] is True
    made = rebased["response"]
    assert (made["state"], made["baseModel"]) == ("JOB_STATE_SUCCEEDED", "gemini-2.5-pro")
    assert tuned_base(desk.store.shelf(""), made["tunedModel"]["endpoint"]) == "gemini-2.5-pro"
    assert (
        desk.refused("POST", f"{JOBS}:rebaseTunedModel", {"tunedModelRef": {"tuningJob": f"{P}/tuningJobs/1"}})[0]
        == 404
    )


def test_a_cancelled_job_leaves_nothing(desk: Desk):
    made = desk.ask("POST", JOBS, JOB)
    assert desk.ask("POST", f"/v1beta1/{made['name']}:cancel") == {}
    assert desk.ask("GET", f"/v1beta1/{made['name']}")["state"] == "JOB_STATE_CANCELLED"
    assert desk.ask("GET", f"/v1beta1/{P}/models") == {}
    done = finished(desk)
    desk.ask("POST", f"/v1beta1/{done['name']}:cancel")
    assert desk.ask("GET", f"/v1beta1/{done['name']}") == done
    listed = desk.ask("GET", f"{JOBS}?filter=state=JOB_STATE_CANCELLED", fits="ListTuningJobsResponse")["tuningJobs"]
    assert [job["name"] for job in listed] == [made["name"]]
    assert desk.refused("POST", f"{JOBS}/1:cancel")[0] == 404


@pytest.mark.parametrize(
    "body",
    [
        {"supervisedTuningSpec": {"trainingDatasetUri": "gs://b/t"}},
        {"baseModel": "nobody", "supervisedTuningSpec": {"trainingDatasetUri": "gs://b/t"}},
        {"baseModel": "gemini-1.5-flash-001", "supervisedTuningSpec": {"trainingDatasetUri": "gs://b/t"}},
        {"baseModel": "gemini-2.5-flash"},
        {"baseModel": "gemini-2.5-flash", "supervisedTuningSpec": {"trainingDatasetUri": "t.jsonl"}},
        {"baseModel": "gemini-2.5-flash", "supervised": {}},
    ],
)
def test_what_cannot_be_a_job_is_refused(desk: Desk, body):
    assert desk.refused("POST", JOBS, body)[:2] == (400, "INVALID_ARGUMENT")


def test_rewards_of_samples(desk: Desk):
    ask = f"{JOBS}:validateReinforcementTuningReward"
    sample = {"sampleResponse": {"parts": [{"text": "it is 42"}]}, "example": {}}
    plain = desk.ask("POST", ask, sample | {"singleRewardConfig": {}}, fits="ValidateReinforcementTuningRewardResponse")
    assert 0 <= plain["overallReward"] <= 1
    assert desk.ask("POST", ask, sample | {"singleRewardConfig": {}}) == plain

    def scorer(text: str, way: str):
        return {
            "rewardName": way.lower(),
            "stringMatchRewardScorer": {
                "stringMatchExpression": {"expression": text, "matchOperation": way},
                "correctAnswerReward": 1.0,
                "wrongAnswerReward": -0.5,
            },
        }

    partial, exact = scorer("42", "PARTIAL_MATCH"), scorer("42", "EXACT_MATCH")
    assert desk.ask("POST", ask, sample | {"singleRewardConfig": partial})["overallReward"] == 1.0
    weighted = [{"rewardConfig": partial, "weight": 2}, {"rewardConfig": exact, "weight": 1}]
    both = desk.ask("POST", ask, sample | {"compositeRewardConfig": {"weightedRewardConfigs": weighted}})
    assert both["overallReward"] == 1.5
    assert both["rewardInfoDetails"] == {"partial_match": {"reward": 1.0}, "exact_match": {"reward": -0.5}}
    assert desk.refused("POST", ask, sample)[0] == 400
