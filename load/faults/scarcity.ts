/** Too few file descriptors, with connections without end; too little memory, with large publishes and subscribers that do not read. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { Child } from "../lib/children.js";
import { isRoot } from "../lib/commands.js";
import { HttpConnection, topicPath } from "../lib/http-client.js";
import { openSse, type SseStream } from "../lib/sse-stream.js";
import { delay, temporaryDirectory, waitUntil } from "../lib/support.js";
import { ClientStore } from "../sessions/client-store.js";
import { StrictClient } from "../sessions/strict-client.js";
import { type Conditions, type Course, runCourse, type ScenarioReport } from "./scenario.js";
import { afterShell, ToolTerrain, withVariables } from "./tool-terrain.js";

const FILES_MAX = 200;
const CONNECTIONS = 400;
const MEMORY_MIB = 320;
const HEAP_MIB = 96;
const MEMORY_GROUPS = "/sys/fs/cgroup/memory";
const FLOOD_TOPIC = "flood/a";
const FLOOD_BYTES = 512 * 1024;
const FLOODERS = 24;
const STALLED = 20;
const AFTERMATH_ACKNOWLEDGED = 200;
const SMALL_FILES = ["--log-segment-bytes", "17MiB", "--message-segment-bytes", "17MiB"];
const FLAGS = [...SMALL_FILES, "--snapshot-log-bytes", "34MiB", "--retention-bytes", "512MiB"];

export const fewFiles = (directory: string): ToolTerrain =>
  new ToolTerrain(directory, async () => ({
    launcher: afterShell(`ulimit -n ${FILES_MAX}`),
    flags: SMALL_FILES,
  }));

const OPEN_ALL = `
const fs = require("node:fs"); let code = "none";
try { for (let at = 0; at < ${FILES_MAX}; at++) fs.openSync("/dev/null"); } catch (error) { code = error.code; }
console.log(code);
`;

export async function proveFewFiles(): Promise<readonly string[]> {
  const [program = "", ...args] = [...afterShell(`ulimit -n ${FILES_MAX}`), process.execPath, "-e", OPEN_ALL];
  const child = await Child.start(program, args);
  await child.exited;
  return child.tail === "EMFILE" ? [] : [`opening ${FILES_MAX} files gives ${child.tail}, not EMFILE`];
}

/** Clients take all the connections that a node gives: it goes on with what it has, and takes new ones when they have gone. */
export function runFewFiles(conditions: Conditions): Promise<ScenarioReport> {
  return runCourse(conditions, async (course) => {
    const { trial, cluster } = course;
    const victim = cluster.nodes[Math.floor(conditions.random() * cluster.nodes.length)];
    if (victim === undefined) throw new Error("there are no nodes");
    const sockets: Socket[] = [];
    for (let at = 0; at < CONNECTIONS; at++) {
      const socket = connect(at % 2 === 0 ? victim.http : victim.mqtt);
      socket.on("error", () => undefined);
      sockets.push(socket);
    }
    await delay(conditions.holdMs);
    const refused = sockets.filter(({ closed }) => closed).length;
    for (const socket of sockets) socket.destroy();
    if (refused === 0)
      trial.report("wrong_answer", `node ${victim.id} took all of ${CONNECTIONS} connections`);
    if (!victim.running) trial.report("wrong_answer", `node ${victim.id} ended: ${victim.child.tail}`);
    course.figures["connectionsRefused"] = (course.figures["connectionsRefused"] ?? 0) + refused;
    await trial.waitForAcknowledged(AFTERMATH_ACKNOWLEDGED);
    return `${CONNECTIONS} connections to node ${victim.id}, ${refused} of them closed by it`;
  });
}

/** Whether all of a process's memory can be limited here, and not its JavaScript heap alone. */
function hasMemoryGroups(): boolean {
  return isRoot() && existsSync(join(MEMORY_GROUPS, "memory.limit_in_bytes"));
}

/** Every node in a memory group of its own; where there are none, with a small heap. */
export class LittleMemoryTerrain extends ToolTerrain {
  readonly #groups: string[];

