/**
 * `npm run test:compose`: brings docker-compose.cluster.yml up with a running container engine, lets clients write and read through
 * the load balancer while the leader and a follower are killed, cut off and paused, and holds what they got against what they were
 * promised. `-- --only TEXT` does only what has the text in its name, `--keep` leaves the containers. Images come from the same variables as the compose file's (BASE_IMAGE, LB_IMAGE, BROKER_IMAGE); ports are free ones.
 */
import { EventReader, HttpWriter, MqttReader, MqttWriter } from "./compose/clients.js";
import { Engine } from "./compose/engine.js";
import { Faults, type Victim } from "./compose/faults.js";
import { atLeastOnce, exactlyOnceComplaints, longestPause, streamComplaints } from "./compose/verdict.js";
import { Options } from "./lib/options.js";
import { delay, freePort, runMain, setDeadline, waitUntil } from "./lib/support.js";

const PROJECT = "jangada-check";
const DEADLINE_MS = 900_000;
const UP_TIMEOUT_MS = 600_000;
const HEALTHY_TIMEOUT_MS = 90_000;
const STEADY_MS = 3_000;
const MOVED_MS = 1_000;
const STREAM_TRIES = 6;
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

  note(what: string): void {
    console.log(`      ${what}`);
  }

  check(what: string, complaints: readonly string[], detail = ""): void {
    if (complaints.length > 0) this.#failures += 1;
    const word = complaints.length === 0 ? "PASS" : "FAIL";
    const why = complaints.length === 0 ? detail : complaints.join("; ");
    console.log(`${word}  ${what}${why === "" ? "" : `: ${why}`}`);
  }
}

interface Clients {
  readonly base: string;
  readonly http: HttpWriter;
  readonly mqtt: MqttWriter;
  readonly reader: MqttReader;
  /** One at first; more come, so that every node that something is done to has one. */
  readonly events: EventReader[];
}

/** Who takes part in a fault. */
interface Stage {
  readonly faults: Faults;
  readonly clients: Clients;
  readonly report: Report;
}

async function openClients(base: string, mqttUrl: string): Promise<Clients> {
  const events = [await EventReader.open(base, Object.values(TOPICS))];
  const reader = await MqttReader.open(mqttUrl, TOPICS.http);
  const mqtt = await MqttWriter.open(mqttUrl);
  const http = new HttpWriter(base, TOPICS.http);
  http.start();
  mqtt.start(TOPICS.mqtt);
  return { base, http, mqtt, reader, events };
}

