/**
 * Subscribers that stop reading while snapshots are taken and retention goes on: with a kept session among them everybody gets everything in
 * the end; without one each gets what is still there, in order, and is told where something is missing.
 */
import { readFileSync } from "node:fs";
import type { ClusterNode } from "../lib/cluster-node.js";
import { HttpConnection, topicPath } from "../lib/http-client.js";
import { openSse, type SseStream } from "../lib/sse-stream.js";
import { delay, waitUntil } from "../lib/support.js";
import { ClientStore } from "../sessions/client-store.js";
import { StrictClient } from "../sessions/strict-client.js";
import { type Conditions, type Course, runCourse, type ScenarioReport } from "./scenario.js";

const PAYLOAD_BYTES = 32 * 1024;
const BATCH = 50;
const BATCHES = 80;
const MESSAGES = BATCH * BATCHES;
/** Of which this much is kept, unless somebody needs more. */
const KEPT_BYTES = 4 * 1024 * 1024;
const FLAGS = [
  ...["--log-segment-bytes", "17MiB", "--message-segment-bytes", "17MiB"],
  ...["--snapshot-log-bytes", "34MiB", "--retention-bytes", "2GiB"],
];
const TRIMMED_WITHIN_MS = 40_000;
const ALL_WITHIN_MS = 60_000;
const AFTERMATH_ACKNOWLEDGED = 200;

/** What one subscriber got: numbers that only rise, and gaps that it was told of. */
class Reader {
  readonly name: string;
  last = -1;
  gaps = 0;
  missed = 0;
  readonly #complain: (text: string) => void;
  #told = false;

  constructor(name: string, complain: (text: string) => void) {
    this.name = name;
    this.#complain = complain;
  }

  /** Says that something is missing before what comes next. */
  tell(): void {
    this.#told = true;
    this.gaps += 1;
  }

  take(payload: string): void {
    const number = Number(/\d+/.exec(payload)?.[0]);
    if (!Number.isInteger(number))
      this.#complain(`${this.name}: a payload without a number: ${payload.slice(0, 50)}`);
    if (number <= this.last) this.#complain(`${this.name}: ${number} comes after ${this.last}`);
    const missing = number - this.last - 1;
    if (missing > 0 && !this.#told)
      this.#complain(`${this.name}: ${missing} are missing before ${number}, untold`);
    this.missed += Math.max(0, missing);
    this.#told = false;
    this.last = Math.max(this.last, number);
  }
}

/** Subscribers of one topic that can be stopped and let go on. */
class Audience {
  readonly readers: Reader[] = [];
  readonly #streams: SseStream[] = [];
  readonly #clients: StrictClient[] = [];

  async addStream(node: ClusterNode, path: string, isEnvelope: boolean, reader: Reader): Promise<void> {
    const stream = await openSse(node.http, `${path}/stream`, null, {
      onEvent: ({ event, data }) => {
        if (event === "gap") reader.tell();
        else reader.take(isEnvelope ? (JSON.parse(data) as { payload: string }).payload : data);
      },
      onClose: () => undefined,
    });
    this.#streams.push(stream);
    this.readers.push(reader);
  }

  async addSession(node: ClusterNode, topic: string, reader: Reader): Promise<void> {
    const options = { clientId: reader.name, level: 5, clean: true, kept: true } as const;
    const { client } = await StrictClient.open(node.mqtt, options, new ClientStore(), {
      onMessage: (payload) => reader.take(payload),
    });
    await client.subscribe([topic], 1);
    this.#clients.push(client);
    this.readers.push(reader);
  }

