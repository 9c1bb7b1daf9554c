"""Live sessions by an alias, and by a model that is not allowed, with google-genai; a program of its own.

in    arguments: base URL of the gateway, its key, the service (`gemini` or `vertex`), names of models
out   for each model a JSON line: {"model", "said"} or {"model", "code", "reason"}
"""

import asyncio
import json
import sys
from typing import Any

from google import genai  # pyright: ignore[reportAttributeAccessIssue]
from google.genai import errors  # pyright: ignore[reportMissingImports]
from websockets.exceptions import ConnectionClosed


async def told(client: genai.Client, model: str) -> dict[str, Any]:
    """What a turn with the model came to."""
    try:
        async with client.aio.live.connect(model=model, config={"response_modalities": ["TEXT"]}) as session:
            await session.send_client_content(turns={"role": "user", "parts": [{"text": "hello"}]})
            said = [message.text async for message in session.receive()]
            return {"model": model, "said": "".join(text for text in said if text)}
    except ConnectionClosed as closed:
        assert closed.rcvd is not None
        return {"model": model, "code": closed.rcvd.code, "reason": closed.rcvd.reason}
    except errors.APIError as error:
        return {"model": model, "code": error.code, "reason": str(error)}


async def main() -> None:
    """Each model in turn."""
    url, key, service, *models = sys.argv[1:]
    options = {"base_url": f"{url}/{service}", "headers": {"x-litellm-api-key": key}}
    if service == "gemini":
        client = genai.Client(api_key=key, vertexai=False, http_options=options)
    else:
        from google.oauth2 import credentials

        token = credentials.Credentials(token="ya29.a-token")
        place = {"project": "proj", "location": "us-central1"}
        client = genai.Client(vertexai=True, credentials=token, http_options=options, **place)
    for model in models:
        print(json.dumps(await told(client, model)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
