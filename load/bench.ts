/**
 * The benchmark against peers, in one run: `npm run bench -- [--only http,mqtt-fanout,mqtt-qos1,mqtt-qos0] [--seconds N]
 * [--rounds N] [--subs 0,50,...] [--profile] [--write]`. A run of everything (or --write) regenerates load/RESULTS.md.
 */
import { runHttp } from "./bench/http.js";
import { runFanout, runQos0, runQos1 } from "./bench/mqtt.js";
import { writeResults } from "./bench/results.js";
import type { BenchOptions } from "./bench/rounds.js";
import { canPin } from "./lib/children.js";
import { Options } from "./lib/options.js";
import { runMain, setDeadline } from "./lib/support.js";
import { renderText, type Table } from "./lib/table.js";

const SCENARIOS = ["http", "mqtt-fanout", "mqtt-qos1", "mqtt-qos0"] as const;
const SUBSCRIBERS = [0, 50, 100, 500, 1000, 2000];
/** Everything around the measured seconds: starting, connecting, warming up, settling. */
const OVERHEAD_SECONDS_MAX = 120;

async function main(): Promise<number> {
  const given = new Options(["only", "seconds", "rounds", "subs"], ["profile", "write"]);
  const only = given.words("only", SCENARIOS);
  const subscribers = given.numbers("subs", SUBSCRIBERS);
  const options: BenchOptions = {
    rounds: given.number("rounds", 3),
    seconds: given.number("seconds", 5),
    profile: given.has("profile"),
  };
  const measurements = (subscribers.length * 2 + 9) * options.rounds;
  setDeadline(measurements * (options.seconds + OVERHEAD_SECONDS_MAX) * 1000, "bench");
  if (!canPin()) console.log("No taskset or only one core: server and load share all cores.");

  const run: Record<(typeof SCENARIOS)[number], () => Promise<Table>> = {
    http: () => runHttp(subscribers, options),
    "mqtt-fanout": () => runFanout(options),
    "mqtt-qos1": () => runQos1(options),
    "mqtt-qos0": () => runQos0(options),
  };
  const tables: Table[] = [];
  for (const scenario of only) tables.push(await run[scenario]());
  for (const table of tables) console.log(`\n${renderText(table)}`);
  const everything = !given.has("only") && !given.has("subs") && !options.profile;
  if (everything || given.has("write")) console.log(`\nwritten: ${writeResults(tables, options)}`);
  return 0;
}

runMain(main);
