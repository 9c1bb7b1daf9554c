"""How the rows `m1` to `m21`, `o1` and the chats of the SDK surface are called, and what their answers must hold."""

import math
from typing import Any

from google.genai import types  # pyright: ignore[reportMissingImports]
from session import Absent, Session, equal, holds, last

FLASH = "gemini-2.5-flash"
GREETING = {"parts": [{"text": "hi"}], "role": "user"}
PNG = {"image_bytes": b"\x89PNG", "mime_type": "image/png"}
"""As captured: the service judges the type that is stated, the test the answer."""

POLL_LIMIT = 30


def answered(answer: Any) -> None:
    """A generated text with a reason to end, from the model that was asked, and a usage that adds up."""
    holds("a text", answer.text)
    equal("finish reason", answer.candidates[0].finish_reason.value, "STOP")
    equal("role", answer.candidates[0].content.role, "model")
    holds("the model's version", (answer.model_version or "").startswith(FLASH))
    adds_up(answer.usage_metadata)


def adds_up(usage: Any) -> None:
    """The parts of a usage make its total."""
    holds("a usage with prompt and candidates", usage and usage.prompt_token_count and usage.candidates_token_count)
    parts = (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count)
    equal("total tokens", usage.total_token_count, sum(part or 0 for part in parts))


def unit_vectors(answer: Any, count: int, length: int) -> None:
    """So many embeddings of that length, each of norm 1, no two the same."""
    equal("embeddings", len(answer.embeddings or ()), count)
    for embedding in answer.embeddings:
        equal("dimensions", len(embedding.values), length)
        holds("a norm of 1", math.isclose(math.hypot(*embedding.values), 1, rel_tol=1e-3))
    equal("different vectors", len({tuple(each.values) for each in answer.embeddings}), count)


def pictures(answer: Any, count: int = 1) -> None:
    """So many images, each a PNG or JPEG file."""
    equal("images", len(answer.generated_images or ()), count)
    for generated in answer.generated_images:
        is_picture(generated.image)


def is_picture(image: Any) -> None:
    """The bytes begin as their type says."""
    starts = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
    holds("an image's type", image and image.mime_type in starts)
    holds("bytes of that type", image.image_bytes.startswith(starts[image.mime_type]))


async def m1(s: Session) -> None:
    answered(await s.call("models.generate_content", model=FLASH, contents="hi"))


async def m2(s: Session) -> None:
    chunks = await s.items("models.generate_content_stream", model=FLASH, contents="hi")
    holds("a text", "".join(chunk.text or "" for chunk in chunks))
    reasons = [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates[0].finish_reason]
    equal("finish reasons", [reason.value for reason in reasons], ["STOP"])
    adds_up(chunks[-1].usage_metadata)


async def m3(s: Session) -> None:
    counted = [
        await s.call("models.count_tokens", model=FLASH, contents=contents) for contents in ("hi", "hi " * 50 + "there")
    ]
    few, many = (answer.total_tokens for answer in counted)
    holds("more tokens in a longer text", few and many and 0 < few < many)


async def m4(s: Session) -> None:
    answer = await s.call("models.compute_tokens", model=FLASH, contents="hi")
    [info] = answer.tokens_info
    equal("role", info.role, "user")
    holds("token ids", info.token_ids and all(isinstance(number, int) for number in info.token_ids))
    equal("an id for each token", len(info.token_ids), len(info.tokens))
    equal("the text", b"".join(info.tokens), b"hi")


async def m5(s: Session) -> None:
    answer = await s.call("models.embed_content", model="text-embedding-005", contents="hi")
    unit_vectors(answer, 1, 768)
    if not s.is_gemini:
        holds("a token count", answer.embeddings[0].statistics.token_count)
        equal("truncated", bool(answer.embeddings[0].statistics.truncated), False)


async def m6(s: Session) -> None:
    unit_vectors(await s.call("models.embed_content", model="gemini-embedding-001", contents=["a", "b"]), 2, 3072)


async def m7(s: Session) -> None:
    config = {"task_type": "RETRIEVAL_QUERY", "output_dimensionality": 64}
    answers = [
        await s.call("models.embed_content", model="gemini-embedding-001", contents="a", config=config)
        for _ in range(2)
    ]
    equal("dimensions", len(answers[0].embeddings[0].values), 64)
    equal("the same text's vector", answers[0].embeddings[0].values, answers[1].embeddings[0].values)


async def m8(s: Session) -> None:
    """For this model the client makes one content of all texts."""
    answer = await s.call("models.embed_content", model="gemini-embedding-2", contents=["a", "b"])
    unit_vectors(answer, 1, 3072)


async def m9(s: Session) -> None:
    given = await s.call(
        "models.generate_images", model="imagen-4.0-generate-001", prompt="cat", config={"number_of_images": 1}
    )
    pictures(given)


async def m10(s: Session) -> None:
    raw = types.RawReferenceImage(reference_id=1, reference_image=types.Image(**PNG))
    given = await s.call(
        "models.edit_image",
        model="imagen-3.0-capability-001",
        prompt="x",
        reference_images=[raw],
        config={"edit_mode": "EDIT_MODE_DEFAULT"},
    )
    holds("an image", given.generated_images)
    pictures(given, len(given.generated_images))


async def m11(s: Session) -> None:
    image = types.Image(**PNG)
    pictures(await s.call("models.upscale_image", model="imagen-3.0-generate-002", image=image, upscale_factor="x2"))


