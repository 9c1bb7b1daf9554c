"""Requests in other companies' shapes as generateContent requests: every member that bears on the answer."""

import pytest

from understudy_simulator.answers import anthropic_requests, openai_requests, openai_responses
from understudy_simulator.answers.foreign_parts import joined, media_part
from understudy_simulator.answers.said import pieces_of, reply_of

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}


def chat(*, has_levels=False, **members):
    body = {"messages": [{"role": "user", "content": "hi"}]} | members
    return openai_requests.generate_request(body, has_levels=has_levels)


@pytest.mark.parametrize(
    ("members", "config"),
    [
        ({"temperature": 0.5}, {"temperature": 0.5}),
        ({"top_p": 0.5}, {"topP": 0.5}),
        ({"max_tokens": 5}, {"maxOutputTokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 6}, {"maxOutputTokens": 6}),
        ({"n": 2}, {"candidateCount": 2}),
        ({"stop": "x"}, {"stopSequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stopSequences": ["x", "y"]}),
        ({"presence_penalty": 1}, {"presencePenalty": 1}),
        ({"frequency_penalty": 1}, {"frequencyPenalty": 1}),
        ({"seed": 7}, {"seed": 7}),
        ({"logprobs": True, "top_logprobs": 3}, {"responseLogprobs": True, "logprobs": 3}),
        ({"modalities": ["text", "image"]}, {"responseModalities": ["TEXT", "IMAGE"]}),
        ({"reasoning_effort": "none"}, {"thinkingConfig": {"thinkingBudget": 0}}),
        ({"reasoning_effort": "low"}, {"thinkingConfig": {"thinkingBudget": 1024}}),
        ({"reasoning_effort": "high"}, {"thinkingConfig": {"thinkingBudget": 24576}}),
        ({"reasoning_effort": "low", "has_levels": True}, {"thinkingConfig": {"thinkingLevel": "LOW"}}),
        ({"reasoning_effort": "none", "has_levels": True}, {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}),
        ({"extra_body": {"google": {"thinking_config": {"a": 1}}}}, {"thinkingConfig": {"a": 1}}),
        ({"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
        ({"response_format": {"type": "text"}}, {}),
    ],
)
def test_the_configuration_of_a_chat(members, config):
    assert chat(**members)["generationConfig"] == config


def test_what_else_a_chat_asks_for():
    google = {"cached_content": "cachedContents/a", "safety_settings": [{"category": "X"}]}
    request = chat(
        extra_body={"google": google}, web_search_options={}, functions=[{"name": "f"}], function_call="none"
    )
    assert request["cachedContent"] == "cachedContents/a"
    assert request["safetySettings"] == [{"category": "X"}]
    assert request["tools"] == [{"functionDeclarations": [{"name": "f"}]}, {"googleSearch": {}}]
    assert request["toolConfig"] == {"functionCallingConfig": {"mode": "NONE"}}


def test_the_turns_of_a_chat():
    extra = {"google": {"thought_signature": "c2ln"}}
    call = {"id": "1", "function": {"name": "f", "arguments": '{"a": 1}'}, "extra_content": extra}
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "look"},
        {"role": "assistant", "content": None, "tool_calls": [call, {"id": "2", "function": {"name": "g"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "2", "content": '{"b": 2}'},
    ]
    request = chat(messages=messages)
    assert request["systemInstruction"] == {"parts": [{"text": "be brief"}]}
    user, model, results = request["contents"]
    assert user == {"role": "user", "parts": [{"text": "look"}]}
    assert model["parts"][0] == {
        "functionCall": {"name": "f", "args": {"a": 1}, "id": "1"},
        "thoughtSignature": "c2ln",
    }
    assert [part["functionResponse"] for part in results["parts"]] == [
        {"name": "f", "id": "1", "response": {"result": "sunny"}},
        {"name": "g", "id": "2", "response": {"b": 2}},
    ]


def test_media_of_a_chat():
    content = [
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}},
        {"type": "image_url", "image_url": {"url": "gs://bucket/a.png"}},
    ]
    [turn] = chat(messages=[{"role": "user", "content": content}])["contents"]
    assert turn["parts"] == [
        {"inlineData": {"mimeType": "audio/mp3", "data": "AAAA"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}},
        {"fileData": {"mimeType": "image/png", "fileUri": "gs://bucket/a.png"}},
    ]


def test_the_configuration_of_a_message():
    body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9, "temperature": 0.1, "top_p": 0.2}
    config = anthropic_requests.generate_request(body | {"top_k": 3})["generationConfig"]
    assert config == {
        "temperature": 0.1,
        "topP": 0.2,
        "topK": 3,
        "maxOutputTokens": 9,
        "thinkingConfig": {"thinkingBudget": 0},
    }
    thinking = {"type": "enabled", "budget_tokens": 1500}
    config = anthropic_requests.generate_request(body | {"thinking": thinking})["generationConfig"]
    assert config["thinkingConfig"] == {"includeThoughts": True, "thinkingBudget": 1500}


def test_the_blocks_of_a_message():
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "sunny"}
    document = {"type": "document", "source": {"type": "text", "data": "a paper"}}
    body = {
        "system": [{"type": "text", "text": "be brief"}],
        "messages": [
            {"role": "user", "content": [document]},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ],
        "tools": [{"name": "f", "input_schema": PARAMETERS}, {"type": "web_search_20250305", "name": "web_search"}],
        "tool_choice": {"type": "tool", "name": "f"},
    }
    request = anthropic_requests.generate_request(body)
    assert request["systemInstruction"] == {"parts": [{"text": "be brief"}]}
    assert [turn["parts"][0] for turn in request["contents"]] == [
        {"text": "a paper"},
        {"functionCall": {"name": "f", "args": {"a": 1}, "id": "t"}},
        {"functionResponse": {"name": "f", "id": "t", "response": {"result": "sunny"}}},
    ]
    assert request["tools"] == [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": PARAMETERS}]}]
    calling = request["toolConfig"]["functionCallingConfig"]
    assert calling == {"mode": "ANY", "allowedFunctionNames": ["f"]}


def test_a_response_as_a_chat():
    tool = {"type": "function", "name": "f", "parameters": PARAMETERS}
    body = {
        "instructions": "be brief",
        "input": "hi",
        "temperature": 0.1,
        "top_p": 0.2,
        "max_output_tokens": 9,
        "reasoning": {"effort": "low"},
        "tools": [tool, {"type": "web_search"}],
        "tool_choice": "required",
        "text": {"format": {"type": "json_schema", "schema": PARAMETERS}},
    }
    before = [{"role": "user", "content": "before"}]
    assert openai_responses.chat_of(body, before) == {
        "messages": [{"role": "system", "content": "be brief"}, *before, {"role": "user", "content": "hi"}],
        "temperature": 0.1,
        "top_p": 0.2,
        "max_completion_tokens": 9,
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": body["text"]["format"]},
        "tools": [{"function": tool}],
        "tool_choice": "required",
    }


def test_neighbours_of_one_role_are_one_turn():
    one, two = {"text": "a"}, {"text": "b"}
    assert joined([("user", [one]), ("user", [two]), ("model", []), ("user", [one])]) == [
        {"role": "user", "parts": [one, two, one]}
    ]


def test_urls_of_media():
    assert media_part("data:image/png;base64,AAAA") == {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    assert media_part("https://a/b.mp4") == {"fileData": {"mimeType": "video/mp4", "fileUri": "https://a/b.mp4"}}


@pytest.mark.parametrize("text", ["", "word", "many words in a row and some more", "x" * 100, "a b", " " * 9])
def test_pieces_add_up(text):
    pieces = pieces_of(text)
    assert "".join(pieces) == text
    assert len(pieces) <= 4
    assert all(pieces)


def test_an_answer_taken_apart():
    parts = [
        {"text": "hm", "thought": True},
        {"text": "yes"},
        {"functionCall": {"name": "f", "args": {"a": 1}, "id": "i"}, "thoughtSignature": "s"},
        {"inlineData": {"mimeType": "image/png", "data": "AA"}},
    ]
    usage = {"promptTokenCount": 5, "cachedContentTokenCount": 2, "candidatesTokenCount": 3, "thoughtsTokenCount": 1}
    reply = reply_of(
        {
            "candidates": [{"content": {"parts": parts}, "finishReason": "MAX_TOKENS"}],
            "usageMetadata": usage | {"totalTokenCount": 9},
        }
    )
    [candidate] = reply.candidates
    assert (candidate.thoughts, candidate.text, candidate.finish_reason) == ("hm", "yes", "MAX_TOKENS")
    [call] = candidate.calls
    assert (call.name, call.arguments, call.id, call.signature) == ("f", {"a": 1}, "i", "s")
    assert candidate.images[0]["data"] == "AA"
    spent = reply.spent
    assert (spent.prompt, spent.cached, spent.visible, spent.thoughts, spent.total) == (5, 2, 3, 1, 9)
    assert reply_of({"promptFeedback": {"blockReason": "SAFETY"}}).block_reason == "SAFETY"