  stall(isStalled: boolean): void {
    for (const stream of this.#streams) isStalled ? stream.pause() : stream.resume();
    for (const client of this.#clients) client.stall(isStalled);
  }

  close(): void {
    for (const stream of this.#streams) stream.close();
    for (const client of this.#clients) client.disconnect();
  }
}

export function runSlow(conditions: Conditions): Promise<ScenarioReport> {
  return runCourse(conditions, runRound, { flags: FLAGS, withSessions: false });
}

async function runRound(course: Course, round: number): Promise<string> {
  const { trial, cluster } = course;
  const holds = round % 2 === 1;
  const topic = `slow/${round}`;
  const leader = await cluster.leader();
  await create(leader, topic);
  const audience = new Audience();
  const complain = (text: string): void => trial.report("wrong_answer", `round ${round}: ${text}`);
  for (const node of cluster.nodes) {
    const reader = (kind: string): Reader => new Reader(`${kind}-${round}-${node.id}`, complain);
    await audience.addStream(node, topicPath(topic), false, reader("exact"));
    await audience.addStream(node, topicPath("slow/#"), true, reader("wildcard"));
    if (holds) await audience.addSession(node, topic, reader("session"));
  }
  audience.stall(true);
  const snapshots = snapshotsTaken(leader);
  await publishAll(leader, topic);
  if (!holds) await isTrimmed(leader, topic);
  if (!(await waitUntil(() => snapshotsTaken(leader) > snapshots, TRIMMED_WITHIN_MS))) {
    throw new Error("no snapshot was taken: the fault did not happen");
  }
  audience.stall(false);
  await waitUntil(() => audience.readers.every(({ last }) => last === MESSAGES - 1), ALL_WITHIN_MS);
  const gaps = audience.readers.reduce((sum, reader) => sum + reader.gaps, 0);
  for (const { name, last, missed } of audience.readers) {
    if (last !== MESSAGES - 1) complain(`${name} ends with ${last} of ${MESSAGES}`);
    if (holds && missed > 0) complain(`${name} misses ${missed} that were held for a session`);
  }
  if (!holds && gaps === 0) throw new Error("nobody missed anything: the fault did not happen");
  audience.close();
  await delay(100);
  course.figures["gapsTold"] = (course.figures["gapsTold"] ?? 0) + gaps;
  await trial.waitForAcknowledged(AFTERMATH_ACKNOWLEDGED);
  return `${audience.readers.length} readers stood still over ${MESSAGES} messages, ${gaps} gaps told`;
}

async function create(node: ClusterNode, topic: string): Promise<void> {
  const connection = new HttpConnection(node.http);
  const body = JSON.stringify({ name: topic, retention: { bytes: KEPT_BYTES } });
  const { status } = await connection.ask("POST", "/topics", body, { "content-type": "application/json" });
  connection.close();
  if (status >= 300) throw new Error(`creating ${topic} was answered with ${status}`);
}

async function publishAll(node: ClusterNode, topic: string): Promise<void> {
  const connection = new HttpConnection(node.http);
  const pad = "x".repeat(PAYLOAD_BYTES);
  for (let batch = 0; batch < BATCHES; batch++) {
    const lines = Array.from(
      { length: BATCH },
      (_, at) => `${JSON.stringify(`${batch * BATCH + at} ${pad}`)}\n`,
    );
    const headers = { "content-type": "application/x-ndjson" };
    const answer = await connection.ask("POST", `${topicPath(topic)}/messages`, lines.join(""), headers);
    if (answer.status >= 300) throw new Error(`a batch was answered with ${answer.status} ${answer.body}`);
  }
  connection.close();
}

/** Waits until retention has taken the topic's beginning. */
async function isTrimmed(node: ClusterNode, topic: string): Promise<void> {
  const connection = new HttpConnection(node.http);
  const trimmed = await waitUntil(
    async () => {
      const { body } = await connection.ask("GET", topicPath(topic));
      return (JSON.parse(body) as { messages: number }).messages < MESSAGES;
    },
    TRIMMED_WITHIN_MS,
    200,
  );
  connection.close();
  if (!trimmed) throw new Error("nothing was trimmed: the fault did not happen");
}

function snapshotsTaken({ place: { logFile } }: ClusterNode): number {
  return readFileSync(logFile, "utf8").split("snapshot taken").length - 1;
}
