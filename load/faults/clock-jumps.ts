/**
 * One node's wall clock jumps by more than any span that users rely on here (a session's hour, a key's day), forward or back, and later
 * back again: no session and no key runs out early, and what is due afterwards is done.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Child } from "../lib/children.js";
import type { ClusterNode } from "../lib/cluster-node.js";
import { HttpConnection, topicPath } from "../lib/http-client.js";
import { delay, temporaryDirectory, waitUntil } from "../lib/support.js";
import { ClientStore } from "../sessions/client-store.js";
import { StrictClient } from "../sessions/strict-client.js";
import { type Conditions, type Course, runCourse, type ScenarioReport } from "./scenario.js";
import { ToolTerrain, withVariables } from "./tool-terrain.js";

const HOURS = 25;
const SHORT_SESSION_SECONDS = 2;
const EXPIRED_WITHIN_MS = 15_000;
const TOLD_WITHIN_MS = 5_000;
const TOPIC = "clock/keys";
const TOLD = "wall clock was set";
const LIBRARIES = "/usr/lib";

function library(): string | null {
  const found = existsSync(LIBRARIES) ? readdirSync(LIBRARIES) : [];
  const paths = found.map((name) => join(LIBRARIES, name, "faketime", "libfaketimeMT.so.1"));
  return paths.find((path) => existsSync(path)) ?? null;
}

export function clocksUnavailable(): string | null {
  return library() === null ? "not installed: libfaketime (package faketime)" : null;
}

/** The wall clock follows the file; the monotonic clock is left alone. */
function variables(file: string): Readonly<Record<string, string>> {
  return {
    LD_PRELOAD: library() ?? "",
    DONT_FAKE_MONOTONIC: "1",
    FAKETIME_NO_CACHE: "1",
    FAKETIME_TIMESTAMP_FILE: file,
  };
}

function setClock(file: string, hours: number): void {
  writeFileSync(file, `${hours < 0 ? "-" : "+"}${Math.abs(hours)}h\n`);
}

export class ClockTerrain extends ToolTerrain {
  readonly #directory: string;

  constructor(directory: string) {
    super(directory, async (id) => {
      this.set(id, 0);
      return { launcher: withVariables(variables(this.#file(id))) };
    });
    this.#directory = directory;
  }

  #file(id: number): string {
    return join(this.#directory, `clock-${id}`);
  }

  /** How wrong a node's wall clock is from now on. */
  set(id: number, hours: number): void {
    setClock(this.#file(id), hours);
  }
}

const PROOF = `
const show = () => console.log([Date.now(), performance.now()].join(" "));
show();
process.stdin.on("data", () => { show(); process.exit(); });
`;

/** The wall clock of a program jumps as it is told, and its monotonic clock does not. */
export async function proveClocks(): Promise<readonly string[]> {
  const file = join(temporaryDirectory("proof"), "clock");
  const complaints: string[] = [];
  for (const hours of [HOURS, -HOURS]) {
    setClock(file, 0);
    const [program = "", ...args] = [...withVariables(variables(file)), process.execPath, "-e", PROOF];
    const child = await Child.start(program, args);
    const read = (): Promise<readonly number[]> =>
      child.waitForLine((line) => line.split(" ").map(Number), 10_000, "its clocks");
    const [wall = 0, steady = 0] = await read();
    setClock(file, hours);
    const later = read();
    child.write("now");
    const [wallLater = 0, steadyLater = 0] = await later;
    const jumpedHours = Math.round((wallLater - wall) / 3_600_000);
    if (jumpedHours !== hours) complaints.push(`a jump of ${hours} h was one of ${jumpedHours} h`);
    if (steadyLater - steady > 10_000) complaints.push("the monotonic clock jumped too");
    await child.exited;
  }
  return complaints;
}

async function publishWithKey(node: ClusterNode, key: string): Promise<string> {
  const connection = new HttpConnection(node.http);
  try {
    const headers = { "content-type": "text/plain", "idempotency-key": key };
    const { status, body } = await connection.ask("POST", `${topicPath(TOPIC)}/messages`, key, headers);
    return status < 300 ? String((JSON.parse(body) as { offset: number }).offset) : `status ${status}`;
  } finally {
    connection.close();
  }
}

async function hasSession(node: ClusterNode, clientId: string): Promise<boolean> {
  const connection = new HttpConnection(node.http);
  try {
    return (await connection.ask("GET", `/sessions/${clientId}`)).status === 200;
  } finally {
    connection.close();
  }
}

export function runClockJumps(
  conditions: Omit<Conditions, "terrain">,
  terrain: ClockTerrain,
): Promise<ScenarioReport> {
  return runCourse({ ...conditions, terrain }, async (course, round) => {
    const { cluster, conditions: given, crew } = course;
    const victim = cluster.nodes[Math.floor(given.random() * cluster.nodes.length)];
    if (victim === undefined) throw new Error("there are no nodes");
    const hours = round % 2 === 1 ? HOURS : -HOURS;
    const key = `key-${round}`;
    const first = await publishWithKey(victim, key);
    const back = crew?.away();
    terrain.set(victim.id, hours);
    await delay(given.holdMs);
    await keyIsKnown(course, key, first, "while it was wrong");
    terrain.set(victim.id, 0);
    back?.();
    await somethingRunsOut(course, round);
    await keyIsKnown(course, key, first, "when it was right again");
    if (!(await waitUntil(() => readFileSync(victim.place.logFile, "utf8").includes(TOLD), TOLD_WITHIN_MS))) {
      course.trial.report("wrong_answer", `node ${victim.id} does not say that its clock was set`);
    }
    course.figures["jumpHours"] = HOURS;
    return `the clock of node ${victim.id} was wrong by ${hours} h for ${given.holdMs} ms`;
  });
}

/** By way of every node: the same key gives the same answer. */
async function keyIsKnown(
  { cluster, trial }: Course,
  key: string,
  first: string,
  when: string,
): Promise<void> {
  for (const node of cluster.nodes) {
    const again = await publishWithKey(node, key);
    if (again !== first) {
      trial.report("wrong_answer", `${when}, node ${node.id} gave ${key} offset ${again}, not ${first}`);
    }
  }
}

/** A session that is to end in two seconds ends soon, and not in a day. */
async function somethingRunsOut({ cluster, trial }: Course, round: number): Promise<void> {
  const clientId = `short-${round}`;
  const [node] = cluster.nodes;
  if (node === undefined) return;
  const options = {
    clientId,
    level: 5,
    clean: true,
    kept: true,
    expirySeconds: SHORT_SESSION_SECONDS,
  } as const;
  const { client } = await StrictClient.open(node.mqtt, options, new ClientStore());
  client.breakOff();
  await delay(100);
  if (!(await hasSession(node, clientId))) trial.report("wrong_answer", `${clientId} ended at once`);
  if (!(await waitUntil(async () => !(await hasSession(node, clientId)), EXPIRED_WITHIN_MS, 100))) {
    const text = `${clientId} has not ended ${EXPIRED_WITHIN_MS} ms after it was to end in ${SHORT_SESSION_SECONDS} s`;
    trial.report("wrong_answer", text);
  }
}
