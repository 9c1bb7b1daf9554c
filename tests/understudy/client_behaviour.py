"""What clients do, well and badly, as functions that add to a history: the material of properties.

Each function takes the history, the time at which it begins, and a number that no other client of the history has; it
uses connections, bodies and names of that number alone.
"""

import json
from collections.abc import Callable, Mapping

from history_builder import GENERATE, STREAM, UPLOAD_PATH, History

Behaviour = Callable[[History, float, int], None]

LIVE_MODEL = {"setup": {"model": "models/gemini-2.0-flash-live-001", "sessionResumption": {}}}
READY = {"setupComplete": {}}


def body(number: int) -> bytes:
    """A body of one client alone."""
    return json.dumps({"contents": [{"role": "user", "parts": [{"text": f"client {number}"}]}]}).encode()


def agent(number: int) -> tuple[tuple[bytes, bytes], ...]:
    """Header fields of one client alone."""
    return ((b"User-Agent", f"client/{number}".encode()), (b"x-goog-api-key", f"key-{number}".encode()))


def ask(seen: History, at: float, number: int, status: int = 200, **how) -> int:
    """A request of one client."""
    return seen.ask(at, status, **({"body": body(number), "headers": agent(number), "connection": number} | how))


# ---- well


def asks_once(seen: History, at: float, number: int) -> None:
    ask(seen, at, number)


def waits_as_told(seen: History, at: float, number: int) -> None:
    ask(seen, at, number, 429, told="2s")
    ask(seen, at + 2.1, number, 429, retry_after="3")
    ask(seen, at + 5.2, number)


def backs_off(seen: History, at: float, number: int) -> None:
    for step in range(6):
        ask(seen, at, number, 503)
        at += 2**step
    ask(seen, at, number)


def gives_up(seen: History, at: float, number: int) -> None:
    ask(seen, at, number, 400)


def refreshes_its_token(seen: History, at: float, number: int) -> None:
    ask(seen, at, number, 401, headers=((b"Authorization", b"Bearer old%d" % number),))
    ask(seen, at + 0.1, number, headers=((b"Authorization", b"Bearer new%d" % number),))


def polls_patiently(seen: History, at: float, number: int) -> None:
    name = f"models/veo/operations/{number}"
    for step in range(4):
        answer = json.dumps({"name": name, "done": step == 3}).encode()
        ask(seen, at + 10 * step, number, method="GET", target=f"/v1beta/{name}", body=b"", answer=answer)


def uploads_and_resumes(seen: History, at: float, number: int) -> None:
    begin_upload(seen, at, number, f"u{number}")
    send_part(seen, at + 1, number, f"u{number}", 503)
    send_part(seen, at + 2, number, f"u{number}", 200)


def retries_a_broken_stream(seen: History, at: float, number: int) -> None:
    stream(seen, at, number, f"Once {number}", is_cut=True)
    stream(seen, at + 1, number, f"Once {number} upon a time", is_cut=False)
    quote(seen, at + 2, number, f"Once {number} upon a time")


def talks(seen: History, at: float, number: int) -> None:
    call = {"toolCall": {"functionCalls": [{"id": f"c{number}", "name": "f", "args": {}}]}}
    answer = {"toolResponse": {"functionResponses": [{"id": f"c{number}", "response": {}}]}}
    update = {"sessionResumptionUpdate": {"newHandle": f"h{number}", "resumable": True}}
    opened = ((0.0, "client", LIVE_MODEL), (0.1, "server", READY))
    rest = ((2.0, "client", answer), (3.0, "server", update), (4.0, "server", {"goAway": {"timeLeft": "50s"}}))
    seen.session(at, *opened, (1.0, "server", call), *rest, ended=20, headers=agent(number))
    resumed = {"setup": {"model": "models/gemini-2.0-flash-live-001", "sessionResumption": {"handle": f"h{number}"}}}
    seen.session(at + 21, (0.0, "client", resumed), (0.1, "server", READY), ended=5, headers=agent(number))


