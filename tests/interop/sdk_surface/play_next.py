"""How the rows of the newer family are called: interactions, agents, credentials, decisions and their like.

Their values are read as JSON, for the classes of their answers differ between releases.
"""

from typing import Any

from session import Session, equal, holds

FLASH = "gemini-3-flash"
QUESTION = {"q": {"type": "choice", "instructions": "pick", "criteria": {"a": "x", "b": "y"}}}


def plain(answer: Any) -> Any:
    """An answer as JSON values."""
    return answer.model_dump(mode="json", by_alias=True) if hasattr(answer, "model_dump") else answer


def listed(answer: Any, key: str) -> list[str]:
    """The ids in the list `key` of an answer."""
    return [each.get("id") or each.get("name") for each in plain(answer).get(key) or ()]


def texts(value: Any) -> list[str]:
    """All that is called `text` below a JSON value."""
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return own + [text for each in value.values() for text in texts(each)]
    return [text for each in value for text in texts(each)] if isinstance(value, list) else []


async def i1(s: Session) -> None:
    made = plain(await s.call("interactions.create", model=FLASH, input="hi"))
    s.keep(i1=made.get("id"))
    equal("status", made["status"], "completed")
    holds("the model", FLASH in made["model"])
    holds("a text", "".join(texts(made["steps"])))
    usage = made["usage"]
    parts = ("total_input_tokens", "total_output_tokens", "total_thought_tokens", "total_tool_use_tokens")
    equal("total tokens", usage["total_tokens"], sum(usage.get(part) or 0 for part in parts))
    holds("tokens", usage["total_input_tokens"] and usage["total_output_tokens"])


def kind(event: Any) -> str:
    """What an event of a stream is called."""
    return plain(event).get("event_type") or ""


async def i2(s: Session) -> None:
    stream = await s.call("interactions.create", model=FLASH, input="hi", stream=True)
    events = [event async for event in stream] if s.is_async else list(stream)
    kinds = [kind(event) for event in events]
    equal("first event", kinds[0], "interaction.created")
    equal("last event of the interaction", [each for each in kinds if each.startswith("interaction.")][-1], ENDED)
    holds("a text", "".join(text for event in events for text in texts(plain(event))))
    ids = [plain(event).get("event_id") for event in events]
    s.keep(e1=ids[0])
    created = plain(events[0])["interaction"]
    s.keep(i2=created["id"])


ENDED = "interaction.completed"


async def i3(s: Session) -> None:
    got = plain(await s.call("interactions.get", id=s.kept["i1"]))
    equal("id and status", (got["id"], got["status"]), (s.kept["i1"], "completed"))
    holds("the text", "".join(texts(got["steps"])))


async def i4(s: Session) -> None:
    stream = await s.call("interactions.get", id=s.kept["i2"], stream=True, last_event_id=s.kept["e1"])
    events = [event async for event in stream] if s.is_async else list(stream)
    holds("only what comes after the event", s.kept["e1"] not in [plain(event).get("event_id") for event in events])
    holds("the end", ENDED in [kind(event) for event in events])


async def i5(s: Session) -> None:
    made = plain(await s.call("interactions.create", model=FLASH, input="hi", background=True))
    s.keep(i5=made.get("id"))
    gone = plain(await s.call("interactions.cancel", id=made["id"]))
    equal("id and status", (gone["id"], gone["status"]), (made["id"], "cancelled"))


async def i6(s: Session) -> None:
    await s.call("interactions.delete", id=s.kept["i1"])
    await s.refused(404, "interactions.get", id=s.kept["i1"])


async def ag1(s: Session) -> None:
    made = plain(await s.call("agents.create", id="a1", base_agent="antigravity"))
    s.keep(ag1=made.get("id"))
    equal("base agent", made["base_agent"], "antigravity")


async def ag2(s: Session) -> None:
    got = plain(await s.call("agents.get", id=s.kept["ag1"]))
    equal("what was made", (got["id"], got["base_agent"]), (s.kept["ag1"], "antigravity"))


async def ag3(s: Session) -> None:
    holds("the agent in the list", s.kept["ag1"] in listed(await s.call("agents.list", page_size=2), "agents"))


async def ag4(s: Session) -> None:
    await s.call("agents.delete", id=s.kept["ag1"])
    await s.refused(404, "agents.get", id=s.kept["ag1"])


async def cr1(s: Session) -> None:
    made = plain(await s.call("credentials.create", id="c", type="bearer_token", token="x"))
    s.keep(cr1=made.get("id"))
    equal("type", made["type"], "bearer_token")
    holds("no secret in the answer", "token" not in {name for name, value in made.items() if value is not None})


async def cr2(s: Session) -> None:
    got = plain(await s.call("credentials.get", id=s.kept["cr1"]))
    equal("what was made", (got["id"], got["type"]), (s.kept["cr1"], "bearer_token"))


async def cr3(s: Session) -> None:
    names = listed(await s.call("credentials.list", page_size=2), "credentials")
    holds("the credential in the list", s.kept["cr1"] in names)


async def cr4(s: Session) -> None:
    await s.call("credentials.delete", id=s.kept["cr1"])
    await s.refused(404, "credentials.get", id=s.kept["cr1"])


async def cr5(s: Session) -> None:
    got = plain(await s.call("credentials.update", id=s.kept["cr1"], type="bearer_token", token="x"))
    equal("id", got["id"], s.kept["cr1"])


async def d1(s: Session) -> None:
    made = plain(await s.call("decisions.create", model=FLASH, input="x", questions=QUESTION))
    equal("questions that were answered", list(made["answers"]), ["q"])
    holds("one of the choices", any(f"'{choice}'" in str(made["answers"]["q"]) for choice in ("a", "b")))


