// @google/genai: what its conversation program leaves out. Reads {"http", "project", "location", "client"} from standard
// input, where "client" is the folder of the installed client; writes one JSON line a step.
import {readFileSync} from "node:fs";
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";

const plan = JSON.parse(readFileSync(0, "utf-8"));
const require = createRequire(`${plan.client}/package.json`);
const {GoogleGenAI, FunctionCallingConfigMode} = await import(pathToFileURL(require.resolve("@google/genai")));
const {OAuth2Client} = await import(pathToFileURL(require.resolve("google-auth-library")));

const MODEL = "gemini-2.5-flash";
const PROMPT = "Say good morning.";
const WEATHER = {
  name: "get_weather",
  description: "The weather in a city",
  parameters: {type: "OBJECT", properties: {city: {type: "STRING"}}, required: ["city"]},
};

function clientOf(mode) {
  const httpOptions = {baseUrl: plan.http};
  if (mode === "gemini") return new GoogleGenAI({apiKey: "AIzaFAKE", httpOptions});
  if (mode === "express") return new GoogleGenAI({vertexai: true, apiKey: "AIzaFAKE", httpOptions});
  const authClient = new OAuth2Client();
  authClient.setCredentials({access_token: "ya29.fake", expiry_date: Date.now() + 3600000});
  const place = {project: plan.project, location: plan.location};
  return new GoogleGenAI({vertexai: true, ...place, httpOptions, googleAuthOptions: {authClient}});
}

const STEPS = {
  async generate(ai) {
    const answer = await ai.models.generateContent({model: MODEL, contents: PROMPT});
    const usage = answer.usageMetadata;
    const output = usage.candidatesTokenCount + (usage.thoughtsTokenCount ?? 0);
    return {text: answer.text, prompt: usage.promptTokenCount, output, total: usage.totalTokenCount};
  },
  async stream(ai) {
    const texts = [];
    for await (const chunk of await ai.models.generateContentStream({model: MODEL, contents: PROMPT})) {
      texts.push(chunk.text ?? "");
    }
    return {texts};
  },
  async tools(ai) {
    const tools = [{functionDeclarations: [WEATHER]}];
    const question = {role: "user", parts: [{text: "What is the weather in Paris?"}]};
    const toolConfig = {functionCallingConfig: {mode: FunctionCallingConfigMode.ANY}};
    const asked = await ai.models.generateContent({model: MODEL, contents: [question], config: {tools, toolConfig}});
    const [call] = asked.functionCalls;
    const result = {functionResponse: {name: call.name, response: {output: "sunny"}}};
    const contents = [question, asked.candidates[0].content, {role: "user", parts: [result]}];
    const told = await ai.models.generateContent({model: MODEL, contents, config: {tools}});
    return {name: call.name, args: call.args, text: told.text};
  },
  async embeddings(ai) {
    const answer = await ai.models.embedContent({model: "gemini-embedding-001", contents: ["a", "b"]});
    return {vectors: answer.embeddings.map((each) => each.values)};
  },
  async count(ai) {
    return {tokens: (await ai.models.countTokens({model: MODEL, contents: PROMPT})).totalTokens};
  },
};

for (const mode of ["gemini", "vertex", "express"]) {
  for (const [name, step] of Object.entries(STEPS)) {
    let line;
    try {
      line = {step: `${mode} ${name}`, values: await step(clientOf(mode))};
    } catch (error) {
      line = {step: `${mode} ${name}`, error: String(error), where: error.stack};
    }
    console.log(JSON.stringify(line));
  }
}
