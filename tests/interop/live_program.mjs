// Holds the Live conversations that it is asked for with @google/genai, all at once; prints one line of JSON for each.
//
// Reads {"base_url", "hurried_url", "service", "talks", "client"} from standard input, where "client" is the folder of the
// installed client, and "hurried_url" a server whose connections are short. Its talks are those of live_program.py.
import {createHash} from "node:crypto";
import {readFileSync} from "node:fs";
import {createRequire} from "node:module";
import {setTimeout as sleep} from "node:timers/promises";
import {pathToFileURL} from "node:url";

const plan = JSON.parse(readFileSync(0, "utf-8"));
const require = createRequire(`${plan.client}/package.json`);
const genai = await import(pathToFileURL(require.resolve("@google/genai")));
const {OAuth2Client} = await import(pathToFileURL(require.resolve("google-auth-library")));
const {Behavior, FunctionResponseScheduling, GoogleGenAI, Modality} = genai;

const print = console.log;
// The library writes some of its remarks to standard output.
console.log = console.info = console.debug = console.error;

const LIMIT_MS = 60_000;
const LAMP = {name: "switch_lamp", description: "d", parameters: {type: "OBJECT", properties: {}}};
const IS_VERTEX = plan.service === "vertex";
const TEXT_MODEL = IS_VERTEX ? "gemini-live-2.5-flash" : "gemini-live-2.5-flash-preview";
const AUDIO_MODEL = IS_VERTEX ? "gemini-live-2.5-flash-native-audio" : "gemini-2.5-flash-native-audio-latest";

function clientOf(baseUrl) {
  const httpOptions = {baseUrl};
  if (!IS_VERTEX) return new GoogleGenAI({apiKey: "AIza-a-test-key", httpOptions});
  const authClient = new OAuth2Client();
  authClient.setCredentials({access_token: "ya29.a-test-token", expiry_date: Date.now() + 3_600_000});
  const place = {project: "p", location: "us-central1"};
  return new GoogleGenAI({vertexai: true, ...place, httpOptions, googleAuthOptions: {authClient}});
}

/** What a session receives, in order; `next()` gives one message, or throws a Closed when the session is over. */
class Inbox {
  constructor() {
    this.messages = [];
    this.waiting = null;
    this.end = null;
    this.callbacks = {
      onmessage: (message) => this.put({message}),
      onclose: (event) => this.put({end: new Closed(event.code, String(event.reason))}),
      onerror: () => {},
    };
  }

  put(entry) {
    if (entry.end) {
      this.end = entry.end;
      this.ended?.(entry.end);
    }
    this.messages.push(entry);
    this.waiting?.();
  }

  async next() {
    while (this.messages.length === 0) {
      if (this.end) throw this.end;
      await new Promise((resolve) => (this.waiting = resolve));
    }
    const {message, end} = this.messages.shift();
    if (end) throw end;
    return message;
  }
}

class Closed extends Error {
  constructor(code, reason) {
    super(`closed: ${code} ${reason}`);
    Object.assign(this, {code, reason});
  }
}

/** Holds one session; `talk` gets the session and its inbox. */
async function held(config, talk, model = TEXT_MODEL, baseUrl = plan.base_url) {
  const inbox = new Inbox();
  const usual = {responseModalities: [model === AUDIO_MODEL ? Modality.AUDIO : Modality.TEXT]};
  const live = clientOf(baseUrl).live;
  const session = await live.connect({model, config: {...usual, ...config}, callbacks: inbox.callbacks});
  try {
    return await talk(session, inbox);
  } finally {
    session.close();
  }
}

