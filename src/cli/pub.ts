/** `jangada pub`: publishes over HTTP, with an Idempotency-Key so that it may try again without publishing twice. */
import { count, seconds, text, toggle } from "../config/kinds.js";
import { ConfigError } from "../errors.js";
import { limits } from "../limits.js";
import { systemRandom } from "../runtime/random.js";
import { type CliCommand, type Given, optionsHelp, readArguments } from "./command.js";
import { ClientFailure } from "./failure.js";
import { address, jsonOf, nodeUrl, request, topicPath, urlOption } from "./http.js";
import { print } from "./output.js";
import { withRetries } from "./retry.js";
import { lineBatches, readAll } from "./stdin.js";

const options = {
  url: urlOption,
  qos: { kind: count(0, 2), help: "the QoS that MQTT subscribers see at most (1)" },
  retain: { kind: toggle(), help: "keep it as the topic's retained message; an empty one deletes that" },
  expires: { kind: seconds(), help: "do not deliver it after so long (plain number: seconds)" },
  "content-type": { kind: text("TYPE"), help: "media type of the payload" },
  ndjson: { kind: toggle(), help: "every line of standard input is a message; sent in batches" },
  key: { kind: text("KEY"), help: "Idempotency-Key: the same one again publishes nothing new (a fresh one)" },
  json: { kind: toggle(), help: "print the node's whole answer" },
};

type PubOptions = Given<typeof options>;

/** Lines of one batch: a quarter of what a node takes, so that memory and answers stay small. */
const BATCH_LINES_MAX = limits.batchMessagesMax / 4;
const BATCH_BYTES_MAX = limits.payloadBytesMax;
/** A pipe that pauses gets its lines published after so long. */
const BATCH_IDLE_MS = 20;

/** Long enough that no two clients ever draw the same. */
const KEY_LENGTH = 24;

export const pub: CliCommand = {
  name: "pub",
  usage: "pub TOPIC [MESSAGE|-] [flags]",
  summary: "publish a message, or lines of standard input",
  details: () =>
    `Without MESSAGE, or with -, the payload is standard input, byte for byte. Prints the event id once it is committed.\n` +
    `A message that begins with - goes after --.\n\n${optionsHelp(options)}`,
  async run(argv) {
    const { options: given, positionals } = readArguments(argv, options);
    const [topic, message, extra] = positionals;
    if (topic === undefined) throw new ConfigError("pub needs a TOPIC");
    if (extra !== undefined)
      throw new ConfigError("pub takes one TOPIC and one MESSAGE; quote what has spaces");
    const target = targetOf(topic, given);
    if (given.ndjson === true) {
      if (message !== undefined && message !== "-") {
        throw new ConfigError("flag --ndjson: reads standard input, so there is no MESSAGE");
      }
      await publishLines(target, given);
    } else {
      await publishOne(target, await payloadOf(message), given);
    }
    return 0;
  },
};

function targetOf(topic: string, given: PubOptions): URL {
  return address(nodeUrl(given.url), topicPath(topic, "/messages"), {
    retain: given.retain === true ? "true" : undefined,
    expires: given.expires,
    qos: given.qos,
  });
}

async function payloadOf(message: string | undefined): Promise<Uint8Array> {
  if (message !== undefined && message !== "-") return Buffer.from(message);
  if (message === undefined && process.stdin.isTTY) {
    throw new ConfigError("pub needs a MESSAGE, or - to read standard input");
  }
  return await readAll(process.stdin, limits.batchBytesMax);
}

async function publishOne(target: URL, payload: Uint8Array, given: PubOptions): Promise<void> {
  const key = given.key ?? systemRandom.tag(KEY_LENGTH);
  const type = given["content-type"];
  const answer = await post(target, payload, key, type);
  await print(`${given.json === true ? JSON.stringify(answer) : field(answer, "id")}\n`);
}

/**
 * One request after another: order is kept. With a key of the user's, batches are cut by count and bytes alone, so that the
 * same input under the same key makes the same requests.
 */
async function publishLines(target: URL, given: PubOptions): Promise<void> {
  const key = given.key ?? systemRandom.tag(KEY_LENGTH);
  const idleMs = given.key === undefined ? BATCH_IDLE_MS : null;
  const batches = lineBatches(process.stdin, {
    linesMax: BATCH_LINES_MAX,
    bytesMax: BATCH_BYTES_MAX,
    lineBytesMax: limits.batchBytesMax,
    idleMs,
  });
  let number = 0;
  for await (const { body } of batches) {
    number += 1;
    const answer = await post(target, body, `${key}-${number}`, "application/x-ndjson");
    const line =
      given.json === true
        ? JSON.stringify(answer)
        : `${field(answer, "count")} ${field(answer, "firstId")} ${field(answer, "lastId")}`;
    await print(`${line}\n`);
  }
}

async function post(target: URL, body: Uint8Array, key: string, type: string | undefined): Promise<object> {
  const headers: Record<string, string> = { "idempotency-key": key };
  if (type !== undefined) headers["content-type"] = type;
  const answer = await withRetries(systemRandom, async () =>
    jsonOf(await request(target, { method: "POST", body: Buffer.from(body), headers })),
  );
  if (typeof answer !== "object" || answer === null)
    throw new ClientFailure("bad_answer", "the answer is no object");
  return answer;
}

function field(answer: object, name: string): string {
  const value: unknown = Object.entries(answer).find(([key]) => key === name)?.[1];
  if (typeof value === "string" || typeof value === "number") return String(value);
  throw new ClientFailure("bad_answer", `the answer has no ${name}`);
}
