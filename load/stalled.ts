/**
 * `npm run load -- [--sse 1000] [--mqtt 1000] [--stalled 20] [--seconds 60] [--baseline 15] [--rate 10] [--bytes 16384]`:
 * stalled subscribers cost a cursor, not memory, and slow nobody down. Exit code 1 when that is not so.
 */
import { canPin } from "./lib/children.js";
import { Options } from "./lib/options.js";
import { startServer } from "./lib/server.js";
import { runMain, setDeadline, temporaryDirectory } from "./lib/support.js";
import { formatMs, formatNumber, renderText } from "./lib/table.js";
import { keepsPace, RESIDENT_MIB_MAX, type StalledPlan } from "./stalled/plan.js";
import { runStalled, type StalledReport } from "./stalled/run.js";

const SERVER_CPU = 0;
const LOAD_CPU = 1;
const OVERHEAD_SECONDS_MAX = 300;
const FAULTS_SHOWN = 20;

function readPlan(): StalledPlan {
  const given = new Options(["sse", "mqtt", "stalled", "seconds", "baseline", "rate", "bytes"]);
  const stalled = given.number("stalled", 20, 0);
  return {
    sse: given.number("sse", 1000, 10),
    mqtt: given.number("mqtt", 1000, 10),
    stalledSse: Math.floor(stalled / 2),
    stalledMqtt: Math.ceil(stalled / 2),
    sampledEach: 5,
    qos1: 100,
    payloadBytes: given.number("bytes", 16 * 1024, 40),
    publishesPerSecond: given.number("rate", 10),
    baselineSeconds: given.number("baseline", 15),
    stalledSeconds: given.number("seconds", 60),
  };
}

interface Check {
  readonly name: string;
  readonly value: string;
  readonly limit: string;
  readonly pass: boolean;
}

function checksOf(report: StalledReport, stallers: number): Check[] {
  const latency = (of: { readonly p50Ms: number; readonly p99Ms: number }): string =>
    `${formatMs(of.p50Ms)} / ${formatMs(of.p99Ms)}`;
  const served = report.stalledEverything + report.stalledGap;
  return [
    {
      name: "resident memory, peak",
      value: `${formatNumber(report.peakResidentMib)} MiB`,
      limit: `< ${RESIDENT_MIB_MAX} MiB`,
      pass: report.peakResidentMib < RESIDENT_MIB_MAX,
    },
    {
      name: "SSE latency p50 / p99, with stalled ones",
      value: latency(report.sseStalled),
      limit: `without: ${latency(report.sseBaseline)}`,
      pass: keepsPace(report.sseBaseline, report.sseStalled),
    },
    {
      name: "MQTT latency p50 / p99, with stalled ones",
      value: latency(report.mqttStalled),
      limit: `without: ${latency(report.mqttBaseline)}`,
      pass: keepsPace(report.mqttBaseline, report.mqttStalled),
    },
    {
      name: "stalled ones that resumed: everything / explicit gap",
      value: `${report.stalledEverything} / ${report.stalledGap}`,
      limit: `${stallers} together`,
      pass: served === stallers,
    },
    {
      name: "of a stalled one's bytes, held by the kernel",
      value: `${(report.kernelHeldShare * 100).toFixed(1)}%`,
      limit: "< 90%",
      pass: report.kernelHeldShare < 0.9,
    },
    {
      name: "faults of sampled and stalled subscribers",
      value: formatNumber(report.faults.length),
      limit: "0",
      pass: report.faults.length === 0,
    },
    {
      name: "bytes that the crowd received, of those due",
      value: `${(report.crowdShare * 100).toFixed(1)}%`,
      limit: ">= 100%",
      pass: report.crowdShare >= 1,
    },
    {
      name: "connections of the crowd that were closed",
      value: formatNumber(report.crowdClosed),
      limit: "0",
      pass: report.crowdClosed === 0,
    },
  ];
}

async function main(): Promise<number> {
  const plan = readPlan();
  const seconds = plan.baselineSeconds + plan.stalledSeconds;
  setDeadline((seconds * 3 + OVERHEAD_SECONDS_MAX) * 1000, "stalled subscribers");
  if (!canPin()) console.log("No taskset or only one core: server and load share all cores.");
  const server = await startServer({ dataDir: temporaryDirectory("stalled"), cpu: SERVER_CPU });
  const report = await runStalled(server, plan, LOAD_CPU, (line) => console.log(line));
  await server.child.stop("SIGTERM");

  const checks = checksOf(report, plan.stalledSse + plan.stalledMqtt);
  const rows = checks.map(({ name, value, limit, pass }) => [name, value, limit, pass ? "PASS" : "FAIL"]);
  const title = `${plan.sse} SSE and ${plan.mqtt} MQTT subscribers, ${plan.stalledSse + plan.stalledMqtt} stalled, ${plan.payloadBytes} bytes at ${plan.publishesPerSecond}/s for ${plan.stalledSeconds} s`;
  const notes = [
    `${report.published} published, at most ${formatMs(report.publisherLateMs)} behind schedule; the others drained ${formatNumber(report.crowdMib)} MiB; the stalled ones took ${formatMs(report.catchUpMs)} to catch up.`,
    `resident MiB each second: ${report.residentMib.map((mib) => mib.toFixed(0)).join(" ")}`,
    ...report.faults.slice(0, FAULTS_SHOWN),
  ];
  console.log(`\n${renderText({ title, columns: ["", "measured", "limit", ""], rows, notes })}`);
  const passed = checks.every(({ pass }) => pass);
  console.log(passed ? "PASS" : "FAIL");
  return passed ? 0 : 1;
}

runMain(main);
