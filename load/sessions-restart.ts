/**
 * `npm run load:sessions -- [--sessions 50000] [--subscriptions 10] [--restarts 3]`: sessions with subscriptions of their own, all of them away.
 * Kills the node and measures from spawn to ready. All must still be there, and some of them come back and get what came while they were away.
 */
import { connect } from "node:net";
import { inParallel } from "./lib/drain-socket.js";
import { HttpConnection } from "./lib/http-client.js";
import { residentMib } from "./lib/machine.js";
import { MqttPublisher } from "./lib/mqtt-connection.js";
import {
  CONNACK,
  connectPacket,
  disconnectPacket,
  PacketReader,
  PUBLISH,
  readPublish,
  SUBACK,
  subscribePacket,
} from "./lib/mqtt-packets.js";
import { Options } from "./lib/options.js";
import { type Address, type Server, startServer } from "./lib/server.js";
import { median } from "./lib/statistics.js";
import { delay, runMain, setDeadline, temporaryDirectory, waitUntil } from "./lib/support.js";
import { formatMs, formatNumber, renderText } from "./lib/table.js";

const TARGET_MS = 10_000;
const DEADLINE_MS = 900_000;
/** Connections at a time while the sessions are made. */
const WIDTH = 300;
/** Sessions that something comes for, and that come back. */
const AWAITED = 200;
const LOCAL_ADDRESSES = 100;
const VISIT_TIMEOUT_MS = 60_000;
const SETTLE_MS = 2_000;
const KIB_PER_MIB = 1024;

const clientIdOf = (session: number): string => `device-${String(session).padStart(8, "0")}`;
const siteOf = (session: number): string => `site/${session % 50}`;
const ownTopic = (session: number): string => `${siteOf(session)}/device-${session}/command`;

/** Of every ten two topics of its own, four of its own with wildcards, and four that it has in common with others. */
function filtersOf(session: number, count: number): string[] {
  const site = siteOf(session);
  const own = `${site}/device-${session}`;
  const filters = (round: number): string[] => [
    round === 0 ? ownTopic(session) : `${own}/command-${round}`,
    `${own}/settings-${round}`,
    `${own}/request-${round}/+`,
    `${own}/files-${round}/#`,
    `+/+/device-${session}/alarm-${round}`,
    `fleet/${session % 1_000}/+/device-${session}/${round}`,
    `${site}/news-${round}`,
    `${site}/group-${session % 20}/${round}/+`,
    `news/${round}/#`,
    `time-${round}`,
  ];
  return Array.from({ length: Math.ceil(count / 10) }, (_, round) => filters(round))
    .flat()
    .slice(0, count);
}

/** One connection of a session that is kept: asks, and leaves when it has its answers. Resolves when the node has closed it. */
function visit(
  address: Address,
  session: number,
  ask: readonly Buffer[],
  isDone: (type: number, body: Buffer, firstByte: number) => boolean,
): Promise<void> {
  const clientId = clientIdOf(session);
  // From many addresses: one has not enough ports for so many connections in so short a time.
  const localAddress = `127.0.1.${1 + (session % LOCAL_ADDRESSES)}`;
  return new Promise((resolve, reject) => {
    let done = false;
    const socket = connect({ host: address.host, port: address.port, localAddress, noDelay: true });
    socket.setTimeout(VISIT_TIMEOUT_MS, () => socket.destroy(new Error(`${clientId}: no answer`)));
    const reader = new PacketReader((firstByte, body) => {
      if (done || !isDone(firstByte >> 4, body, firstByte)) return;
      done = true;
      socket.end(disconnectPacket);
    });
    socket.on("data", (bytes) => reader.feed(bytes));
    socket.once("error", reject);
    socket.once("close", () => (done ? resolve() : reject(new Error(`${clientId}: closed`))));
    socket.write(Buffer.concat([connectPacket(clientId, false), ...ask]));
  });
}

async function makeSessions(server: Server, sessions: number, subscriptions: number): Promise<void> {
  await inParallel(sessions, WIDTH, async (session) => {
    const ask = [subscribePacket(filtersOf(session, subscriptions), 1)];
    await visit(server.mqtt, session, ask, (type, body) => {
      if (type === CONNACK && body[1] !== 0) throw new Error(`CONNACK with ${body[1]}`);
      if (type === SUBACK && body.subarray(2).some((code) => code !== 1)) throw new Error("SUBACK refuses");
      return type === SUBACK;
    });
  });
}

/** Every session that something is to come for, spread over all. */
function awaited(sessions: number): number[] {
  const count = Math.min(AWAITED, sessions);
  return Array.from({ length: count }, (_, at) => Math.floor((at * sessions) / count));
}