const TALKS = {
  async text_turn() {
    return await held({}, async (session, inbox) => {
      say(session, "Hello there");
      return await hear(inbox);
    });
  },
  async five_turns() {
    return await held({}, async (session, inbox) => {
      const turns = [];
      for (let number = 0; number < 5; number++) {
        say(session, `Question ${number}`);
        turns.push(await hear(inbox));
      }
      return {texts: turns.map((turn) => turn.text), prompts: turns.map((turn) => turn.usage[0])};
    });
  },
  async audio_automatic() {
    const transcription = {inputAudioTranscription: {}, outputAudioTranscription: {}};
    const talk = async (session, inbox) => {
      stream(session, tone(1.0), silence(1.0));
      return await hear(inbox);
    };
    return await held(transcription, talk, AUDIO_MODEL);
  },
  async audio_manual() {
    const manual = {realtimeInputConfig: {automaticActivityDetection: {disabled: true}}};
    return await held(manual, async (session, inbox) => {
      session.sendRealtimeInput({activityStart: {}});
      stream(session, tone(1.0), silence(0.5));
      session.sendRealtimeInput({activityEnd: {}});
      return await hear(inbox);
    });
  },
  async stream_end() {
    return await held({}, async (session, inbox) => {
      stream(session, tone(1.0));
      session.sendRealtimeInput({audioStreamEnd: true});
      return await hear(inbox);
    });
  },
  async ten_seconds() {
    const talk = async (session, inbox) => {
      say(session, "x".repeat(81));
      return await hear(inbox);
    };
    return await held({outputAudioTranscription: {}}, talk, AUDIO_MODEL);
  },
  async interruption() {
    const talk = async (session, inbox) => {
      say(session, `Tell me a long story, ${"and go on, ".repeat(60)}`);
      const found = await hear(inbox, () => stream(session, tone(0.3)));
      stream(session, silence(1.0));
      return {...found, next: await hear(inbox)};
    };
    return await held({}, talk, AUDIO_MODEL);
  },
  async tool() {
    return await held({tools: [{functionDeclarations: [LAMP]}]}, async (session, inbox) => {
      say(session, "Please switch lamp on");
      const calling = await hear(inbox);
      respond(session, calling.calls[0]);
      return {calls: calling.calls, answer: await hear(inbox)};
    });
  },
  async tool_not_blocking() {
    const tools = [{functionDeclarations: [{...LAMP, behavior: Behavior.NON_BLOCKING}]}];
    const talk = async (session, inbox) => {
      say(session, "Please switch lamp on");
      const calling = await hear(inbox);
      say(session, "And what else?");
      const meanwhile = await hear(inbox);
      respond(session, calling.calls[0], {scheduling: FunctionResponseScheduling.WHEN_IDLE});
      return {calling, meanwhile, answer: await hear(inbox)};
    };
    return await held({tools, outputAudioTranscription: {}}, talk, AUDIO_MODEL);
  },
  async cancellation() {
    return await held({tools: [{functionDeclarations: [LAMP]}]}, async (session, inbox) => {
      say(session, "Please switch lamp on");
      const calling = await hear(inbox);
      stream(session, tone(0.5));
      for (;;) {
        const {toolCallCancellation} = await inbox.next();
        if (toolCallCancellation) return {asked: [calling.calls[0].id], cancelled: toolCallCancellation.ids};
      }
    });
  },
  async go_away() {
    let handle, timeLeft, first;
    const talk = async (session, inbox) => {
      say(session, "Hello there");
      first = await hear(inbox);
      while (timeLeft === undefined) {
        const {sessionResumptionUpdate: update, goAway} = await inbox.next();
        if (update?.resumable) handle = update.newHandle;
        timeLeft = goAway?.timeLeft;
      }
    };
    await held({sessionResumption: {}}, talk, TEXT_MODEL, plan.hurried_url);
    const again = async (session, inbox) => {
      say(session, "Hello again");
      return await hear(inbox);
    };
    const second = await held({sessionResumption: {handle}}, again, TEXT_MODEL, plan.hurried_url);
    return {time_left: timeLeft, usage: [first.usage, second.usage]};
  },
  async ignored_go_away() {
    return await held({}, (_, inbox) => failureOf(inbox), TEXT_MODEL, plan.hurried_url);
  },
  async music() {
    const inbox = new Inbox();
    const session = await clientOf(plan.base_url).live.music.connect({
      model: "models/lyria-realtime-exp",
      callbacks: inbox.callbacks,
    });
    try {
      await session.setWeightedPrompts({weightedPrompts: [{text: "piano", weight: 1.0}]});
      await session.setMusicGenerationConfig({musicGenerationConfig: {bpm: 90, temperature: 1.0}});
      session.play();
      const sizes = [];
      while (sizes.length < 3) {
        const {serverContent} = await inbox.next();
        for (const chunk of serverContent?.audioChunks ?? []) sizes.push(Buffer.from(chunk.data, "base64").length);
      }
      return sizes;
    } finally {
      session.close();
    }
  },
  async refused_setup() {
    const nobody = {voiceConfig: {prebuiltVoiceConfig: {voiceName: "Nobody"}}};
    const wrong = {
      modality: [{responseModalities: [Modality.TEXT]}, AUDIO_MODEL],
      model: [{}, "gemini-nobody"],
      voice: [{speechConfig: nobody}, AUDIO_MODEL],
      handle: [{sessionResumption: {handle: "h".repeat(64)}}, TEXT_MODEL],
    };
    const refusals = {};
    for (const [name, [config, model]] of Object.entries(wrong)) refusals[name] = await refusal(config, model);
    return refusals;
  },
};

