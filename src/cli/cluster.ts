/** `jangada cluster`: how the group is doing, who belongs to it and who leads, over HTTP from any node. */
import { checkValue } from "../config/check.js";
import { nodeNumber, toggle } from "../config/kinds.js";
import { peerAddress } from "../config/peer-kinds.js";
import { type CliCommand, type Given, optionsHelp, readArguments } from "./command.js";
import { ClientFailure } from "./failure.js";
import { address, type Fields, fieldsOf, jsonOf, nodeUrl, oneLine, request, urlOption } from "./http.js";
import { print } from "./output.js";
import { askedVerb, type Verb } from "./verbs.js";

const options = {
  url: urlOption,
  learner: { kind: toggle(), help: "add: it never votes" },
  local: { kind: toggle(), help: "status: as that node sees it, also without a leader" },
  json: { kind: toggle(), help: "print what the node answers, as one JSON line" },
};

type ClusterOptions = Given<typeof options>;

const WORDS: ReadonlyMap<string, Verb<ClusterOptions>> = new Map([
  ["status", { takes: [], run: status }],
  ["add", { takes: ["ID", "HOST:PORT"], run: add }],
  ["remove", { takes: ["ID"], run: remove }],
  ["promote", { takes: ["ID"], run: promote }],
  ["transfer", { takes: ["[ID]"], run: transfer }],
]);

const ONLY_WITH = { learner: ["add"], local: ["status"] };

export const cluster: CliCommand = {
  name: "cluster",
  usage: "cluster status|add|remove|promote|transfer",
  summary: "how the cluster is doing, who belongs to it, who leads",
  details: () =>
    "cluster status [--local]\ncluster add ID HOST:PORT [--learner]\ncluster remove ID\n" +
    `cluster promote ID\ncluster transfer [ID]\n\n${optionsHelp(options)}`,
  async run(argv) {
    const { options: given, positionals } = readArguments(argv, options);
    const verbs = { command: "cluster", words: WORDS, onlyWith: ONLY_WITH };
    const { verb, args } = askedVerb(verbs, positionals, given);
    await verb.run(nodeUrl(given.url), args, given);
    return 0;
  },
};

/** A node's number, as somebody wrote it. Throws `ConfigError`. */
function idOf(args: readonly string[]): string {
  return checkValue(nodeNumber(), args[0], "ID");
}

async function status(base: URL, _args: readonly string[], given: ClusterOptions): Promise<void> {
  const isLocal = given.local === true;
  const query = { consistency: isLocal ? "local" : undefined };
  const group = fieldsOf(await jsonOf(await request(address(base, "cluster", query))));
  if (given.json === true) {
    await print(`${JSON.stringify(group)}\n`);
    return;
  }
  const { nodeId, leaderId, term, commitIndex, appliedIndex } = group;
  const leader = leaderId === "" ? "no leader" : `leader ${textOf(leaderId)}`;
  const places = `term ${textOf(term)}, commit ${textOf(commitIndex)}, applied here ${textOf(appliedIndex)}`;
  // How far the others are is known to the leader alone.
  const knowsAll = !isLocal || nodeId === leaderId;
  await print(`node ${textOf(nodeId)} answers: ${leader}, ${places}\n${memberTable(group, knowsAll)}`);
}

const COLUMNS = ["id", "role", "peer", "alive", "match", "lag"];

function memberTable({ members, commitIndex }: Fields, knowsAll: boolean): string {
  if (!Array.isArray(members)) throw new ClientFailure("bad_answer", "the answer has no members");
  const rows = members.map((member: unknown) => {
    const { id, role, peer, alive, matchIndex } = fieldsOf(member);
    const isNumber = typeof matchIndex === "number" && typeof commitIndex === "number";
    const lag = isNumber ? String(Math.max(0, commitIndex - matchIndex)) : "-";
    const places = knowsAll ? [textOf(matchIndex), lag] : ["-", "-"];
    return [textOf(id), textOf(role), textOf(peer), alive === true ? "yes" : "no", ...places];
  });
  const table = [COLUMNS, ...rows];
  const widths = COLUMNS.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  return table
    .map(
      (row) =>
        `${row
          .map((text, column) => text.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

/** A value of an answer as one word of a line. */
function textOf(value: unknown): string {
  if (value === null || value === undefined || value === "") return "-";
  return oneLine(typeof value === "string" ? value : JSON.stringify(value));
}

async function add(base: URL, args: readonly string[], given: ClusterOptions): Promise<void> {
  const id = idOf(args);
  const peer = checkValue(peerAddress(), args[1], "HOST:PORT");
  const learner = given.learner === true;
  const ticket = fieldsOf(
    await jsonOf(await request(address(base, "cluster/members"), post({ id, peer, learner }))),
  );
  if (given.json === true) await print(`${JSON.stringify(ticket)}\n`);
  else await print(`added ${id}${learner ? " as a learner" : "; it votes when it has caught up"}\n`);
}

async function remove(base: URL, args: readonly string[]): Promise<void> {
  const id = idOf(args);
  await request(address(base, `cluster/members/${id}`), { method: "DELETE" });
  await print(`removed ${id}\n`);
}

async function promote(base: URL, args: readonly string[], given: ClusterOptions): Promise<void> {
  const id = idOf(args);
  const answer = await jsonOf(
    await request(address(base, `cluster/members/${id}/promote`), { method: "POST" }),
  );
  if (given.json === true) await print(`${JSON.stringify(answer)}\n`);
  else await print(`${id} votes when it has caught up\n`);
}

async function transfer(base: URL, args: readonly string[], given: ClusterOptions): Promise<void> {
  const to = args.length === 0 ? {} : { id: idOf(args) };
  const answer = fieldsOf(await jsonOf(await request(address(base, "cluster/leader"), post(to))));
  if (given.json === true) await print(`${JSON.stringify(answer)}\n`);
  else await print(`node ${textOf(answer["leaderId"])} leads\n`);
}

function post(body: object): RequestInit {
  return {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
}
