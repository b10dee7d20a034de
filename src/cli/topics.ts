/** `jangada topics`: list, make, show and delete topics over HTTP. */
import { bytes, duration, text, toggle } from "../config/kinds.js";
import { suggestion } from "../config/nearest.js";
import { approximateBytes } from "../config/units.js";
import { ConfigError } from "../errors.js";
import { described, rowsOf } from "./answers.js";
import { type CliCommand, type Given, optionsHelp, readArguments } from "./command.js";
import {
  address,
  type Fields,
  fieldsOf,
  jsonOf,
  nodeUrl,
  oneLine,
  request,
  topicPath,
  urlOption,
} from "./http.js";
import { print } from "./output.js";

const options = {
  url: urlOption,
  prefix: { kind: text("PREFIX"), help: "ls: only names that begin so" },
  "retention-age": { kind: duration(1), help: "create: keep messages so long" },
  "retention-bytes": { kind: bytes(1), help: "create: keep so many bytes of them" },
  json: { kind: toggle(), help: "print what the node answers, one JSON line a topic" },
};

type TopicOptions = Given<typeof options>;
type Action = (base: URL, name: string, given: TopicOptions) => Promise<void>;

const ACTIONS: ReadonlyMap<string, Action> = new Map([
  ["create", create],
  ["show", show],
  ["delete", remove],
]);

/** Flags that belong to one word only. */
const ONLY_WITH: Readonly<Record<string, string>> = {
  prefix: "ls",
  "retention-age": "create",
  "retention-bytes": "create",
};

export const topics: CliCommand = {
  name: "topics",
  usage: "topics ls|create|show|delete [NAME]",
  summary: "list, make, show and delete topics",
  details: () =>
    `topics ls [--prefix PREFIX]\ntopics create NAME [--retention-age 1h] [--retention-bytes 10MiB]\n` +
    `topics show NAME\ntopics delete NAME\n\n${optionsHelp(options)}`,
  async run(argv) {
    const { options: given, positionals } = readArguments(argv, options);
    const [word, name, extra] = positionals;
    const action = ACTIONS.get(word ?? "");
    if (word === undefined) throw new ConfigError("topics needs one of ls, create, show, delete");
    if (word !== "ls" && action === undefined) {
      throw new ConfigError(`unknown command topics ${word}${suggestion(word, ["ls", ...ACTIONS.keys()])}`);
    }
    refuseMisplaced(given, word);
    const surplus = action === undefined ? name : extra;
    if (surplus !== undefined) throw new ConfigError(`topics ${word}: too many arguments: ${surplus}`);
    const base = nodeUrl(given.url);
    if (action === undefined) await list(base, given);
    else if (name === undefined) throw new ConfigError(`topics ${word} needs a NAME`);
    else await action(base, name, given);
    return 0;
  },
};

function refuseMisplaced(given: TopicOptions, word: string): void {
  for (const flag of Object.keys(given)) {
    const owner = ONLY_WITH[flag];
    if (owner !== undefined && owner !== word)
      throw new ConfigError(`flag --${flag}: only with topics ${owner}`);
  }
}

async function list(base: URL, given: TopicOptions): Promise<void> {
  for await (const row of rowsOf(base, "topics", { prefix: given.prefix })) {
    await print(listLine(row, given));
  }
}

function listLine(topic: Fields, given: TopicOptions): string {
  if (given.json === true) return `${JSON.stringify(topic)}\n`;
  const { name, messages, bytes } = topic;
  const count = messages === 1 ? "1 message" : `${String(messages)} messages`;
  return `${oneLine(String(name))}\t${count}\t${sizeOf(bytes)}\n`;
}

async function create(base: URL, name: string, given: TopicOptions): Promise<void> {
  const retention = { ageMs: given["retention-age"], bytes: given["retention-bytes"] };
  const isSet = retention.ageMs !== undefined || retention.bytes !== undefined;
  const response = await request(address(base, "topics"), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(isSet ? { name, retention } : { name }),
  });
  const topic = fieldsOf(await jsonOf(response));
  await print(given.json === true ? `${JSON.stringify(topic)}\n` : `created ${oneLine(name)}\n`);
}

async function show(base: URL, name: string, given: TopicOptions): Promise<void> {
  const topic = fieldsOf(await jsonOf(await request(address(base, topicPath(name)))));
  await print(given.json === true ? `${JSON.stringify(topic)}\n` : described(topic, ""));
}

async function remove(base: URL, name: string): Promise<void> {
  await request(address(base, topicPath(name)), { method: "DELETE" });
  await print(`deleted ${oneLine(name)}\n`);
}

function sizeOf(value: unknown): string {
  return typeof value === "number" ? approximateBytes(value) : "";
}