/** Code and reason by which a setup is refused. Of `connect` that is: 3.x rejects it, 2.x never settles it. */
async function refusal(config, model) {
  const inbox = new Inbox();
  const closed = new Promise((resolve) => (inbox.ended = resolve));
  const modality = model === AUDIO_MODEL ? Modality.AUDIO : Modality.TEXT;
  const asked = {model, config: {responseModalities: [modality], ...config}, callbacks: inbox.callbacks};
  const connected = clientOf(plan.base_url).live.connect(asked);
  const session = await Promise.race([connected.catch(() => null), closed.then(() => null)]);
  if (session) {
    const failure = await failureOf(inbox);
    session.close();
    return failure;
  }
  const {code, reason} = await closed;
  return [code, reason];
}

async function failureOf(inbox) {
  try {
    for (;;) await inbox.next();
  } catch (error) {
    if (!(error instanceof Closed)) throw error;
    return [error.code, error.reason];
  }
}

function say(session, text) {
  session.sendClientContent({turns: [{role: "user", parts: [{text}]}], turnComplete: true});
}

function respond(session, call, fields = {}) {
  const response = {id: call.id, name: call.name, response: {result: "ok"}, ...fields};
  session.sendToolResponse({functionResponses: [response]});
}

function stream(session, ...sounds) {
  for (const pcm of sounds) {
    for (let start = 0; start < pcm.length; start += 3200) {
      const data = pcm.subarray(start, start + 3200).toString("base64");
      session.sendRealtimeInput({audio: {data, mimeType: "audio/pcm;rate=16000"}});
    }
  }
}

function silence(seconds) {
  return Buffer.alloc(2 * Math.trunc(16_000 * seconds));
}

function tone(seconds) {
  const pcm = silence(seconds);
  for (let at = 0; at < pcm.length / 2; at++) pcm.writeInt16LE(Math.round(8000 * Math.sin(at / 12)), 2 * at);
  return pcm;
}

/** One turn: its text, audio, transcriptions, calls and counts; `onAudio` is called when its first audio is there. */
async function hear(inbox, onAudio = () => {}) {
  const turn = {text: "", bytes: 0, heard: "", said: "", calls: [], usage: null, interrupted: false, ends: 0};
  const digest = createHash("sha256");
  while (turn.ends === 0) {
    const {serverContent: content, toolCall, usageMetadata: usage} = await inbox.next();
    for (const part of content?.modelTurn?.parts ?? []) {
      turn.text += part.text ?? "";
      if (part.inlineData) {
        if (turn.bytes === 0) onAudio();
        const pcm = Buffer.from(part.inlineData.data, "base64");
        turn.bytes += pcm.length;
        digest.update(pcm);
      }
    }
    turn.heard += content?.inputTranscription?.text ?? "";
    turn.said += content?.outputTranscription?.text ?? "";
    turn.interrupted ||= content?.interrupted ?? false;
    turn.ends += content?.turnComplete ? 1 : 0;
    for (const {id, name} of toolCall?.functionCalls ?? []) turn.calls.push({id, name});
    if (usage) turn.usage = [usage.promptTokenCount, usage.responseTokenCount, usage.totalTokenCount];
  }
  return {...turn, sha256: digest.digest("hex")};
}

async function told(name) {
  const late = sleep(LIMIT_MS, undefined, {ref: false}).then(() => {
    throw new Error(`${name} took too long`);
  });
  const result = await Promise.race([TALKS[name](), late]);
  print(JSON.stringify({talk: name, result}));
}

await Promise.all(plan.talks.map(told));
