// A conversation of Google's official JavaScript client, as a program of its own.
//
// It lies in the folder of a client environment, beside node_modules with @google/genai, and uses nothing of
// Understudy. It reads the same plan from standard input as google_genai_session.py, and writes the same JSON lines:
//
//     in    {"service": "gemini" | "vertex" | "express", "base_url": "https://...", "key": "...",
//            "service_account": "/path.json" | absent, "project": "...", "location": "...",
//            "steps": [{"name": "generate", "scope": "gemini.generate", "model": "...", "key": "..." (optional)}]}
//     out   {"step": "generate", "scope": "...", "ok": true, "values": {...}}
//           {"step": "quota", "scope": "...", "ok": false, "error": {"type", "code", "status", "message", "retry_delay"}}
//
// Works with @google/genai 2.32 and newer, on Node 20 and newer.

import {createHash} from "node:crypto";
import {readFileSync} from "node:fs";

import {ApiError, GoogleGenAI, Modality} from "@google/genai";
import {JWT, OAuth2Client} from "google-auth-library";

const PROMPT = "Say good morning.";
const QUESTION = {role: "user", parts: [{text: "What is the weather in Paris?"}]};
const WEATHER = {
  name: "get_weather",
  description: "The weather in a city",
  parameters: {type: "OBJECT", properties: {city: {type: "STRING"}}, required: ["city"]},
};
const TOOLS = [{functionDeclarations: [WEATHER]}];
const CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform";
const GOOGLE_TOKEN_URL = "https://oauth2.googleapis.com/token";
const HOUR_MS = 3_600_000;
const LIVE_LIMIT_MS = 30_000;

// Standard output is for the results; the library writes some of its remarks there.
console.log = console.info = console.debug = console.error;

/** A client as a user would make it, with the step's scope as its one extra header. */
function clientOf(plan, step) {
  const httpOptions = {baseUrl: plan.base_url, headers: {"x-understudy-scope": step.scope}};
  const key = step.key ?? plan.key;
  switch (plan.service) {
    case "gemini":
      return new GoogleGenAI({apiKey: key, httpOptions});
    case "express":
      return new GoogleGenAI({vertexai: true, apiKey: key, httpOptions});
    case "vertex":
      return new GoogleGenAI({
        vertexai: true,
        project: plan.project,
        location: plan.location,
        httpOptions,
        googleAuthOptions: {authClient: authClientOf(plan, key)},
      });
    default:
      throw new Error(`unknown service ${plan.service}`);
  }
}

/** The service account of the plan, or the gateway key as a token. */
function authClientOf(plan, key) {
  if (!plan.service_account) {
    const authClient = new OAuth2Client();
    authClient.setCredentials({access_token: key, expiry_date: Date.now() + HOUR_MS});
    return authClient;
  }
  const account = JSON.parse(readFileSync(plan.service_account, "utf-8"));
  const authClient = new JWT({email: account.client_email, key: account.private_key, scopes: [CLOUD_PLATFORM]});
  // google-auth-library asks Google for the token, whatever token_uri the key file names.
  authClient.transporter.interceptors.request.add({
    resolved: async (request) => {
      if (String(request.url) === GOOGLE_TOKEN_URL) request.url = new URL(account.token_uri);
      return request;
    },
  });
  return authClient;
}

/** The counts of a usageMetadata of either kind, null where absent. */
function usageOf(metadata) {
  return {
    prompt_token_count: metadata?.promptTokenCount ?? null,
    candidates_token_count: metadata?.candidatesTokenCount ?? null,
    response_token_count: metadata?.responseTokenCount ?? null,
    total_token_count: metadata?.totalTokenCount ?? null,
  };
}

/** One answer. */
async function generate(client, model) {
  const answer = await client.models.generateContent({model, contents: PROMPT});
  const [candidate] = answer.candidates;
  return {text: answer.text, finish_reason: candidate.finishReason, usage: usageOf(answer.usageMetadata)};
}

/** One streamed answer, chunk by chunk. */
async function stream(client, model) {
  const chunks = [];
  for await (const chunk of await client.models.generateContentStream({model, contents: PROMPT})) chunks.push(chunk);
  return {texts: chunks.map((chunk) => chunk.text ?? null), usage: usageOf(chunks.at(-1)?.usageMetadata)};
}

/** A token count. */
async function count(client, model) {
  const {totalTokens} = await client.models.countTokens({model, contents: PROMPT});
  return {total_tokens: totalTokens};
}

/** A function call, its answer, and the text that follows. */
async function tools(client, model) {
  const config = {tools: TOOLS};
  const asked = await client.models.generateContent({model, contents: [QUESTION], config});
  const call = theOnly(asked.functionCalls);
  const result = {functionResponse: {name: call.name, response: {output: "sunny"}}};
  const history = [QUESTION, asked.candidates[0].content, {role: "user", parts: [result]}];
  const told = await client.models.generateContent({model, contents: history, config});
  return {name: call.name, args: call.args, text: told.text};
}

/** A Live session with one text turn. */
async function liveText(client, model) {
  return await inSession(client, model, {responseModalities: [Modality.TEXT]}, async (session, turn) => {
    session.sendClientContent({turns: {role: "user", parts: [{text: PROMPT}]}, turnComplete: true});
    const messages = await turn();
    return {texts: textsOf(messages), usage: usageOf(lastUsage(messages))};
  });
}

