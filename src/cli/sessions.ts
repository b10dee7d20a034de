/** `jangada sessions`: the MQTT sessions of the whole group, over HTTP from any node. */
import { toggle } from "../config/kinds.js";
import { described, rowsOf, timeText } from "./answers.js";
import { type CliCommand, type Given, optionsHelp, readArguments } from "./command.js";
import { ClientFailure } from "./failure.js";
import { address, type Fields, fieldsOf, jsonOf, nodeUrl, oneLine, request, urlOption } from "./http.js";
import { print } from "./output.js";
import { askedVerb, type Verb } from "./verbs.js";

const options = {
  url: urlOption,
  local: { kind: toggle(), help: "as that node sees it, also without a leader" },
  json: { kind: toggle(), help: "print what the node answers, one JSON line a session" },
};

type SessionOptions = Given<typeof options>;

const WORDS: ReadonlyMap<string, Verb<SessionOptions>> = new Map([
  ["ls", { takes: [], run: list }],
  ["show", { takes: ["CLIENT-ID"], run: show }],
  ["rm", { takes: ["CLIENT-ID"], run: remove }],
]);

export const sessions: CliCommand = {
  name: "sessions",
  usage: "sessions ls|show|rm [CLIENT-ID]",
  summary: "list, show and end the MQTT sessions of the group",
  details: () =>
    `sessions ls [--local]\nsessions show CLIENT-ID [--local]\nsessions rm CLIENT-ID\n\n${optionsHelp(options)}`,
  async run(argv) {
    const { options: given, positionals } = readArguments(argv, options);
    const verbs = { command: "sessions", words: WORDS, onlyWith: { local: ["ls", "show"] } };
    const { verb, args } = askedVerb(verbs, positionals, given);
    await verb.run(nodeUrl(given.url), args, given);
    return 0;
  },
};

function consistencyOf(given: SessionOptions): { readonly consistency: string | undefined } {
  return { consistency: given.local === true ? "local" : undefined };
}

/** `sessions/...` for a client. URLs cannot name `.` and `..`: they are removed from paths. */
function pathOf([clientId = ""]: readonly string[]): string {
  if (clientId === "" || clientId === "." || clientId === "..") {
    throw new ClientFailure("invalid_request", `a URL cannot name the client ${JSON.stringify(clientId)}`);
  }
  return `sessions/${encodeURIComponent(clientId)}`;
}

async function list(base: URL, _args: readonly string[], given: SessionOptions): Promise<void> {
  for await (const row of rowsOf(base, "sessions", consistencyOf(given))) {
    await print(given.json === true ? `${JSON.stringify(row)}\n` : listLine(row));
  }
}

function listLine({ clientId, connected, node, endsAt, subscriptions, lag }: Fields): string {
  const end = typeof endsAt === "number" ? `offline, ends ${timeText(endsAt)}` : "offline";
  const place = connected === true ? `connected to node ${String(node)}` : end;
  const count = subscriptions === 1 ? "1 subscription" : `${String(subscriptions)} subscriptions`;
  return `${oneLine(String(clientId))}\t${place}\t${count}\tlag ${String(lag)}\n`;
}

async function show(base: URL, args: readonly string[], given: SessionOptions): Promise<void> {
  const answer = await request(address(base, pathOf(args), consistencyOf(given)));
  const session = fieldsOf(await jsonOf(answer));
  await print(given.json === true ? `${JSON.stringify(session)}\n` : described(session, ""));
}

async function remove(base: URL, args: readonly string[]): Promise<void> {
  await request(address(base, pathOf(args)), { method: "DELETE" });
  await print(`forgot ${oneLine(String(args[0]))}\n`);
}
