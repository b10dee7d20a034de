/**
 * `npm run test:conformance -- [--paho DIR] [--mosquitto DIR] [--mqttjs DIR] [--only paho-5,...] [--broker HOST:PORT] [--json FILE]`:
 * suites of others, from checkouts of theirs, and our own, against a node of ours or a broker that runs already. Exit code 1 when
 * something fails that we do not fail on purpose.
 */
import { writeFileSync } from "node:fs";
import { runClientSession } from "./conformance/client-session/suite.js";
import { runMqttjs } from "./conformance/mqttjs/suite.js";
import { CLIENT_SESSION, MQTTJS_TESTS, PAHO_5, PAHO_311, SEQUENCES } from "./conformance/names.js";
import { PAHO_FLAGS, runPaho } from "./conformance/paho/suite.js";
import { notRun, type SuiteReport, verdictOf } from "./conformance/report.js";
import { runSequences } from "./conformance/sequences/suite.js";
import { Options } from "./lib/options.js";
import { type Address, startServer } from "./lib/server.js";
import { runMain, setDeadline, temporaryDirectory } from "./lib/support.js";
import { renderText } from "./lib/table.js";

const SUITES = ["paho-3.1.1", "paho-5", "sequences", "client-session", "mqttjs"] as const;
type Suite = (typeof SUITES)[number];
const SECONDS_MAX = 1_800;

interface Target {
  readonly address: Address;
  stop(): Promise<unknown>;
}

function addressOf(text: string): Address {
  const colon = text.lastIndexOf(":");
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
}

/** A node of its own for each suite: what one leaves behind is no other's business. */
async function startTarget(broker: string): Promise<Target> {
  if (broker !== "") return { address: addressOf(broker), stop: async () => undefined };
  const { child, mqtt } = await startServer({
    dataDir: temporaryDirectory("conformance"),
    flags: PAHO_FLAGS,
  });
  return { address: mqtt, stop: () => child.stop() };
}

/** What each suite needs, and how it runs. */
interface Entry {
  readonly name: string;
  /** The option that names the checkout; null for what is ours. */
  readonly checkout: "paho" | "mosquitto" | "mqttjs" | null;
  readonly run: (checkout: string, address: Address) => Promise<SuiteReport>;
}

const CATALOGUE: Readonly<Record<Suite, Entry>> = {
  "paho-3.1.1": {
    name: PAHO_311,
    checkout: "paho",
    run: (checkout, address) => runPaho(PAHO_311, checkout, address),
  },
  "paho-5": {
    name: PAHO_5,
    checkout: "paho",
    run: (checkout, address) => runPaho(PAHO_5, checkout, address),
  },
  sequences: { name: SEQUENCES, checkout: "mosquitto", run: runSequences },
  "client-session": {
    name: CLIENT_SESSION,
    checkout: null,
    run: (_, address) => runClientSession(address),
  },
  mqttjs: { name: MQTTJS_TESTS, checkout: "mqttjs", run: runMqttjs },
};

async function runSuite({ name, checkout, run }: Entry, given: Options): Promise<SuiteReport> {
  const directory = checkout === null ? "" : given.text(checkout, "");
  if (checkout !== null && directory === "") return notRun(name, `no --${checkout} DIR`);
  console.log(`${name}:`);
  const target = await startTarget(given.text("broker", ""));
  try {
    return await run(directory, target.address);
  } finally {
    await target.stop();
  }
}

async function main(): Promise<number> {
  const given = new Options(["paho", "mosquitto", "mqttjs", "only", "broker", "json"]);
  setDeadline(SECONDS_MAX * 1000, "conformance");
  const reports: SuiteReport[] = [];
  for (const suite of given.words("only", SUITES)) reports.push(await runSuite(CATALOGUE[suite], given));
  const verdict = verdictOf(reports);
  console.log(`\n${[...verdict.lines, "", renderText(verdict.table)].join("\n")}`);
  const file = given.text("json", "");
  if (file !== "") writeFileSync(file, `${JSON.stringify(reports, null, 2)}\n`);
  return verdict.clean ? 0 : 1;
}

runMain(main);
