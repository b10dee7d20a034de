/**
 * MQTT.js's own client tests against a broker, from a checkout of it with its dependencies installed. Its tests play with a server of
 * their own; where that server only does what every broker does, a gateway puts the broker in its place.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Child } from "../../lib/children.js";
import { builtFile } from "../../lib/paths.js";
import type { Address } from "../../lib/server.js";
import { MQTTJS_TESTS } from "../names.js";
import { type Failure, notRun, type Skipped, type SuiteReport } from "../report.js";
import { type Outcome, Outcomes, testLine } from "./lines.js";

const FILES = ["client.ts", "client_mqtt5.ts", "unique_message_id_provider_client.ts"];
const FILE_MS_MAX = 300_000;

const OWN_SERVER = "speaks to a server with a part of its own to play, which no broker has";
const FAILS_ANYWAY = "fails on this machine with its own server, too";

/** Runs one file; with an address its default server is the broker there. */
async function runFile(checkout: string, file: string, broker: Address | null): Promise<Outcomes> {
  const outcomes = new Outcomes();
  const args = [builtFile("load", "conformance", "mqttjs", "gateway.js"), join("test", "node", file)];
  const address = broker === null ? "" : `${broker.host}:${broker.port}`;
  const child = await Child.start(process.execPath, args, {
    cwd: checkout,
    env: { CONFORMANCE_BROKER: address },
  });
  child.onLine((text) => {
    const line = testLine(text);
    if (line !== undefined) outcomes.add(line);
  });
  const timer = setTimeout(() => child.signal("SIGKILL"), FILE_MS_MAX);
  await child.exited;
  clearTimeout(timer);
  if (outcomes.all.size === 0) throw new Error(`${file}: ${child.tail}`);
  return outcomes;
}

interface Tally {
  passed: number;
  readonly failures: Failure[];
  readonly skipped: Skipped[];
}

/**
 * Those that fail are tried again (many give themselves a second, and machines are busy), and then with their own server, which tells
 * whether the broker is why.
 */
async function judge(
  checkout: string,
  file: string,
  broker: Address,
  { all }: Outcomes,
  tally: Tally,
): Promise<void> {
  const hasFailed = ({ passed, relayed }: Outcome): boolean => relayed && passed !== true;
  const anyFailed = [...all.values()].some(hasFailed);
  const again = anyFailed ? await runFile(checkout, file, broker) : new Outcomes();
  const own = anyFailed ? await runFile(checkout, file, null) : new Outcomes();
  for (const [test, outcome] of all) {
    const name = `${file} ${test}`;
    const alone = own.all.get(test);
    if (!outcome.relayed) tally.skipped.push({ name, reason: OWN_SERVER });
    else if (!hasFailed(outcome) || again.all.get(test)?.passed === true) tally.passed += 1;
    else if (alone !== undefined && alone.passed !== true) tally.skipped.push({ name, reason: FAILS_ANYWAY });
    else tally.failures.push({ name, detail: outcome.detail.split("\n")[0] ?? "" });
  }
}

export async function runMqttjs(checkout: string, broker: Address): Promise<SuiteReport> {
  if (!existsSync(join(checkout, "test", "node")))
    return notRun(MQTTJS_TESTS, `${checkout}/test/node is not there`);
  if (!existsSync(join(checkout, "node_modules")))
    return notRun(MQTTJS_TESTS, "its dependencies are not installed");
  const tally: Tally = { passed: 0, failures: [], skipped: [] };
  for (const file of FILES) {
    const outcomes = await runFile(checkout, file, broker);
    await judge(checkout, file, broker, outcomes, tally);
    console.log(`  ${file}: ${outcomes.all.size} tests, ${tally.passed} passed against the broker so far`);
  }
  return { suite: MQTTJS_TESTS, ...tally, notRun: null, notes: [] };
}
