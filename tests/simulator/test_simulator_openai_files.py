"""The OpenAI-compatible files, batches and videos of the Gemini API, and forms (wire-http 10)."""

import json

import pytest
from foreign_rig import World
from hypothesis import given
from hypothesis import strategies as st

from understudy_simulator.form_data import fields_of
from understudy_simulator.spool import Spool
from understudy_simulator.surfaces import openai_files, openai_videos

BASE = "/v1beta/openai"
BOUNDARY = "frontier"
FORM = ((b"Content-Type", f"multipart/form-data; boundary={BOUNDARY}".encode()),)


@pytest.fixture
def world() -> World:
    return World(*openai_files.routes(Spool()), *openai_videos.ROUTES)


def form(*fields):
    pieces = []
    for name, data, file_name in fields:
        extra = f'; filename="{file_name}"\r\nContent-Type: application/jsonl' if file_name else ""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'
        pieces.append(head.encode() + data + b"\r\n")
    return b"".join(pieces) + f"--{BOUNDARY}--\r\n".encode()


def uploaded(world, data):
    return world.post(f"{BASE}/files", form(("purpose", b"batch", None), ("file", data, "in.jsonl")), FORM).json


def content(world, file_id):
    """The bytes of a file as a download gives them; they are on the disk."""
    target = f"{BASE}/files/{file_id}/content"
    matched = world.router.find("GET", target)
    media = matched.route.handler(world.call("GET", target))
    return media.source.read_bytes()


def line(custom_id, url="/v1/chat/completions", **body):
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": body}).encode() + b"\n"


def test_a_file_is_kept_listed_read_and_removed(world):
    made = uploaded(world, b"one\r\ntwo\n")
    assert made["object"] == "file"
    assert made["bytes"] == 9
    assert made["filename"] == "in.jsonl"
    assert world.ask("GET", f"{BASE}/files/{made['id']}").json == made
    assert world.ask("GET", f"{BASE}/files/files%2F{made['id'].removeprefix('file-')}").json == made
    assert content(world, made["id"]) == b"one\r\ntwo\n"
    assert world.ask("GET", f"{BASE}/files").json["data"] == [made]
    assert world.ask("DELETE", f"{BASE}/files/{made['id']}").json["deleted"] is True
    assert world.ask("GET", f"{BASE}/files/{made['id']}").status == 403
    assert world.ask("DELETE", f"{BASE}/files/{made['id']}").status == 403


def test_files_without_room_on_the_disk_are_refused(tmp_path):
    full = tmp_path / "none"
    world = World(*openai_files.routes(Spool(full)))
    body = form(("purpose", b"batch", None), ("file", b"x", "in.jsonl"))
    refused = world.post(f"{BASE}/files", body, FORM)
    assert (refused.status, refused.headers["x-understudy-error"]) == (507, "DISK_FULL")
    assert world.ask("GET", f"{BASE}/files").json["data"] == []


def test_it_is_a_file_of_the_files_api_as_well(world):
    made = uploaded(world, b"one")
    resource = world.store.shelf("").find(f"files/{made['id'].removeprefix('file-')}")
    assert resource.value["sizeBytes"] == "3"
    assert resource.value["state"] == "ACTIVE"


def test_pages_of_files(world):
    ids = [uploaded(world, b"x")["id"] for _ in range(3)]
    first = world.ask("GET", f"{BASE}/files?limit=2").json
    assert [entry["id"] for entry in first["data"]] == ids[:2]
    assert first["has_more"] is True
    assert first["last_id"] == ids[1]
    second = world.ask("GET", f"{BASE}/files?limit=2&after={ids[1]}").json
    assert [entry["id"] for entry in second["data"]] == ids[2:]
    assert second["has_more"] is False
    assert world.ask("GET", f"{BASE}/files?limit=many").status == 400


def test_bad_uploads(world):
    assert world.post(f"{BASE}/files", form(("purpose", b"batch", None)), FORM).status == 400
    assert world.post(f"{BASE}/files", form(("file", b"x", "x")), FORM).status == 400
    assert world.post(f"{BASE}/files", {"file": "x"}).status == 400


