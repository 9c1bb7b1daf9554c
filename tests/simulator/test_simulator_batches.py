"""Batches of the Gemini API: their life, their files, and that their answers are those of generateContent."""

import json
from typing import Any

import pytest
from resource_rig import Desk

from understudy_simulator.kept_bytes import KeptBytes
from understudy_simulator.store import Resource
from understudy_simulator.surfaces import batches, generate

CREATE = "/v1/models/gemini-2.5-flash:batchGenerateContent"
EMBED = "/v1/models/gemini-embedding-001:asyncBatchEmbedContent"


def ask_for(*texts: str, **members):
    requests = [{"request": {"contents": [{"role": "user", "parts": [{"text": text}]}]}} for text in texts]
    return {"batch": {"displayName": "d", "inputConfig": {"requests": {"requests": requests}}, **members}}


@pytest.fixture
def desk() -> Desk:
    return Desk(batches.ROUTES, generate.ROUTES)


def keep_file(desk: Desk, *lines: str, name: str = "files/in1") -> None:
    desk.store.shelf("").put(Resource(name, {"name": name}, desk.now, hidden=KeptBytes("\n".join(lines).encode())))


def finish(desk: Desk, name: str, **kwargs):
    desk.ask("GET", f"/v1/{name}")
    return desk.ask("GET", f"/v1/{name}", **kwargs)


def test_a_batch_is_pending_then_running_then_done(desk: Desk):
    made = desk.ask("POST", CREATE, ask_for("one", "two"), fits="Operation")
    about = made["metadata"]
    assert "done" not in made
    assert about["@type"] == "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch"
    assert (about["name"], about["model"], about["displayName"]) == (made["name"], "models/gemini-2.5-flash", "d")
    assert about["state"] == "BATCH_STATE_PENDING"
    assert about["batchStats"] == {"requestCount": "2", "pendingRequestCount": "2"}
    desk.wait(seconds=30)
    running = desk.ask("GET", f"/v1/{made['name']}")
    assert running["metadata"]["state"] == "BATCH_STATE_RUNNING"
    assert "done" not in running
    assert running["metadata"]["updateTime"] > about["updateTime"]
    done = desk.ask("GET", f"/v1/{made['name']}", fits="Operation")
    assert done["done"] is True
    assert done["metadata"]["state"] == "BATCH_STATE_SUCCEEDED"
    assert done["metadata"]["batchStats"] == {"requestCount": "2", "successfulRequestCount": "2"}
    assert done["metadata"]["endTime"] == running["metadata"]["updateTime"]
    assert done["response"]["@type"].endswith("v1main.GenerateContentBatchOutput")
    assert done["response"]["inlinedResponses"] == done["metadata"]["output"]["inlinedResponses"]
    assert desk.ask("GET", f"/v1/{made['name']}") == done