async function publishTo(server: Server, chosen: readonly number[]): Promise<void> {
  let acknowledged = 0;
  const publisher = await MqttPublisher.open(server.mqtt, "publisher", {
    onAck: () => {
      acknowledged += 1;
    },
    onClose: () => undefined,
  });
  for (const [at, session] of chosen.entries())
    publisher.publish(ownTopic(session), clientIdOf(session), at + 1);
  const isDone = await waitUntil(() => acknowledged === chosen.length, VISIT_TIMEOUT_MS);
  publisher.close();
  if (!isDone) throw new Error(`${acknowledged} of ${chosen.length} publishes were acknowledged`);
}

/** Each finds its session, and in it the message that came for it. */
async function comeBack(server: Server, chosen: readonly number[]): Promise<void> {
  await inParallel(chosen.length, WIDTH, async (at) => {
    const session = chosen[at] ?? 0;
    const clientId = clientIdOf(session);
    await visit(server.mqtt, session, [], (type, body, firstByte) => {
      if (type === CONNACK && body[0] !== 1) throw new Error(`${clientId} has lost its session`);
      if (type !== PUBLISH) return false;
      const { topic, payloadAt } = readPublish(firstByte, body);
      if (topic === ownTopic(session) && body.toString("utf8", payloadAt) === clientId) return true;
      throw new Error(`${clientId} got a message of ${topic}`);
    });
  });
}

async function figure(server: Server, name: string): Promise<number> {
  const connection = new HttpConnection(server.http);
  const { body } = await connection.ask("GET", "/metrics");
  connection.close();
  const line = body.split("\n").find((text) => text.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
}

const offline = (server: Server): Promise<number> => figure(server, 'jangada_sessions{state="offline"}');

async function restartOften(
  dataDir: string,
  first: Server,
  restarts: number,
): Promise<{ readonly server: Server; readonly readyMs: readonly number[] }> {
  const readyMs: number[] = [];
  let server = first;
  for (let restart = 1; restart <= restarts; restart += 1) {
    await server.child.stop("SIGKILL");
    server = await startServer({ dataDir });
    readyMs.push(server.readyMs);
    console.log(`restart ${restart}: ready after ${formatMs(server.readyMs)}`);
  }
  return { server, readyMs };
}

async function settledMib(server: Server): Promise<number> {
  await delay(SETTLE_MS);
  return residentMib(server.child.pid);
}

async function main(): Promise<number> {
  const given = new Options(["sessions", "subscriptions", "restarts"]);
  const sessions = given.number("sessions", 50_000);
  const subscriptions = given.number("subscriptions", 10);
  const restarts = given.number("restarts", 3);
  setDeadline(DEADLINE_MS, "sessions");
  const dataDir = temporaryDirectory("sessions");
  const first = await startServer({ dataDir });
  const emptyMib = await settledMib(first);
  const startedAt = performance.now();
  await makeSessions(first, sessions, subscriptions);
  const madeMs = performance.now() - startedAt;
  console.log(`${formatNumber(sessions)} sessions made in ${formatMs(madeMs)}`);
  const chosen = awaited(sessions);
  await publishTo(first, chosen);
  await waitUntil(async () => (await offline(first)) === sessions, VISIT_TIMEOUT_MS, 200);
  const madeMib = await settledMib(first);
  const { server, readyMs } = await restartOften(dataDir, first, restarts);
  const [kept, standing] = [await offline(server), await figure(server, "jangada_session_subscriptions")];
  const restartedMib = await settledMib(server);
  await comeBack(server, chosen);
  await server.child.stop("SIGTERM");
  const longest = Math.max(...readyMs);
  const isWhole = kept === sessions && standing === sessions * subscriptions;
  const passed = longest < TARGET_MS && isWhole;
  const each = (mib: number): string => `${formatNumber(((mib - emptyMib) * KIB_PER_MIB) / sessions)} KiB`;
  const rows = [
    ["sessions made, a second", formatNumber(sessions / (madeMs / 1000))],
    ["sessions there after the restarts", formatNumber(kept)],
    ["their subscriptions", formatNumber(standing)],
    ["resident memory, empty", `${formatNumber(emptyMib)} MiB`],
    ["for each session, when they were made", each(madeMib)],
    ["for each session, after a restart", each(restartedMib)],
    ["spawn to ready, median", formatMs(median(readyMs))],
    ["spawn to ready, longest", formatMs(longest)],
    ["limit", formatMs(TARGET_MS)],
  ];
  const title = `${formatNumber(sessions)} sessions that are away, restart after kill -9`;
  console.log(`\n${renderText({ title, columns: ["", ""], rows })}`);
  console.log(passed ? "PASS" : "FAIL");
  return passed ? 0 : 1;
}

runMain(main);