def test_a_batch_runs_and_its_output_can_be_read(world):
    hello = [{"role": "user", "content": "hello there"}]
    data = (
        line("a", model="gemini-2.5-flash", messages=hello)
        + line("b", model="gemini-0", messages=hello)
        + line("c", url="/v1/embeddings", model="gemini-embedding-001", input=["x", "y"])
        + b"no json\n"
    )
    file = uploaded(world, data)
    asked = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    made = world.post(f"{BASE}/batches", asked).json
    assert made["status"] == "validating"
    assert made["request_counts"] == {"total": 4, "completed": 0, "failed": 0}
    target = f"{BASE}/batches/{made['id']}"
    assert world.ask("GET", target).json["status"] == "in_progress"
    done = world.ask("GET", target).json
    assert done["status"] == "completed"
    assert done["request_counts"] == {"total": 4, "completed": 2, "failed": 2}
    assert world.ask("GET", target).json == done
    assert world.ask("GET", f"{BASE}/batches").json["data"] == [done]
    output = content(world, done["output_file_id"])
    lines = [json.loads(entry) for entry in output.splitlines()]
    assert [entry["custom_id"] for entry in lines] == ["a", "b", "c", None]
    assert "hello there" in lines[0]["response"]["body"]["choices"][0]["message"]["content"]
    assert lines[1]["response"]["status_code"] == 404
    assert len(lines[2]["response"]["body"]["data"]) == 2
    assert lines[3]["error"]["code"] == "invalid_request"


def test_batches_are_cancelled_and_refused(world):
    file = uploaded(world, b"{}\n")
    asked = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions"}
    made = world.post(f"{BASE}/batches", asked).json
    target = f"{BASE}/batches/{made['id']}"
    assert world.post(f"{target}/cancel").json["status"] == "cancelled"
    assert world.ask("GET", target).json["status"] == "cancelled"
    assert world.ask("GET", f"{BASE}/batches/none").status == 404
    assert world.post(f"{BASE}/batches/none/cancel").status == 404
    assert world.post(f"{BASE}/batches", asked | {"endpoint": "/v1/odd"}).status == 400
    assert world.post(f"{BASE}/batches", asked | {"input_file_id": "file-none"}).status == 403
    assert world.post(f"{BASE}/batches", {"endpoint": "/v1/embeddings"}).status == 400


def test_videos(world):
    body = form(("model", b"veo-3.1-generate-preview", None), ("prompt", b"a fox", None), ("seconds", b"4", None))
    made = world.post(f"{BASE}/videos", body, FORM).json
    assert (made["object"], made["status"], made["seconds"]) == ("video", "queued", "4")
    target = f"{BASE}/videos/{made['id']}"
    assert world.ask("GET", f"{target}/content").status == 400
    assert world.ask("GET", target).json["status"] == "in_progress"
    done = world.ask("GET", target).json
    assert (done["status"], done["progress"]) == ("completed", 100)
    film = world.ask("GET", f"{target}/content")
    assert film.headers["content-type"] == "video/mp4"
    assert film.body[4:8] == b"ftyp"
    assert world.ask("GET", f"{BASE}/videos").json["data"] == [done]
    assert world.ask("DELETE", target).json["deleted"] is True
    assert world.ask("GET", target).status == 404
    assert world.ask("DELETE", target).status == 404
    assert world.ask("GET", f"{target}/content").status == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "veo-3.1-generate-preview"}, 400),
        ({"model": "gemini-2.5-flash", "prompt": "x"}, 404),
        ({"model": "veo-3.1-generate-preview", "prompt": "x", "seconds": "7"}, 400),
        ([], 400),
        ({"model": "veo-3.1-generate-preview", "prompt": "x"}, 200),
    ],
)
def test_videos_by_json(world, body, status):
    assert world.post(f"{BASE}/videos", body).status == status


@given(st.lists(st.tuples(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.binary(max_size=60)), max_size=4))
def test_forms_come_back_whole(fields):
    body = form(*((name, data, None) for name, data in fields if f"--{BOUNDARY}".encode() not in data))
    read = fields_of(body, FORM[0][1].decode())
    assert [(field.name, field.data) for field in read or ()] == fields


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "multipart/form-data; boundary=x"),
        (b"--x\r\nno head--x--", "multipart/form-data; boundary=x"),
        (b"--x\r\nContent-Type: a/b\r\n\r\nz\r\n--x--", "multipart/form-data; boundary=x"),
        (b"--x--", "application/json"),
        (b"--x--", "multipart/form-data"),
    ],
)
def test_what_is_no_form(body, kind):
    assert fields_of(body, kind) is None
