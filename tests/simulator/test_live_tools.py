"""Tools that the service itself has, in free sessions: runs of code, pages behind URLs."""

from live_rig import GEMINI, HALF_CASCADE, NATIVE, REFUSED, Talk, kinds_of, words_of

URL = "https://example.com/a"


def parts_of(messages):
    turns = [m["serverContent"]["modelTurn"] for m in messages if "modelTurn" in m.get("serverContent", {})]
    return [part for turn in turns for part in turn["parts"]]


def test_code_is_run_before_the_answer():
    talk = Talk()
    talk.open(tools=[{"codeExecution": {}}])
    found = talk.ask("calculate 2 + 3 * 4")
    code, result, *words = parts_of(found)
    assert code == {"executableCode": {"language": "PYTHON", "code": "print(2 + 3 * 4)\n"}}
    assert result == {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "14\n"}}
    assert words
    assert all("text" in part for part in words)
    plain = Talk()
    plain.open()
    without = plain.ask("calculate 2 + 3 * 4")[-1]["usageMetadata"]["responseTokenCount"]
    assert found[-1]["usageMetadata"]["responseTokenCount"] > without


def test_code_is_run_only_where_something_asks_for_it():
    talk = Talk()
    talk.open(tools=[{"codeExecution": {}}])
    assert all("text" in part for part in parts_of(talk.ask("Hello")))
    talk = Talk()
    talk.open()
    assert all("text" in part for part in parts_of(talk.ask("calculate 2 + 3 * 4")))


def test_pages_that_were_read_are_told_and_counted():
    talk = Talk()
    talk.open(tools=[{"urlContext": {}}])
    found = talk.ask(f"Read {URL} to me")
    assert found[-1]["serverContent"]["urlContextMetadata"] == {
        "urlMetadata": [{"retrievedUrl": URL, "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS"}]
    }
    assert found[-1]["usageMetadata"]["toolUsePromptTokenCount"] == 258
    assert words_of(found)
    assert list(talk.ask("Hello")[-1]["serverContent"]) == ["turnComplete"]


def test_models_that_have_not_these_tools_refuse_them():
    for tool in ("codeExecution", "urlContext"):
        assert Talk(GEMINI).open(NATIVE, "AUDIO", tools=[{tool: {}}]) == REFUSED
        assert kinds_of(Talk(GEMINI).open(HALF_CASCADE, tools=[{tool: {}}])) == ["setupComplete"]
