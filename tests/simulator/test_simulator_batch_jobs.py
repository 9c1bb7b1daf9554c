"""Batch prediction jobs of Vertex AI."""

import pytest
from resource_rig import Desk, P

from understudy_simulator.surfaces import batch_jobs

JOBS = f"/v1beta1/{P}/batchPredictionJobs"
KIND = "BatchPredictionJob"


def job(**members):
    return {
        "displayName": "d",
        "model": "publishers/google/models/gemini-2.5-flash",
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://b/i.jsonl"]}},
        "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://b/o"}},
    } | members


@pytest.fixture
def desk() -> Desk:
    return Desk(batch_jobs.ROUTES)


def finish(desk: Desk, name: str, front: str = "/v1beta1"):
    desk.ask("GET", f"{front}/{name}")
    return desk.ask("GET", f"{front}/{name}", fits=KIND)


def test_a_job_is_pending_then_running_then_done(desk: Desk):
    made = desk.ask("POST", JOBS, job(), fits=KIND)
    assert made["name"].startswith(f"{P}/batchPredictionJobs/")
    assert made["name"].rpartition("/")[2].isdigit()
    assert made["state"] == "JOB_STATE_PENDING"
    assert made["inputConfig"] == job()["inputConfig"]
    assert "startTime" not in made
    desk.wait(minutes=1)
    running = desk.ask("GET", f"/v1beta1/{made['name']}", fits=KIND)
    assert (running["state"], running["startTime"]) == ("JOB_STATE_RUNNING", "2026-05-01T12:01:00.000000Z")
    desk.wait(minutes=1)
    done = desk.ask("GET", f"/v1beta1/{made['name']}", fits=KIND)
    assert (done["state"], done["endTime"]) == ("JOB_STATE_SUCCEEDED", "2026-05-01T12:02:00.000000Z")
    assert done["outputInfo"] == {"gcsOutputDirectory": "gs://b/o/prediction-model-2026-05-01T12:02:00.000Z"}
    assert done["completionStats"] == {"successfulCount": "1"}
    assert desk.ask("GET", f"/v1beta1/{made['name']}") == done


def test_both_spellings_are_shown_in_one(desk: Desk):
    body = {
        "display_name": "d",
        "model": "gemini-2.5-flash",
        "input_config": {"instances_format": "jsonl", "gcs_source": {"uris": ["gs://b/1", "gs://b/2"]}},
        "output_config": {"predictions_format": "jsonl", "gcs_destination": {"output_uri_prefix": "gs://b/o/"}},
        "labels": {"my_label": "x"},
    }
    made = desk.ask("POST", JOBS, body, fits=KIND)
    assert made["inputConfig"]["gcsSource"]["uris"] == ["gs://b/1", "gs://b/2"]
    assert made["labels"] == {"my_label": "x"}
    assert finish(desk, made["name"])["completionStats"] == {"successfulCount": "2"}


def test_tables_of_bigquery(desk: Desk):
    source = {"instancesFormat": "bigquery", "bigquerySource": {"inputUri": "bq://p.d.in"}}
    target = {"predictionsFormat": "bigquery", "bigqueryDestination": {"outputUri": "bq://p.d.out"}}
    made = desk.ask("POST", JOBS, job(inputConfig=source, outputConfig=target))
    done = finish(desk, made["name"])
    assert done["outputInfo"] == {"bigqueryOutputDataset": "bq://p.d", "bigqueryOutputTable": "out"}
    target["bigqueryDestination"] = {"outputUri": "bq://p.d"}
    made = desk.ask("POST", JOBS, job(inputConfig=source, outputConfig=target))
    assert finish(desk, made["name"])["outputInfo"]["bigqueryOutputTable"] == "predictions_2026_05_01T12_00_00_000Z"


def test_express_jobs_have_a_project_in_their_names_and_are_found_without(desk: Desk):
    made = desk.ask("POST", "/v1beta1/batchPredictionJobs", job())
    assert made["name"].startswith("projects/100000000001/locations/global/batchPredictionJobs/")
    bare = "batchPredictionJobs/" + made["name"].rpartition("/")[2]
    assert finish(desk, bare)["state"] == "JOB_STATE_SUCCEEDED"
    assert desk.ask("GET", f"/v1beta1/{made['name']}")["state"] == "JOB_STATE_SUCCEEDED"
    assert len(desk.ask("GET", "/v1beta1/batchPredictionJobs")["batchPredictionJobs"]) == 1
    assert desk.ask("GET", JOBS) == {}
    assert desk.ask("POST", f"/v1beta1/{bare}:cancel") == {}
    assert desk.ask("DELETE", f"/v1beta1/{bare}")["done"] is True


def test_lists_are_filtered_and_paged(desk: Desk):
    names = [desk.ask("POST", JOBS, job(displayName=f"job {number}"))["name"] for number in range(3)]
    finish(desk, names[1])
    page = desk.ask("GET", f"{JOBS}?pageSize=2", fits="ListBatchPredictionJobsResponse")
    rest = desk.ask("GET", f"{JOBS}?pageSize=2&pageToken={page['nextPageToken']}")
    assert [item["name"] for item in page["batchPredictionJobs"] + rest["batchPredictionJobs"]] == names[::-1]
    done = desk.ask("GET", f'{JOBS}?filter=state="JOB_STATE_SUCCEEDED"')
    assert [item["name"] for item in done["batchPredictionJobs"]] == [names[1]]
    wanted = desk.ask("GET", f'{JOBS}?filter=display_name="job 2"%20AND%20NOT%20state=JOB_STATE_SUCCEEDED')
    assert [item["name"] for item in wanted["batchPredictionJobs"]] == [names[2]]
    assert desk.ask("GET", f"{JOBS}?filter=display_name=nobody") == {}
    assert desk.refused("GET", f"{JOBS}?filter=(((")[0] == 400
    assert desk.ask("GET", f"/v1beta1/{P.replace('/p/', '/q/')}/batchPredictionJobs") == {}


def test_a_job_is_cancelled_and_then_deleted_by_an_operation(desk: Desk):
    made = desk.ask("POST", JOBS, job())
    assert desk.refused("DELETE", f"/v1beta1/{made['name']}")[:2] == (400, "FAILED_PRECONDITION")
    assert desk.ask("POST", f"/v1beta1/{made['name']}:cancel", {}) == {}
    found = desk.ask("GET", f"/v1beta1/{made['name']}", fits=KIND)
    assert found["state"] == "JOB_STATE_CANCELLED"
    assert found["endTime"]
    gone = desk.ask("DELETE", f"/v1beta1/{made['name']}", fits="Operation")
    assert gone["done"] is True
    assert gone["name"].startswith(made["name"] + "/operations/")
    assert gone["metadata"]["@type"].endswith("aiplatform.v1beta1.DeleteOperationMetadata")
    assert desk.store.shelf("").find(gone["name"]) is not None
    assert desk.refused("GET", f"/v1beta1/{made['name']}")[:2] == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"displayName": ""}, 400),
        ({"inputConfig": {"instancesFormat": "jsonl"}}, 400),
        ({"inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["http://x"]}}}, 400),
        ({"outputConfig": {"predictionsFormat": "jsonl"}}, 400),
        ({"model": ""}, 400),
        ({"model": "publishers/google/models/nobody"}, 404),
        ({"model": f"{P}/models/12"}, 404),
        ({"colour": 1}, 400),
    ],
)
def test_what_cannot_be_a_job_is_refused(desk: Desk, change, status):
    assert desk.refused("POST", JOBS, job(**change))[0] == status
    assert desk.ask("GET", JOBS) == {}