async def e1(s: Session) -> None:
    s.keep(env=plain(await s.call("environments.create")).get("id"))


async def e2(s: Session) -> None:
    equal("id", plain(await s.call("environments.get", id=s.kept["env"]))["id"], s.kept["env"])


async def e3(s: Session) -> None:
    names = listed(await s.call("environments.list", page_size=2), "environments")
    holds("the environment in the list", s.kept["env"] in names)


async def e4(s: Session) -> None:
    await s.call("environments.delete", id=s.kept["env"])
    await s.refused(404, "environments.get", id=s.kept["env"])


async def e5(s: Session) -> None:
    got = plain(await s.call("environments.files.list", environment=s.kept["env"], path="d"))
    holds("the file in the list", "f.txt" in str(got))


async def e6(s: Session) -> None:
    """In Vertex mode the client shows no credentials here, which Google refuses."""
    if s.mode == "vertex":
        await s.refused(401, "environments.files.download", environment=s.kept["env"], path="d/f.txt")
        return
    data = await s.call("environments.files.download", environment=s.kept["env"], path="d/f.txt")
    equal("the bytes", data, b"hello")


async def e7(s: Session) -> None:
    given = await s.call("environments.files.upload", environment=s.kept["env"], path="d/f.txt", file=b"hello")
    holds("the file in the answer", "f.txt" in str(plain(given)))


async def tr1(s: Session) -> None:
    interaction = {"agent": "m", "input": "x"}
    made = plain(await s.call("triggers.create", interaction=interaction, schedule="0 0 * * *", time_zone="UTC"))
    s.keep(tr1=made.get("id"))
    equal("schedule", (made["schedule"], made["time_zone"]), ("0 0 * * *", "UTC"))


async def tr2(s: Session) -> None:
    got = plain(await s.call("triggers.get", id=s.kept["tr1"]))
    equal("what was made", (got["id"], got["schedule"]), (s.kept["tr1"], "0 0 * * *"))


async def tr3(s: Session) -> None:
    holds("the trigger in the list", s.kept["tr1"] in listed(await s.call("triggers.list", page_size=2), "triggers"))


async def tr4(s: Session) -> None:
    got = plain(await s.call("triggers.update", id=s.kept["tr1"], display_name="d"))
    equal("what was changed", (got["id"], got["display_name"]), (s.kept["tr1"], "d"))


async def tr5(s: Session) -> None:
    await s.call("triggers.delete", id=s.kept["tr1"])
    await s.refused(404, "triggers.get", id=s.kept["tr1"])


async def tr6(s: Session) -> None:
    s.keep(execution=plain(await s.call("triggers.run", trigger_id=s.kept["tr1"])).get("id"))


async def tr7(s: Session) -> None:
    names = listed(await s.call("triggers.list_executions", trigger_id=s.kept["tr1"]), "trigger_executions")
    holds("the execution in the list", s.kept["execution"] in names)


async def v1(s: Session) -> None:
    """A voice that is not to be kept has a key in place of an id."""
    voice = {"type": "replicated", "id": "v"}
    holds("a key", plain(await s.call("voices.create", voice=voice)).get("key"))
    s.keep(v1=plain(await s.call("voices.create", voice=voice, store=True)).get("id"))


async def v2(s: Session) -> None:
    got = plain(await s.call("voices.get", id=s.kept["v1"]))
    equal("id", got.get("id"), s.kept["v1"])


async def v3(s: Session) -> None:
    holds("the voice in the list", s.kept["v1"] in listed(await s.call("voices.list", page_size=2), "voices"))


async def v4(s: Session) -> None:
    await s.call("voices.delete", id=s.kept["v1"])
    await s.refused(404, "voices.get", id=s.kept["v1"])


async def w1(s: Session) -> None:
    made = plain(await s.call("webhooks.create", uri="https://x.test/h", subscribed_events=["batch.completed"]))
    s.keep(w1=made.get("id") or made.get("name"))
    equal("what was asked", (made["uri"], made["subscribed_events"]), ("https://x.test/h", ["batch.completed"]))


async def w2(s: Session) -> None:
    got = plain(await s.call("webhooks.get", id=s.kept["w1"]))
    equal("uri", got["uri"], "https://x.test/h")


async def w3(s: Session) -> None:
    holds("the webhook in the list", s.kept["w1"] in listed(await s.call("webhooks.list", page_size=2), "webhooks"))


async def w4(s: Session) -> None:
    got = plain(await s.call("webhooks.update", id=s.kept["w1"], name="n", update_mask="name"))
    equal("name", got["name"], "n")
    equal("uri, which the mask leaves", got["uri"], "https://x.test/h")


async def w5(s: Session) -> None:
    await s.call("webhooks.delete", id=s.kept["w1"])
    await s.refused(404, "webhooks.get", id=s.kept["w1"])


async def w6(s: Session) -> None:
    await s.call("webhooks.ping", id=s.kept["w1"])
    await s.refused(404, "webhooks.ping", id="never-made")


async def w7(s: Session) -> None:
    holds("a secret", plain(await s.call("webhooks.rotate_signing_secret", id=s.kept["w1"])).get("secret"))


PLAYS = (
    *(i1, i2, i3, i4, i5, i6, ag1, ag2, ag3, ag4, cr1, cr2, cr3, cr5, cr4, d1, e1, e2, e3, e7, e5, e6, e4),
    *(tr1, tr2, tr3, tr4, tr6, tr7, tr5, v1, v2, v3, v4, w1, w2, w3, w4, w6, w7, w5),
)
"""In the order in which they are played."""