WELL: tuple[Behaviour, ...] = (
    *(asks_once, waits_as_told, backs_off, gives_up, refreshes_its_token, polls_patiently),
    *(uploads_and_resumes, retries_a_broken_stream, talks),
)


# ---- badly


def comes_too_early(seen: History, at: float, number: int) -> None:
    ask(seen, at, number, 429, told="2s")
    ask(seen, at + 0.3, number)


def repeats_what_is_wrong(seen: History, at: float, number: int) -> None:
    ask(seen, at, number, 400)
    ask(seen, at + 1, number, 400)


def hammers(seen: History, at: float, number: int) -> None:
    for step in range(12):
        ask(seen, at + 0.05 * step + 0.02 * step**2, number, 503)


def never_slows_down(seen: History, at: float, number: int) -> None:
    for step in range(6):
        ask(seen, at + 5 * step, number, 503)


def quotes_half_an_answer(seen: History, at: float, number: int) -> None:
    stream(seen, at, number, f"Once {number}", is_cut=True)
    quote(seen, at + 1, number, f"Once {number}")


def leaves(seen: History, at: float, number: int) -> None:
    ask(seen, at, number, failure="client left")


def polls_madly(seen: History, at: float, number: int) -> None:
    name = f"models/veo/operations/{number}"
    for step in range(6):
        ask(seen, at + step / 10, number, method="GET", target=f"/v1beta/{name}", body=b"", answer=b"{}")


def uploads_anew(seen: History, at: float, number: int) -> None:
    begin_upload(seen, at, number, f"a{number}")
    send_part(seen, at + 1, number, f"a{number}", 503)
    begin_upload(seen, at + 2, number, f"b{number}")


def shows_its_key(seen: History, at: float, number: int) -> None:
    ask(seen, at, number, target=f"{GENERATE}?key=secret")


def connects_each_time(seen: History, at: float, number: int) -> None:
    for step in range(12):
        ask(seen, at + 0.011 * step, number, body=body(1000 * number + step), connection=1000 * number + step)


def fetches_tokens(seen: History, at: float, number: int) -> None:
    for step in range(12):
        token = f"t{number}-{step}"
        answer = json.dumps({"access_token": token}).encode()
        form = b"grant_type=refresh_token&refresh_token=%d" % number
        ask(seen, at + step, number, target="/token", body=form, answer=answer, surface="oauth")
        bearer = ((b"Authorization", f"Bearer {token}".encode()),)
        ask(seen, at + step + 0.5, number, headers=bearer, body=body(1000 * number + step))


def stays(seen: History, at: float, number: int) -> None:
    target = "/v1beta/files/x:download?alt=media"
    there = ((b"Location", f"http://h/download/{number}/x".encode()),)
    ask(seen, at, number, 302, method="GET", target=target, answer_headers=there, body=b"")


def session(seen: History, at: float, number: int, *frames: tuple[float, str, object], ended: float = 9, **how) -> None:
    opened = ((0.0, "client", LIVE_MODEL), (0.1, "server", READY))
    seen.session(at, *opened, *frames, ended=ended, headers=agent(number), **how)


def is_hasty(seen: History, at: float, number: int) -> None:
    hasty = (0.05, "client", {"realtimeInput": {"text": "hi"}})
    seen.session(at, (0.0, "client", LIVE_MODEL), hasty, (0.1, "server", READY), ended=1, headers=agent(number))


def sets_up_twice(seen: History, at: float, number: int) -> None:
    session(seen, at, number, (2.0, "client", LIVE_MODEL))


def sends_chunks(seen: History, at: float, number: int) -> None:
    session(seen, at, number, (2.0, "client", {"realtimeInput": {"mediaChunks": [{"data": "AAA="}]}}))


