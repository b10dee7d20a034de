/**
 * `npm run test:compose`: brings docker-compose.cluster.yml up with a running container engine, lets clients write and read through
 * the load balancer while the leader and a follower are killed, cut off and paused, and holds what they got against what they were
 * promised. Images come from the same variables as the compose file's (BASE_IMAGE, LB_IMAGE, BROKER_IMAGE); ports are free ones.
 */
import { EventReader, HttpWriter, MqttReader, MqttWriter } from "./compose/clients.js";
import { Engine } from "./compose/engine.js";
import { Faults } from "./compose/faults.js";
import { atLeastOnce, exactlyOnceComplaints, longestPause, streamComplaints } from "./compose/verdict.js";
import { Options } from "./lib/options.js";
import { delay, freePort, runMain, setDeadline, waitUntil } from "./lib/support.js";

const PROJECT = "jangada-check";
const DEADLINE_MS = 900_000;
const UP_TIMEOUT_MS = 600_000;
const HEALTHY_TIMEOUT_MS = 90_000;
const STEADY_MS = 3_000;
const DRAIN_TIMEOUT_MS = 20_000;
/** Election (1 s at most), the balancer's notice (2 s) and a client's own reconnect. */
const STALL_LIMIT_MS = 8_000;
const TOPICS = { http: "compose/http", mqtt: "compose/mqtt" };

/** PASS and FAIL lines. */
class Report {
  #failures = 0;

  get failures(): number {
    return this.#failures;
  }

  check(what: string, complaints: readonly string[], detail = ""): void {
    if (complaints.length > 0) this.#failures += 1;
    const word = complaints.length === 0 ? "PASS" : "FAIL";
    const why = complaints.length === 0 ? detail : complaints.join("; ");
    console.log(`${word}  ${what}${why === "" ? "" : `: ${why}`}`);
  }
}

interface Clients {
  readonly http: HttpWriter;
  readonly mqtt: MqttWriter;
  readonly reader: MqttReader;
  readonly events: EventReader;
}

async function openClients(base: string, mqttUrl: string): Promise<Clients> {
  const events = await EventReader.open(base, Object.values(TOPICS));
  const reader = await MqttReader.open(mqttUrl, TOPICS.http);
  const mqtt = await MqttWriter.open(mqttUrl);
  const http = new HttpWriter(base, TOPICS.http);
  http.start();
  mqtt.start(TOPICS.mqtt);
  return { http, mqtt, reader, events };
}

async function bringUp(engine: Engine, faults: Faults, base: string, report: Report): Promise<boolean> {
  await engine.compose(["down", "--volumes", "--remove-orphans"]);
  const startedAt = performance.now();
  await engine.compose(["up", "--detach"], UP_TIMEOUT_MS);
  const allHealthy = await waitUntil(() => faults.allHealthy(), HEALTHY_TIMEOUT_MS, 500);
  const reached = await waitUntil(
    () =>
      fetch(`${base}/readyz`)
        .then(({ ok }) => ok)
        .catch(() => false),
    HEALTHY_TIMEOUT_MS,
    200,
  );
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  report.check("three nodes are healthy", allHealthy ? [] : [`not after ${seconds} s`], `after ${seconds} s`);
  report.check("the load balancer finds them", reached ? [] : ["no answer"]);
  return allHealthy && reached;
}

/** One fault under load: how long writers and the stream stood still, and that the group is whole again. */
async function suffer(
  what: string,
  faults: Faults,
  clients: Clients,
  report: Report,
  fault: () => Promise<() => Promise<void>>,
): Promise<void> {
  const fromMs = performance.now();
  const opensBefore = clients.events.opens;
  const heal = await fault();
  const progressed = await waitUntil(
    () => progressSince(clients, performance.now() - 1_000),
    STALL_LIMIT_MS,
    100,
  );
  await delay(STEADY_MS);
  await heal();
  const whole = await waitUntil(() => faults.allHealthy(), HEALTHY_TIMEOUT_MS, 500);
  await delay(STEADY_MS);
  const stalls = {
    HTTP: longestPause(clients.http.ackedAtMs, fromMs),
    MQTT: longestPause(clients.mqtt.ackedAtMs, fromMs),
    stream: longestPause(clients.events.receivedAtMs, fromMs),
  };
  const complaints = Object.entries(stalls)
    .filter(([, stallMs]) => stallMs > STALL_LIMIT_MS)
    .map(([who, stallMs]) => `${who} stood still for ${Math.round(stallMs)} ms`);
  if (!progressed) complaints.push(`not everybody went on within ${STALL_LIMIT_MS} ms`);
  if (!whole) complaints.push("the group did not become whole again");
  if (clients.events.gaveUp !== null) complaints.push(`the EventSource gave up: ${clients.events.gaveUp}`);
  const figures = Object.entries(stalls).map(([who, stallMs]) => `${who} ${Math.round(stallMs)} ms`);
  const reopened = clients.events.opens - opensBefore;
  report.check(what, complaints, `longest pause: ${figures.join(", ")}; stream reconnects: ${reopened}`);
}