/** The balancer gives a new stream to the node with the fewest: a few new ones, and the victim has one. */
async function giveStream(victim: Victim, faults: Faults, { base, events }: Clients): Promise<void> {
  for (let tries = 0; (await faults.streamsOn(victim)) === 0; tries++) {
    if (tries === STREAM_TRIES) throw new Error(`the balancer gives ${victim.service} no stream`);
    events.push(await EventReader.open(base, Object.values(TOPICS)));
  }
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

/**
 * One fault under load: how long writers and streams stood still, and that the group is whole again. While a minority suffers, the
 * others go on; when it is the majority, everybody goes on after it is healed.
 */
async function suffer(
  what: string,
  { faults, clients, report }: Stage,
  fault: () => Promise<() => Promise<void>>,
  sufferer: "minority" | "majority" = "minority",
): Promise<void> {
  const { events } = clients;
  const opens = (): number => events.reduce((sum, reader) => sum + reader.opens, 0);
  const opensBefore = opens();
  const fromMs = performance.now();
  const heal = await fault();
  const goOn = (): Promise<boolean> =>
    waitUntil(() => haveMoved(clients, performance.now() - MOVED_MS), STALL_LIMIT_MS, 100);
  const complaints: string[] = [];
  const isOutvoted = sufferer === "majority";
  if (!isOutvoted && !(await goOn())) complaints.push(`not everybody went on within ${STALL_LIMIT_MS} ms`);
  await delay(STEADY_MS);
  await heal().catch((error: unknown) => complaints.push(String(error)));
  const whole = await waitUntil(() => faults.allHealthy(), HEALTHY_TIMEOUT_MS, 500);
  if (!whole) complaints.push("the group did not become whole again");
  if (!(await goOn()))
    complaints.push(`not everybody went on within ${STALL_LIMIT_MS} ms after it was healed`);
  await delay(STEADY_MS);
  const stalls = {
    HTTP: longestPause(clients.http.ackedAtMs, fromMs),
    MQTT: longestPause(clients.mqtt.ackedAtMs, fromMs),
    streams: Math.max(...events.map(({ receivedAtMs }) => longestPause(receivedAtMs, fromMs))),
  };
  for (const [who, stallMs] of Object.entries(stalls)) {
    if (stallMs > STALL_LIMIT_MS && !isOutvoted)
      complaints.push(`${who} stood still for ${Math.round(stallMs)} ms`);
  }
  for (const { gaveUp } of events) if (gaveUp !== null) complaints.push(`an EventSource gave up: ${gaveUp}`);
  const reconnects = opens() - opensBefore;
  if (reconnects === 0) complaints.push("no EventSource had to come back: nothing was proven");
  const figures = Object.entries(stalls).map(([who, stallMs]) => `${who} ${Math.round(stallMs)} ms`);
  report.check(
    what,
    complaints,
    `longest pause: ${figures.join(", ")}; streams that came back: ${reconnects}`,
  );
}

/** Whether everybody got on since then. */
function haveMoved({ http, mqtt, events }: Clients, sinceMs: number): boolean {
  const moments = [http.ackedAtMs, mqtt.ackedAtMs, ...events.map(({ receivedAtMs }) => receivedAtMs)];
  return moments.every((moment) => (moment.at(-1) ?? 0) > sinceMs);
}

function payloadsOf({ received }: EventReader, topic: string): string[] {
  return received.filter((message) => message.topic === topic).map(({ payload }) => payload);
}

/** Ends the writers and waits until every reader has what they wrote. */
async function drain({ http, mqtt, events }: Clients): Promise<void> {
  await http.stop();
  mqtt.pause();
  await waitUntil(() => mqtt.pending === 0, DRAIN_TIMEOUT_MS);
  const hasAll = (reader: EventReader): boolean =>
    payloadsOf(reader, TOPICS.http).length >= http.written.length &&
    atLeastOnce(payloadsOf(reader, TOPICS.mqtt), mqtt.acked).complaints.length === 0;
  await waitUntil(() => events.every(hasAll), DRAIN_TIMEOUT_MS, 200);
  // What comes twice may come late.
  await delay(MOVED_MS);
}

/** Every stream gave everything once, in order. */
function judgeStreams({ http, mqtt, events }: Clients, report: Report): void {
  for (const [at, reader] of events.entries()) {
    report.check(
      `EventSource ${at + 1} got every event once, offsets contiguous`,
      [...streamComplaints(reader.received), ...reader.gaps.map((gap) => `a gap: ${gap}`)],
      `${reader.received.length} events over ${reader.opens} connections`,
    );
    report.check(
      `EventSource ${at + 1} got exactly what HTTP acknowledged, in order`,
      exactlyOnceComplaints(payloadsOf(reader, TOPICS.http), http.written),
    );
    const { complaints, doubles } = atLeastOnce(payloadsOf(reader, TOPICS.mqtt), mqtt.acked);
    const again = `${doubles} were sent again by the client when its connection broke`;
    report.check(`EventSource ${at + 1} got all that MQTT acknowledged`, complaints, again);
  }
}

/** The writers got their answers, and every node says the same. */
async function judgeWriters(clients: Clients, faults: Faults, report: Report): Promise<void> {
  const { http, mqtt, reader } = clients;
  const repeats = [...http.repeats].map(([what, times]) => `${times} x ${what}`).join(", ");
  report.note(
    `${http.written.length} publishes over HTTP; repeated after ${repeats === "" ? "nothing" : repeats}`,
  );
  report.check(
    "every MQTT publish was acknowledged, or given up by the client's library",
    mqtt.pending > 0 ? [`nothing is known of ${mqtt.pending}`] : [],
    `${mqtt.acked.size} acknowledged over ${mqtt.connects} connections, ${mqtt.failed} given up`,
  );
  const heard = new Set(reader.payloads);
  const last = http.written.at(-1) ?? "";
  report.check(
    "an MQTT subscriber hears again after every fault",
    heard.has(last) ? [] : [`it did not hear ${last}`],
    `${heard.size} of ${http.written.length} came while it was connected`,
  );
  const counts = await faults.messageCounts(TOPICS.http);
  const wrong = counts.filter(([, count]) => count !== String(http.written.length));
  report.check(
    "every node has all of them",
    wrong.map(([service, count]) => `${service} has ${count} of ${http.written.length}`),
    counts.map(([service, count]) => `${service} ${count}`).join(", "),
  );
}

/** Everything that is done to the group, one after another; or what has `only` in its name. */
async function sufferAll(stage: Stage, only: string): Promise<void> {
  const { faults, clients } = stage;
  for (const role of ["leader", "follower"] as const) {
    for (const [name, fault] of faults.all) {
      const what = `${name} of the ${role}`;
      if (!what.includes(only)) continue;
      const victim = await faults.choose(role);
      await giveStream(victim, faults, clients);
      await suffer(what, stage, () => fault(victim));
    }
  }
  const balancer = "docker restart of the load balancer";
  if (balancer.includes(only)) await suffer(balancer, stage, () => faults.restartBalancer());
  const majority = "docker pause of two nodes of three";
  if (majority.includes(only)) await suffer(majority, stage, () => faults.pauseMajority(), "majority");
}

async function main(): Promise<number> {
  const given = new Options(["only"], ["keep"]);
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
    await sufferAll({ faults, clients: opened, report }, given.text("only", "docker"));
    await drain(opened);
    judgeStreams(opened, report);
    await judgeWriters(opened, faults, report);
  } finally {
    for (const reader of clients?.events ?? []) reader.close();
    await clients?.reader.close();
    await clients?.mqtt.close();
    if (!given.has("keep")) await engine.compose(["down", "--volumes", "--remove-orphans"]);
  }
  console.log(report.failures === 0 ? "PASS" : `FAIL: ${report.failures} checks`);
  return report.failures === 0 ? 0 : 1;
}

runMain(main);
