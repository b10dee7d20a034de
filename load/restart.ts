/**
 * `npm run load:restart -- [--messages 1000000] [--restarts 3]`: fills a node with many messages (big batches, small batches
 * and single publishes, over many topics), kills it, and measures from spawn to ready. Everything must still be there.
 */
import { readHistory } from "./lib/history-pages.js";
import { HttpConnection, topicPath } from "./lib/http-client.js";
import { Loader } from "./lib/loader.js";
import { Options } from "./lib/options.js";
import { type Server, startServer } from "./lib/server.js";
import { median } from "./lib/statistics.js";
import { runMain, setDeadline, temporaryDirectory } from "./lib/support.js";
import { formatMs, formatNumber, renderText } from "./lib/table.js";
import type { Qos1Args, Qos1Report } from "./loaders/mqtt-qos1.js";

const TARGET_MS = 5_000;
const DEADLINE_MS = 900_000;
const TOPICS = 100;
const SINGLES_TOPICS = 20;
const SINGLES_PREFIX = "restart/single";
/** Of the messages that are not single ones: half in batches of each of these sizes. */
const BATCH_SIZES = [1000, 10] as const;
const CONNECTIONS = 8;

/** Single publishes at QoS 1 for a while, from several connections with a small window: many small log entries. */
async function publishSingles(server: Server): Promise<number> {
  const loader = await Loader.start("mqtt-qos1");
  const args: Qos1Args = {
    ...server.mqtt,
    topicPrefix: SINGLES_PREFIX,
    publishers: SINGLES_TOPICS,
    window: 2,
    payloadBytes: 100,
    warmUpMs: 0,
    measureMs: 2_000,
  };
  try {
    const report = await loader.ask<Qos1Report>("run", args, 60_000);
    if (report.acknowledged !== report.published)
      throw new Error("single publishes were not all acknowledged");
    return report.acknowledged;
  } finally {
    await loader.stop();
  }
}

function batchBody(size: number, first: number): string {
  let body = "";
  for (let at = 0; at < size; at++) body += `{"number":${first + at},"pad":"${"x".repeat(72)}"}\n`;
  return body;
}

/** NDJSON batches over all topics until `count` messages are acknowledged. */
async function publishBatches(server: Server, size: number, count: number): Promise<number> {
  let left = Math.ceil(count / size);
  let batch = 0;
  const headers = { "content-type": "application/x-ndjson" };
  const lane = async (): Promise<void> => {
    const connection = new HttpConnection(server.http);
    while (left > 0) {
      left -= 1;
      batch += 1;
      const path = `${topicPath(`restart/batch/${batch % TOPICS}`)}/messages`;
      const answer = await connection.ask("POST", path, batchBody(size, batch * size), headers);
      if (answer.status !== 201) throw new Error(`a batch was answered ${answer.status} ${answer.body}`);
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, lane));
  return batch * size;
}

async function fill(server: Server, messages: number): Promise<number> {
  let count = await publishSingles(server);
  console.log(`${formatNumber(count)} single publishes`);
  const half = Math.max(0, messages - count) / BATCH_SIZES.length;
  for (const [at, size] of BATCH_SIZES.entries()) {
    const due = at === BATCH_SIZES.length - 1 ? messages - count : half;
    const published = await publishBatches(server, size, Math.max(0, due));
    count += published;
    console.log(`${formatNumber(published)} in batches of ${size}`);
  }
  return count;
}

/** Reads everything back: the number of messages, with contiguous offsets in each topic. */
async function countStored(server: Server): Promise<number> {
  const connection = new HttpConnection(server.http);
  const topics = [
    ...Array.from({ length: TOPICS }, (_, at) => `restart/batch/${at}`),
    ...Array.from({ length: SINGLES_TOPICS }, (_, at) => `${SINGLES_PREFIX}/${at}`),
  ];
  let count = 0;
  for (const topic of topics) {
    let due = 0;
    await readHistory(connection, topic, ({ offset }) => {
      if (offset !== due) throw new Error(`${topic}: offset ${offset} where ${due} is due`);
      due += 1;
    });
    count += due;
  }
  connection.close();
  return count;
}

async function main(): Promise<number> {
  const given = new Options(["messages", "restarts"]);
  const messages = given.number("messages", 1_000_000);
  const restarts = given.number("restarts", 3);
  setDeadline(DEADLINE_MS, "restart");
  const dataDir = temporaryDirectory("restart");
  let server = await startServer({ dataDir });
  const published = await fill(server, messages);
  const readyMs: number[] = [];
  for (let restart = 0; restart < restarts; restart++) {
    await server.child.stop("SIGKILL");
    server = await startServer({ dataDir });
    readyMs.push(server.readyMs);
    console.log(`restart ${restart + 1}: ready after ${formatMs(server.readyMs)}`);
  }
  const stored = await countStored(server);
  await server.child.stop("SIGTERM");
  const longest = Math.max(...readyMs);
  const passed = longest < TARGET_MS && stored === published;
  const rows = [
    ["messages acknowledged", formatNumber(published)],
    ["messages there after the restarts", formatNumber(stored)],
    ["spawn to ready, median", formatMs(median(readyMs))],
    ["spawn to ready, longest", formatMs(longest)],
    ["limit", formatMs(TARGET_MS)],
  ];
  console.log(`\n${renderText({ title: "Restart after kill -9", columns: ["", ""], rows })}`);
  console.log(passed ? "PASS" : "FAIL");
  return passed ? 0 : 1;
}

runMain(main);