/** Whether everybody has moved in the last second. */
function progressSince({ http, mqtt, events }: Clients, sinceMs: number): boolean {
  return [http.ackedAtMs, mqtt.ackedAtMs, events.receivedAtMs].every(
    (moments) => (moments.at(-1) ?? 0) > sinceMs,
  );
}

/** Everything was read, once, in order; and every node says the same. */
async function judge(clients: Clients, faults: Faults, report: Report): Promise<void> {
  const { http, mqtt, events, reader } = clients;
  await http.stop();
  mqtt.pause();
  await waitUntil(() => mqtt.acked.size === mqtt.sent, DRAIN_TIMEOUT_MS);
  const payloadsOf = (topic: string): string[] =>
    events.received.filter((message) => message.topic === topic).map(({ payload }) => payload);
  await waitUntil(() => payloadsOf(TOPICS.http).length >= http.written.length, DRAIN_TIMEOUT_MS);
  await waitUntil(
    () => atLeastOnce(payloadsOf(TOPICS.mqtt), mqtt.acked).complaints.length === 0,
    DRAIN_TIMEOUT_MS,
  );
  report.check(
    "the EventSource got every event once, offsets contiguous",
    [...streamComplaints(events.received), ...events.gaps.map((gap) => `a gap: ${gap}`)],
    `${events.received.length} events over ${events.opens} connections`,
  );
  const repeats = [...http.repeats].map(([what, times]) => `${times} x ${what}`).join(", ");
  report.check(
    "what HTTP acknowledged is there exactly once, in order",
    exactlyOnceComplaints(payloadsOf(TOPICS.http), http.written),
    `${http.written.length} messages; repeated after ${repeats === "" ? "nothing" : repeats}`,
  );
  const { complaints, doubles } = atLeastOnce(payloadsOf(TOPICS.mqtt), mqtt.acked);
  const pending = mqtt.sent - mqtt.acked.size;
  report.check(
    "what MQTT acknowledged is there",
    pending > 0 ? [...complaints, `${pending} were never acknowledged`] : complaints,
    `${mqtt.acked.size} messages over ${mqtt.connects} connections; ${doubles} sent again by the client`,
  );
  const heard = new Set(reader.payloads);
  const last = http.written.at(-1) ?? "";
  report.check(
    "the MQTT subscriber hears again after every fault",
    heard.has(last) ? [] : [`it did not hear ${last}`],
    `${heard.size} of ${http.written.length} while it was connected`,
  );
  const counts = await faults.messageCounts(TOPICS.http);
  const wrong = counts.filter(([, count]) => count !== String(http.written.length));
  report.check(
    "every node has them",
    wrong.map(([service, count]) => `${service} has ${count} of ${http.written.length}`),
    counts.map(([service, count]) => `${service} ${count}`).join(", "),
  );
}

async function main(): Promise<number> {
  const given = new Options([], ["keep"]);
  setDeadline(DEADLINE_MS, "test:compose");
  const ports = { MQTT_PORT: String(await freePort()), HTTP_PORT: String(await freePort()) };
  const base = `http://127.0.0.1:${ports.HTTP_PORT}`;
  const engine = await Engine.find(PROJECT, ports);
  console.log(await engine.describe());
  const faults = new Faults(engine, PROJECT);
  const report = new Report();
  let clients: Clients | null = null;
  try {
    if (!(await bringUp(engine, faults, base, report))) {
      console.log(await engine.compose(["logs", "--tail", "20"]));
      return 1;
    }
    const opened = await openClients(base, `mqtt://127.0.0.1:${ports.MQTT_PORT}`);
    clients = opened;
    await delay(STEADY_MS);
    for (const who of ["leader", "follower"] as const) {
      for (const [what, fault] of faults.all(who)) await suffer(what, faults, opened, report, fault);
    }
    await suffer("docker restart of the load balancer", faults, opened, report, () =>
      faults.restartBalancer(),
    );
    await judge(opened, faults, report);
  } finally {
    clients?.events.close();
    await clients?.reader.close();
    await clients?.mqtt.close();
    if (!given.has("keep")) await engine.compose(["down", "--volumes", "--remove-orphans"]);
  }
  console.log(report.failures === 0 ? "PASS" : `FAIL: ${report.failures} checks`);
  return report.failures === 0 ? 0 : 1;
}

runMain(main);
