"""The text of a new scenario: small, complete, and ready to be changed."""

from typing import Final

from ..surfaces import Surface

_HTTP: Final = """\
match: {method: generateContent}   # streamGenerateContent wants a stream

server:
  - reply:
      json:
        candidates: [{content: {role: model, parts: [{text: Good morning.}]}, finishReason: STOP}]
        usageMetadata: {promptTokenCount: 8, candidatesTokenCount: 20, totalTokenCount: 28}

client:
  - call: {method: generateContent, json: {contents: [{role: user, parts: [{text: Hello}]}]}}

expect:
  bodies: unchanged
  statuses: [200]
  usage: {prompt: {text: 8}, response: {text: 20}}
  cost: "0.0000524"             # 8 x 0.0000003 + 20 x 0.0000025, by the frozen price book
"""

_LIVE: Final = """\
server:
  - receive: {json: {setup: {model: "*"}}}
  - send: {json: {setupComplete: {}}}
  - receive: {json: {clientContent: {turnComplete: true}}, within: 30s}
  - pause: 120ms
  - send: {json: {serverContent: {modelTurn: {role: model, parts: [{text: Good morning.}]}}}}
  - send: {json: {serverContent: {generationComplete: true}}}
  - send:
      json:
        serverContent: {turnComplete: true}
        usageMetadata: {promptTokenCount: 12, @TokenCount: 5, totalTokenCount: 17}
  - receive: close

client:
  - send: {json: {setup: {model: "{{model_path}}", generationConfig: {responseModalities: [TEXT]}}}}
  - receive: {json: {setupComplete: "*"}}
  - send: {json: {clientContent: {turns: [{role: user, parts: [{text: Hello}]}], turnComplete: true}}}
  - receive_until: {json: {serverContent: {turnComplete: true}}}
  - close: {code: 1000}

expect:
  frames: unchanged
  usage: {prompt: {text: 12}, response: {text: 5}}
  cost: "0.000016"              # 12 x 0.0000005 + 5 x 0.000002, by the frozen price book
"""

_VEO: Final = """\
server:
  - operation:
      running_polls: 2
      then: {videos: 1}

client:
  - start: {json: {instances: [{prompt: A lighthouse at dusk}], parameters: {durationSeconds: 8, sampleCount: 1}}}
  - poll: {every: 10s, at_most: 6}

expect:
  bodies: unchanged
  operation_name: unchanged
  polls: [running, running, done]
  cost: "3.20"                  # 8 seconds x 0.40, by the frozen price book
"""


def new_scenario(surface: Surface, scenario_id: str) -> str:
    """The YAML text of a scenario that can be played as it is on `surface`."""
    match surface:
        case Surface.GEMINI | Surface.VERTEX:
            model, body = "gemini-2.5-flash", _HTTP
        case Surface.GEMINI_LIVE:
            model, body = "gemini-live-2.5-flash", _LIVE.replace("@", "response")
        case Surface.VERTEX_LIVE:
            model, body = "gemini-live-2.5-flash", _LIVE.replace("@", "candidates")
        case Surface.GEMINI_VEO:
            model, body = "veo-3.0-generate-001", _VEO
        case Surface.VERTEX_VEO:
            model, body = "veo-3.1-generate-001", _VEO
    head = f"id: {scenario_id}\ntitle: Say in one line what happens here\nsurface: {surface.value}\nmodel: {model}\n\n"
    return head + body