/** A Live session with one turn answered by audio. */
async function liveAudio(client, model) {
  return await inSession(client, model, {responseModalities: [Modality.AUDIO]}, async (session, turn) => {
    session.sendClientContent({turns: {role: "user", parts: [{text: PROMPT}]}, turnComplete: true});
    const messages = await turn();
    const blobs = partsOf(messages).flatMap((part) => part.inlineData ?? []);
    const audio = Buffer.concat(blobs.map((blob) => Buffer.from(blob.data, "base64")));
    return {
      bytes: audio.length,
      sha256: createHash("sha256").update(audio).digest("hex"),
      mime_types: [...new Set(blobs.map((blob) => blob.mimeType))].sort(),
      usage: usageOf(lastUsage(messages)),
    };
  });
}

/** A Live session with a function call, its answer, and the text that follows. */
async function liveTool(client, model) {
  const config = {responseModalities: [Modality.TEXT], tools: TOOLS};
  return await inSession(client, model, config, async (session, turn) => {
    session.sendClientContent({turns: QUESTION, turnComplete: true});
    const call = theOnly((await turn()).flatMap((message) => message.toolCall?.functionCalls ?? []));
    const answer = {id: call.id, name: call.name, response: {output: "sunny"}};
    session.sendToolResponse({functionResponses: [answer]});
    return {name: call.name, args: call.args, texts: textsOf(await turn())};
  });
}

/**
 * What `play(session, turn)` gives with an open Live session; `turn()` is all messages up to the end of a turn.
 * The session is closed afterwards, and waited for until the server has answered the close.
 */
async function inSession(client, model, config, play) {
  const inbox = [];
  let wake = () => {};
  let closed = null;
  const callbacks = {
    onmessage: (message) => {
      inbox.push(message);
      wake();
    },
    onerror: () => wake(),
    onclose: (event) => {
      closed = event;
      wake();
    },
  };
  const until = async (isTrue, what) => {
    const deadline = Date.now() + LIVE_LIMIT_MS;
    const timer = setTimeout(() => wake(), LIVE_LIMIT_MS + 1);
    try {
      while (!isTrue()) {
        if (closed) throw new Error(`closed with code ${closed.code} before ${what}: ${closed.reason}`);
        if (Date.now() > deadline) throw new Error(`${what} did not come within ${LIVE_LIMIT_MS} ms`);
        await new Promise((resolve) => (wake = resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  };
  const turn = async () => {
    const isLast = (message) => message.serverContent?.turnComplete;
    await until(() => inbox.some(isLast), "the end of the turn");
    return inbox.splice(0, inbox.findIndex(isLast) + 1);
  };
  const session = await client.live.connect({model, config, callbacks});
  try {
    return await play(session, turn);
  } finally {
    session.close();
    await until(() => closed !== null, "the end of the session");
  }
}

/** The parts of the model's turns in Live messages. */
function partsOf(messages) {
  return messages.flatMap((message) => message.serverContent?.modelTurn?.parts ?? []);
}

/** The texts of Live messages, one an element. */
function textsOf(messages) {
  return partsOf(messages).flatMap((part) => part.text || []);
}

/** The usage that was told last in Live messages. */
function lastUsage(messages) {
  return messages.findLast((message) => message.usageMetadata)?.usageMetadata;
}

/** The one function call there is. */
function theOnly(calls) {
  if (calls?.length !== 1) throw new Error(`wanted one function call, got ${JSON.stringify(calls)}`);
  return calls[0];
}

const STEPS = {
  generate,
  stream,
  count,
  tools,
  quota: generate,
  refused: generate,
  "live-text": liveText,
  "live-audio": liveAudio,
  "live-tool": liveTool,
  "live-refused": liveText,
};

/** What a user sees of a refusal, with the delay of its RetryInfo if there is one. */
function errorOf(error) {
  if (!(error instanceof ApiError)) {
    // fetch says only that it failed; why is in the cause.
    const cause = error.cause ? `: ${error.cause}` : "";
    return {type: error.name ?? typeof error, message: `${error.message ?? error}${cause}`.slice(0, 500)};
  }
  const {error: body = {}} = parsed(error.message);
  const delay = (body.details ?? []).find((entry) => entry["@type"]?.endsWith("RetryInfo"))?.retryDelay;
  return {
    type: error.name,
    code: error.status,
    status: body.status ?? null,
    message: body.message ?? error.message,
    retry_delay: delay ?? null,
  };
}

/** The JSON object that an ApiError has for its text, or an empty one. */
function parsed(text) {
  try {
    return Object(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

/** The outcome of one step. */
async function played(plan, step) {
  const result = {step: step.name, scope: step.scope};
  try {
    const values = await STEPS[step.name](clientOf(plan, step), step.model);
    return {...result, ok: true, values};
  } catch (error) {
    return {...result, ok: false, error: errorOf(error)};
  }
}

const plan = JSON.parse(readFileSync(0, "utf-8"));
for (const step of plan.steps) {
  process.stdout.write(`${JSON.stringify(await played(plan, step))}\n`);
}
