"""google-cloud-aiplatform over REST: the generative models of its GAPIC client, and predict."""

from typing import Any

import speaking
from google.cloud import aiplatform_v1  # pyright: ignore[reportAttributeAccessIssue]
from google.oauth2.credentials import Credentials
from google.protobuf import json_format, struct_pb2  # pyright: ignore[reportMissingModuleSource]
from speaking import PROMPT, QUESTION, Plan

types = aiplatform_v1.types


def client_of(plan: Plan) -> Any:
    """The client with the REST transport."""
    return aiplatform_v1.PredictionServiceClient(
        transport="rest",
        credentials=Credentials(token=speaking.TOKEN),
        client_options={"api_endpoint": plan["http"]},
    )


def model(plan: Plan, name: str = speaking.MODEL) -> str:
    """The full name of a model."""
    return f"projects/{plan['project']}/locations/{plan['location']}/publishers/google/models/{name}"


def said(text: str) -> Any:
    """A turn of the user's."""
    return types.Content(role="user", parts=[types.Part(text=text)])


def generate(plan: Plan) -> dict[str, Any]:
    """One answer."""
    answer = client_of(plan).generate_content(model=model(plan), contents=[said(PROMPT)])
    usage = answer.usage_metadata
    output = usage.candidates_token_count + usage.thoughts_token_count
    text = answer.candidates[0].content.parts[0].text
    return speaking.spoken(text, usage.prompt_token_count, output, usage.total_token_count)


def stream(plan: Plan) -> dict[str, Any]:
    """A streamed answer, which this transport reads as a JSON array."""
    chunks = client_of(plan).stream_generate_content(model=model(plan), contents=[said(PROMPT)])
    return {"texts": ["".join(part.text for part in chunk.candidates[0].content.parts) for chunk in chunks]}


def tools(plan: Plan) -> dict[str, Any]:
    """A function call, its result, and the text that follows."""
    schema = types.Schema(type_="OBJECT", properties={"city": types.Schema(type_="STRING")}, required=["city"])
    declared = types.FunctionDeclaration(name="get_weather", description="The weather in a city", parameters=schema)
    tool = types.Tool(function_declarations=[declared])
    needed = types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode="ANY"))
    question, client = said(QUESTION), client_of(plan)
    request = types.GenerateContentRequest(model=model(plan), contents=[question], tools=[tool], tool_config=needed)
    asked = client.generate_content(request=request)
    turn = asked.candidates[0].content
    [call] = [part.function_call for part in turn.parts if part.function_call.name]
    result = types.FunctionResponse(name=call.name, response={"output": "sunny"})
    answer = types.Content(role="user", parts=[types.Part(function_response=result)])
    request = types.GenerateContentRequest(model=model(plan), contents=[question, turn, answer], tools=[tool])
    told = client.generate_content(request=request)
    return speaking.called(call.name, dict(call.args), told.candidates[0].content.parts[0].text)


def embeddings(plan: Plan) -> dict[str, Any]:
    """Two embeddings, by predict."""
    instances = [json_format.ParseDict({"content": text}, struct_pb2.Value()) for text in ("a", "b")]
    answer = client_of(plan).predict(endpoint=model(plan, "text-embedding-005"), instances=instances)
    return {"vectors": [list(each["embeddings"]["values"]) for each in answer.predictions]}


def count(plan: Plan) -> dict[str, Any]:
    """The tokens of a request, by the utility service."""
    client = aiplatform_v1.LlmUtilityServiceClient(
        transport="rest",
        credentials=Credentials(token=speaking.TOKEN),
        client_options={"api_endpoint": plan["http"]},
    )
    request = types.CountTokensRequest(endpoint=model(plan), contents=[said(PROMPT)])
    return {"tokens": client.count_tokens(request=request).total_tokens}


if __name__ == "__main__":
    speaking.play((f"vertex {step.__name__}", step) for step in (generate, stream, tools, embeddings, count))