def test_each_answer_is_that_of_the_request_by_itself(desk: Desk):
    schema = {"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}, "required": ["n"]}
    shaped: dict[str, Any] = {"contents": [{"parts": [{"text": "a number"}]}]}
    shaped["generationConfig"] = {"responseMimeType": "application/json", "responseSchema": schema}
    body = ask_for("hello")
    body["batch"]["inputConfig"]["requests"]["requests"].append({"request": shaped, "metadata": {"key": "k2"}})
    made = desk.ask("POST", CREATE, body)
    done = finish(desk, made["name"])
    items = done["response"]["inlinedResponses"]["inlinedResponses"]
    alone = [
        desk.ask("POST", "/v1/models/gemini-2.5-flash:generateContent", request)
        for request in (ask_for("hello")["batch"]["inputConfig"]["requests"]["requests"][0]["request"], shaped)
    ]
    for item, single in zip(items, alone, strict=True):
        assert item["response"]["candidates"] == single["candidates"]
        assert item["response"]["usageMetadata"] == single["usageMetadata"]
    assert items[1]["metadata"] == {"key": "k2"}
    assert "n" in json.loads(items[1]["response"]["candidates"][0]["content"]["parts"][0]["text"])
    ids = {item["response"]["responseId"] for item in items}
    assert len(ids) == 2


def test_what_is_wrong_with_one_request_is_its_own_error(desk: Desk):
    body = ask_for("fine")
    body["batch"]["inputConfig"]["requests"]["requests"].append({"request": {"contents": []}})
    made = desk.ask("POST", CREATE, body)
    done = finish(desk, made["name"], fits="Operation")
    fine, wrong = done["response"]["inlinedResponses"]["inlinedResponses"]
    assert "response" in fine
    assert wrong["error"]["code"] == 3
    assert "contents" in wrong["error"]["message"]
    assert done["metadata"]["state"] == "BATCH_STATE_SUCCEEDED"
    assert done["metadata"]["batchStats"] == {
        "requestCount": "2",
        "successfulRequestCount": "1",
        "failedRequestCount": "1",
    }


def test_a_file_of_requests_gives_a_file_of_answers(desk: Desk):
    good = {"key": "a", "request": {"contents": [{"parts": [{"text": "hello"}]}]}}
    strange = {"key": "b", "request": {"contents": [{"parts": [{"text": "hello"}]}], "colour": 1}}
    hot = {"key": "c", "request": {"contents": [], "generationConfig": {"temperature": "hot"}}}
    keep_file(desk, json.dumps(good), "", json.dumps(strange), "no json", json.dumps(hot))
    made = desk.ask("POST", CREATE, {"batch": {"input_config": {"file_name": "files/in1"}}}, fits="Operation")
    assert made["metadata"]["inputConfig"] == {"fileName": "files/in1"}
    assert made["metadata"]["batchStats"]["requestCount"] == "4"
    done = finish(desk, made["name"], fits="Operation")
    name = done["response"]["responsesFile"]
    assert done["metadata"]["output"] == {"responsesFile": name}
    file = desk.store.shelf("").find(name)
    assert file is not None
    data = file.hidden.read()
    assert file.value["sizeBytes"] == str(len(data))
    assert (file.value["source"], file.value["state"]) == ("GENERATED", "ACTIVE")
    lines = [json.loads(line) for line in data.decode().splitlines()]
    assert [line.get("key") for line in lines] == ["a", "b", None, "c"]
    assert lines[0]["response"]["candidates"][0]["content"]["parts"][0]["text"]
    assert 'Unknown name "colour"' in lines[1]["error"]["message"]
    assert lines[2]["error"]["code"] == 3
    assert "generation_config.temperature" in lines[3]["error"]["message"]
    assert done["metadata"]["batchStats"]["failedRequestCount"] == "3"


def test_a_batch_whose_file_went_away_fails(desk: Desk):
    keep_file(desk, json.dumps({"key": "a", "request": {"contents": [{"parts": [{"text": "hello"}]}]}}))
    made = desk.ask("POST", CREATE, {"batch": {"inputConfig": {"fileName": "files/in1"}}})
    desk.store.shelf("").remove("files/in1")
    done = finish(desk, made["name"])
    assert done["metadata"]["state"] == "BATCH_STATE_FAILED"
    assert done["error"]["code"] == 5
    assert "response" not in done


def test_embeddings_in_a_batch(desk: Desk):
    def request(text: str, size: int):
        return {"request": {"content": {"parts": [{"text": text}]}, "outputDimensionality": size}}

    body = {"batch": {"inputConfig": {"requests": {"requests": [request("a cat", 8), request("a dog", 99999)]}}}}
    made = desk.ask("POST", EMBED, body, fits="Operation")
    assert made["metadata"]["@type"].endswith("v1main.EmbedContentBatch")
    done = finish(desk, made["name"])
    good, bad = done["response"]["inlinedResponses"]["inlinedResponses"]
    assert done["response"]["@type"].endswith("v1main.EmbedContentBatchOutput")
    assert len(good["response"]["embedding"]["values"]) == 8
    assert bad["error"]["code"] == 3


def test_a_batch_is_cancelled_at_once_and_for_good(desk: Desk):
    made = desk.ask("POST", CREATE, ask_for("one"))
    assert desk.ask("POST", f"/v1/{made['name']}:cancel") == {}
    found = desk.ask("GET", f"/v1/{made['name']}", fits="Operation")
    assert (found["done"], found["metadata"]["state"], found["error"]["code"]) == (True, "BATCH_STATE_CANCELLED", 1)
    assert desk.ask("GET", f"/v1/{made['name']}") == found


def test_a_batch_that_is_done_stays_as_it_is_when_cancelled(desk: Desk):
    made = desk.ask("POST", CREATE, ask_for("one"))
    done = finish(desk, made["name"])
    assert desk.ask("POST", f"/v1/{made['name']}:cancel") == {}
    assert desk.ask("GET", f"/v1/{made['name']}") == done


@pytest.mark.parametrize("look", ["get", "list"])
def test_a_batch_that_is_not_done_in_48_hours_expires(desk: Desk, look: str):
    made = desk.ask("POST", CREATE, ask_for("one"))
    desk.wait(hours=47, minutes=59)
    assert desk.ask("GET", "/v1/batches")["operations"][0]["metadata"]["state"] == "BATCH_STATE_PENDING"
    desk.wait(minutes=1)
    found = desk.ask("GET", f"/v1/{made['name']}") if look == "get" else desk.ask("GET", "/v1/batches")["operations"][0]
    assert found["metadata"]["state"] == "BATCH_STATE_EXPIRED"
    assert found["done"] is True
    assert "response" not in found


def test_lists_show_the_latest_first_and_do_not_bring_anything_further(desk: Desk):
    names = [desk.ask("POST", CREATE, ask_for(str(number)))["name"] for number in range(3)]
    page = desk.ask("GET", "/v1/batches?pageSize=2", fits="ListOperationsResponse")
    rest = desk.ask("GET", f"/v1/batches?pageSize=2&pageToken={page['nextPageToken']}")
    assert [item["name"] for item in (*page["operations"], *rest["operations"])] == names[::-1]
    assert "nextPageToken" not in rest
    assert {item["metadata"]["state"] for item in page["operations"]} == {"BATCH_STATE_PENDING"}
    assert desk.refused("GET", "/v1/batches?pageToken=nonsense")[0] == 400


def test_a_deleted_batch_is_gone(desk: Desk):
    made = desk.ask("POST", CREATE, ask_for("one"))
    assert desk.ask("DELETE", f"/v1/{made['name']}") == {}
    for method, tail in (("GET", ""), ("DELETE", ""), ("POST", ":cancel")):
        code, status, message = desk.refused(method, f"/v1/{made['name']}{tail}")
        assert (code, status) == (404, "NOT_FOUND")
        assert made["name"] in message
    assert desk.ask("GET", "/v1/batches") == {}


def test_what_cannot_be_a_batch_is_refused(desk: Desk):
    assert desk.refused("POST", "/v1/models/nobody:batchGenerateContent", ask_for("one"))[0] == 404
    # An embedding model has no batches of generateContent.
    assert desk.refused("POST", "/v1/models/gemini-embedding-001:batchGenerateContent", ask_for("one"))[0] == 404
    # Retired before this day.
    assert desk.refused("POST", "/v1/models/gemini-1.5-flash-001:batchGenerateContent", ask_for("one"))[0] == 404
    assert desk.refused("POST", CREATE, {"batch": {"displayName": "d"}})[:2] == (400, "INVALID_ARGUMENT")
    code, status, message = desk.refused("POST", CREATE, {"batch": {"inputConfig": {"fileName": "files/no"}}})
    assert (code, status) == (403, "PERMISSION_DENIED")
    assert "File no" in message
    keep_file(desk, "", name="files/empty")
    assert desk.refused("POST", CREATE, {"batch": {"inputConfig": {"fileName": "files/empty"}}})[0] == 400


def test_scopes_do_not_see_each_other_and_repeat_each_other(desk: Desk):
    values = []
    for scope in ("a", "b"):
        made = desk.ask("POST", CREATE, ask_for("one"), scope=scope)
        desk.refused("GET", f"/v1/{made['name']}", scope="other")
        values.append(made["name"])
    assert values[0] != values[1]
    again = Desk(batches.ROUTES)
    assert again.ask("POST", CREATE, ask_for("one"), scope="a")["name"] == values[0]


def test_a_call_without_its_carrier_finds_the_batch_by_name(desk: Desk):
    made = desk.ask("POST", CREATE, ask_for("one"), scope="a")
    assert desk.ask("GET", f"/v1/{made['name']}")["metadata"]["state"] == "BATCH_STATE_RUNNING"
    assert finish(desk, made["name"], scope="a")["done"] is True
    assert desk.ask("GET", "/v1/batches") == {}