def forgets_a_call(seen: History, at: float, number: int) -> None:
    call = {"toolCall": {"functionCalls": [{"id": "c", "name": "f", "args": {}}]}}
    session(seen, at, number, (2.0, "server", call), (3.0, "client", {"realtimeInput": {"text": "hi"}}))


def does_not_go(seen: History, at: float, number: int) -> None:
    reason = "Connection aborted because the client failed to close the connection after receiving a GoAway signal"
    warning = (2.0, "server", {"goAway": {"timeLeft": "5s"}})
    session(seen, at, number, warning, ended=7, close=("server", 1008, reason))


def resumes_from_afar(seen: History, at: float, number: int) -> None:
    updates = [{"sessionResumptionUpdate": {"newHandle": f"{n}-{number}", "resumable": True}} for n in "ab"]
    session(seen, at, number, (1.0, "server", updates[0]), (2.0, "server", updates[1]))
    resumed = {"setup": {"model": "m", "sessionResumption": {"handle": f"a-{number}"}}}
    seen.session(at + 10, (0.0, "client", resumed), (0.1, "server", READY), ended=5, headers=agent(number))


def stays_behind(seen: History, at: float, number: int) -> None:
    session(seen, at, number, ended=4, close=("server", 1000, ""), lingers=10)


BADLY: Mapping[str, Behaviour] = {
    "retry_after_ignored": comes_too_early,
    "retried_non_retryable": repeats_what_is_wrong,
    "retry_storm": hammers,
    "no_backoff": never_slows_down,
    "truncated_stream_accepted": quotes_half_an_answer,
    "answer_abandoned": leaves,
    "polled_too_fast": polls_madly,
    "upload_not_resumed": uploads_anew,
    "key_in_query": shows_its_key,
    "connection_per_request": connects_each_time,
    "token_refreshed_too_often": fetches_tokens,
    "redirect_not_followed": stays,
    "setup_not_awaited": is_hasty,
    "second_setup": sets_up_twice,
    "deprecated_media_chunks": sends_chunks,
    "unanswered_tool_call": forgets_a_call,
    "goaway_ignored": does_not_go,
    "stale_handle": resumes_from_afar,
    "session_left_open": stays_behind,
}
"""For each rule, by its id, a client that breaks it and no other."""


# ---- parts of them


def begin_upload(seen: History, at: float, number: int, upload_id: str) -> None:
    """The first request of a resumable upload."""
    fields = (*agent(number), (b"X-Goog-Upload-Command", b"start"))
    url = ((b"X-Goog-Upload-URL", f"http://h{UPLOAD_PATH}?upload_id={upload_id}".encode()),)
    ask(seen, at, number, target=UPLOAD_PATH, headers=fields, answer_headers=url, body=b"%d" % number)


def send_part(seen: History, at: float, number: int, upload_id: str, status: int) -> None:
    """A part of it."""
    fields = (*agent(number), (b"X-Goog-Upload-Command", b"upload, finalize"))
    ask(seen, at, number, status, target=f"{UPLOAD_PATH}?upload_id={upload_id}", headers=fields, body=b"abc")


def stream(seen: History, at: float, number: int, text: str, *, is_cut: bool) -> None:
    """A streamed answer, which may break off."""
    candidate: dict[str, object] = {"content": {"role": "model", "parts": [{"text": text}]}}
    if not is_cut:
        candidate["finishReason"] = "STOP"
    event = b"data: " + json.dumps({"candidates": [candidate]}).encode() + b"\r\n\r\n"
    failure = "fault injected: truncate" if is_cut else None
    ask(seen, at, number, target=STREAM, answer=event, failure=failure)


def quote(seen: History, at: float, number: int, text: str) -> None:
    """A request that has `text` as the model's turn."""
    turns = [{"role": "model", "parts": [{"text": text}]}, {"role": "user", "parts": [{"text": "Go on."}]}]
    ask(seen, at, number, body=json.dumps({"contents": turns}).encode())