  constructor(directory: string) {
    const groups: string[] = [];
    super(
      directory,
      async (id) => {
        if (!hasMemoryGroups())
          return { launcher: withVariables({ NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}` }) };
        const group = join(MEMORY_GROUPS, `jangada-${process.pid}-${id}`);
        mkdirSync(group, { recursive: true });
        groups.push(group);
        writeFileSync(join(group, "memory.limit_in_bytes"), String(MEMORY_MIB * 1024 * 1024));
        return { launcher: afterShell(`echo $$ > ${join(group, "cgroup.procs")}`) };
      },
      async () => {
        // A process that was killed a moment ago may still be in its group.
        await waitUntil(
          () => groups.every((group) => readFileSync(join(group, "cgroup.procs"), "utf8") === ""),
          5_000,
        );
        for (const group of groups.splice(0)) rmdirSync(group);
      },
    );
    this.#groups = groups;
  }

  /** The most that any node's processes have had without their cache of files, as far as the groups' own counts tell. */
  rssMiB(): number {
    const rss = this.#groups.map((group) => {
      const stat = readFileSync(join(group, "memory.stat"), "utf8");
      return Number(/^rss (\d+)$/m.exec(stat)?.[1] ?? 0);
    });
    return Math.max(0, ...rss) / 1024 / 1024;
  }
}

/** Heap and memory beside it. */
const EAT = `
const eaten = [];
setInterval(() => eaten.push(Buffer.alloc(16 * 1024 * 1024, 1), Array.from({ length: 1_000_000 }, (_, i) => i + 0.5)), 5);
`;

export async function proveLittleMemory(): Promise<readonly string[]> {
  const terrain = new LittleMemoryTerrain(temporaryDirectory("proof"));
  try {
    const { launcher } = await terrain.place(1);
    const [program = "", ...args] = [...launcher, process.execPath, "-e", EAT];
    const child = await Child.start(program, args);
    const ended = await waitUntil(() => child.ended, 20_000);
    if (!ended) await child.stop("SIGKILL");
    return ended ? [] : [`a program that eats memory lives on under the limit`];
  } finally {
    await terrain.close();
  }
}

/** Publishes as fast as answers come, and large. */
async function flood({ cluster }: Course, name: string, at: number, goOn: () => boolean): Promise<number> {
  const body = JSON.stringify({ name, pad: "x".repeat(FLOOD_BYTES) });
  let done = 0;
  while (goOn()) {
    const node = cluster.running[at % cluster.running.length];
    if (node === undefined) return done;
    const connection = new HttpConnection(node.http);
    try {
      while (goOn()) {
        const { status } = await connection.ask("POST", `${topicPath(FLOOD_TOPIC)}/messages`, body, {
          "content-type": "application/json",
        });
        if (status < 300) done += 1;
        else await delay(20);
      }
    } catch {
      await delay(50);
    } finally {
      connection.close();
    }
  }
  return done;
}

/** Subscribers of the flood that read nothing, half of each kind, on all nodes. */
async function stalled({ cluster }: Course, round: number): Promise<() => void> {
  const streams: SseStream[] = [];
  const clients: StrictClient[] = [];
  for (let at = 0; at < STALLED; at++) {
    const node = cluster.nodes[at % cluster.nodes.length];
    if (node === undefined) break;
    const handlers = { onEvent: () => undefined, onClose: () => undefined };
    if (at % 2 === 0) {
      const stream = await openSse(node.http, `${topicPath(FLOOD_TOPIC)}/stream`, null, handlers);
      stream.pause();
      streams.push(stream);
    } else {
      const options = { clientId: `stalled-${round}-${at}`, level: 5, clean: true, kept: false } as const;
      const { client } = await StrictClient.open(node.mqtt, options, new ClientStore());
      await client.subscribe([FLOOD_TOPIC], 1);
      client.stall(true);
      clients.push(client);
    }
  }
  return () => {
    for (const stream of streams) stream.close();
    for (const client of clients) client.breakOff();
  };
}

/** No node dies of it. */
export function runLittleMemory(
  conditions: Omit<Conditions, "terrain">,
  terrain: LittleMemoryTerrain,
): Promise<ScenarioReport> {
  return runCourse(
    { ...conditions, terrain },
    async (course, round) => {
      const { trial, cluster, figures } = course;
      await publishOne(course);
      const release = await stalled(course, round);
      let goesOn = true;
      const floods = Array.from({ length: FLOODERS }, (_, at) => flood(course, `f${at}`, at, () => goesOn));
      const endMs = performance.now() + conditions.holdMs * 2;
      let most = 0;
      while (performance.now() < endMs) {
        most = Math.max(most, terrain.rssMiB());
        await delay(100);
      }
      goesOn = false;
      const published = (await Promise.all(floods)).reduce((sum, count) => sum + count, 0);
      release();
      for (const node of cluster.nodes) {
        if (node.running) continue;
        trial.report("wrong_answer", `node ${node.id} died within ${MEMORY_MIB} MiB: ${node.child.tail}`);
        await node.start();
      }
      figures["limitMiB"] = hasMemoryGroups() ? MEMORY_MIB : HEAP_MIB;
      if (!hasMemoryGroups() && round === 1)
        course.notes.push(`no memory groups (v1, root) here: only the heap is limited, to ${HEAP_MIB} MiB`);
      figures["mostMiB"] = Math.max(figures["mostMiB"] ?? 0, most);
      figures["floodMiB"] = (figures["floodMiB"] ?? 0) + (published * FLOOD_BYTES) / 1024 / 1024;
      await trial.waitForAcknowledged(AFTERMATH_ACKNOWLEDGED);
      return `${published} publishes of 512 KiB, ${STALLED} subscribers that do not read, ${most.toFixed(0)} of ${figures["limitMiB"]} MiB`;
    },
    { flags: FLAGS },
  );
}

/** The topic is there before anybody subscribes. */
async function publishOne({ cluster }: Course): Promise<void> {
  const connection = new HttpConnection((await cluster.leader()).http);
  await connection.ask("POST", `${topicPath(FLOOD_TOPIC)}/messages`, "first", {
    "content-type": "text/plain",
  });
  connection.close();
}