async def m12(s: Session) -> None:
    source, product = (getattr(types, name, None) for name in ("RecontextImageSource", "ProductImage"))
    if source is None or product is None:
        raise Absent("RecontextImageSource")
    person, shown = types.Image(**PNG), product(product_image=types.Image(**PNG))
    given = await s.call(
        "models.recontext_image",
        model="virtual-try-on-preview-08-04",
        source=source(person_image=person, product_images=[shown]),
    )
    holds("an image", given.generated_images)
    pictures(given, len(given.generated_images))


async def m13(s: Session) -> None:
    if not hasattr(types, "SegmentImageSource"):
        raise Absent("SegmentImageSource")
    given = await s.call(
        "models.segment_image",
        model="image-segmentation-001",
        source=types.SegmentImageSource(image=types.Image(**PNG)),
        config={"mode": "foreground"},
    )
    holds("a mask", given.generated_masks)
    for mask in given.generated_masks:
        is_picture(mask.mask)


async def m14(s: Session) -> None:
    config = {"number_of_videos": 1, "duration_seconds": 8, "aspect_ratio": "16:9"}
    operation = await s.call("models.generate_videos", model="veo-3.0-generate-001", prompt="cat", config=config)
    s.keep(video_operation=operation.name, operation=last(operation.name))
    equal("done", bool(operation.done), False)
    holds("the model in the name", "models/veo-3.0-generate-001/operations/" in operation.name)


async def o1(s: Session) -> None:
    if "video_operation" not in s.kept and s.is_gemini:
        start = {"instances": [{"prompt": "cat"}], "parameters": {"sampleCount": 1}}
        name = s.posted("/v1beta/models/veo-3.0-generate-001:predictLongRunning", start).get("name")
        s.keep(video_operation=name, operation=last(name))
    operation = types.GenerateVideosOperation(name=s.kept["video_operation"])
    for _ in range(POLL_LIMIT):
        operation = await s.call("operations.get", operation)
        equal("name", operation.name, s.kept["video_operation"])
        if operation.done:
            break
        s.advance(30)
    holds("an end", operation.done)
    equal("error", operation.error, None)
    [generated] = operation.response.generated_videos
    equal("type", generated.video.mime_type or "video/mp4", "video/mp4")
    if s.is_gemini:
        holds("a uri of the video", ":download?alt=media" in (generated.video.uri or ""))
    else:
        equal("an MP4 file", generated.video.video_bytes[4:8], b"ftyp")


async def m15(s: Session) -> None:
    model = await s.call("models.get", model=FLASH)
    equal("name", model.name, s.model(FLASH))
    if s.is_gemini:
        equal("input limit", model.input_token_limit, 1048576)
        holds("its methods", "generateContent" in model.supported_actions)


async def m17(s: Session) -> None:
    models = await s.items("models.list")
    names = [model.name for model in models]
    holds("the catalogue", len(names) >= 10 and s.model(FLASH) in names)
    equal("names that occur twice", len(names), len(set(names)))


async def m18(s: Session) -> None:
    pages: list[list[Any]] = []
    token = None
    s.keep(filter="a=b")
    for _ in range(2):
        config = {"filter": "a=b", "page_size": 2}
        if token is not None:
            config["page_token"] = token
        pager = await s.call("models.list", config=config)
        pages.append([model.name for model in pager.page])
        token = pager.config.get("page_token")
        holds("a token for the next page", token)
    equal("models on each page", [len(page) for page in pages], [2, 2])
    holds("other models on the second page", not set(pages[0]) & set(pages[1]))


async def chat1(s: Session) -> None:
    chat = s.method("chats.create")(model=FLASH)
    answered(await s.send(chat, "hi"))
    answered(await s.send(chat, "and again"))
    equal("turns of the history", [turn.role for turn in chat.get_history()], ["user", "model", "user", "model"])


async def chat2(s: Session) -> None:
    chunks = await s.send_stream(s.method("chats.create")(model=FLASH), "hi")
    holds("a text", "".join(chunk.text or "" for chunk in chunks))
    adds_up(chunks[-1].usage_metadata)


WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city",
    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]},
}


async def tools1(s: Session) -> None:
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[types.FunctionDeclaration(**WEATHER)])],
        tool_config=types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode="ANY")),
    )
    question = types.Content(role="user", parts=[types.Part(text="What is the weather in Paris?")])
    asked = await s.call("models.generate_content", model=FLASH, contents=[question], config=config)
    [call] = asked.function_calls
    equal("function", call.name, "get_weather")
    holds("the city in its arguments", isinstance(call.args.get("city"), str) and call.args["city"])
    result = types.Part.from_function_response(name=call.name, response={"output": "sunny"})
    history = [question, asked.candidates[0].content, types.Content(role="user", parts=[result])]
    told = await s.call(
        "models.generate_content",
        model=FLASH,
        contents=history,
        config=types.GenerateContentConfig(tools=config.tools),
    )
    answered(told)


async def json1(s: Session) -> None:
    schema = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}, "age": {"type": "INTEGER"}}}
    config = types.GenerateContentConfig(
        response_mime_type="application/json", response_schema=schema | {"required": ["city", "age"]}
    )
    answer = await s.call("models.generate_content", model=FLASH, contents="hi", config=config)
    holds("an object of that schema", isinstance(answer.parsed, dict) and isinstance(answer.parsed["age"], int))
    holds("a text in it", isinstance(answer.parsed["city"], str))


async def think1(s: Session) -> None:
    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
    answer = await s.call("models.generate_content", model=FLASH, contents="hi", config=config)
    parts = answer.candidates[0].content.parts
    holds("a thought, then a text", parts[0].thought and not parts[-1].thought and parts[-1].text)
    holds("thinking tokens", answer.usage_metadata.thoughts_token_count)
    answered(answer)


PLAYS = (
    *(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, o1, m15, m17, m18),
    *(chat1, chat2, tools1, json1, think1),
)
"""In the order in which they are played."""
