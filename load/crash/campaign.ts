/**
 * The kill -9 campaign: publishers of three kinds and two subscribers, a node that is killed at a random moment of every
 * round and started again on the same directory, and a complete check from outside after each restart.
 */
import { HttpConnection, topicPath } from "../lib/http-client.js";
import { type Server, type ServerOptions, startServer } from "../lib/server.js";
import { delay, seededRandom, waitUntil } from "../lib/support.js";
import {
  checkSameOrder,
  checkStore,
  checkStream,
  type Stored,
  type StoredTopics,
  type Violation,
} from "./checker.js";
import { Follower } from "./follower.js";
import { History } from "./history.js";
import { type Publisher, publisherMix } from "./publishers.js";
import { readStored } from "./stored.js";

export interface CampaignOptions {
  readonly rounds: number;
  /** Acknowledged publishes of one round, before and after its kill together. */
  readonly publishes: number;
  /** Decides the moments of the kills. */
  readonly seed: number;
  readonly dataDir: string;
  readonly log: (line: string) => void;
}

export interface CampaignReport {
  readonly violations: readonly Violation[];
  readonly attempted: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly stored: number;
  /** Messages that were never answered and are there nevertheless: allowed, and a sign that the kills hit something. */
  readonly storedUnanswered: number;
  /** Acknowledged, by kind of publisher. */
  readonly acknowledgedByKind: ReadonlyMap<string, number>;
  readonly restartMs: readonly number[];
}

const TOPICS = ["crash/a", "crash/b", "crash/c/deep/er", "crash/praça", "other", "crash/a/1"];
const EXACT_TOPIC = "crash/praça";
/** The kill comes between these shares of a round's acknowledgements, and up to so many milliseconds later. */
const KILL_SHARES = [0.1, 0.9] as const;
const KILL_JITTER_MS = 20;
const PHASE_TIMEOUT_MS = 120_000;
const CATCH_UP_TIMEOUT_MS = 60_000;

class Campaign {
  readonly #options: CampaignOptions;
  readonly #random: () => number;
  readonly #history = new History();
  readonly #publishers: readonly Publisher[] = publisherMix();
  readonly #violations: Violation[] = [];
  readonly #restartMs: number[] = [];
  #followers: readonly Follower[] = [];
  #topics: StoredTopics = new Map();

  constructor(options: CampaignOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  async run(): Promise<CampaignReport> {
    const { dataDir, rounds } = this.#options;
    let server = await startServer({ dataDir });
    try {
      // The same ports after each restart: a subscriber comes back to the address that it knows.
      const again: ServerOptions = { dataDir, httpPort: server.http.port, mqttPort: server.mqtt.port };
      await this.#startFollowers(server);
      for (let round = 1; round <= rounds && this.#violations.length === 0; round++) {
        await this.#publishUntilKilled(server);
        server = await startServer(again);
        this.#restartMs.push(server.readyMs);
        const killedAt = this.#history.acknowledgedCount;
        await this.#checkAll(server, `round ${round} after the kill`);
        const isShort = (): boolean => this.#history.acknowledgedCount < round * this.#options.publishes;
        await this.#publish(server, isShort);
        if (isShort()) throw new Error(`the publishers lost their connections\n${server.child.tail}`);
        this.#options.log(
          `round ${round}: killed with ${killedAt} acknowledged, ready again in ${server.readyMs.toFixed(0)} ms, ${this.#history.acknowledgedCount} acknowledged, ${this.#violations.length} violations`,
        );
      }
      await this.#checkAll(server, "end");
      await this.#checkReplay(server);
    } finally {
      for (const follower of this.#followers) follower.stop();
      await server.child.stop("SIGKILL");
    }
    return this.#report();
  }

  async #startFollowers({ http }: Server): Promise<void> {
    this.#followers = [
      new Follower("subscriber of #", () => [http], `${topicPath("#")}/stream`, null),
      new Follower(
        `subscriber of ${EXACT_TOPIC}`,
        () => [http],
        `${topicPath(EXACT_TOPIC)}/stream`,
        EXACT_TOPIC,
      ),
    ];
    for (const follower of this.#followers) await follower.start();
  }

  /** Publishes without an end until the node is gone. Throws when it goes by itself. */
  async #publishUntilKilled(server: Server): Promise<void> {
    const [low, high] = KILL_SHARES;
    const share = low + this.#random() * (high - low);
    const killAt = this.#history.acknowledgedCount + Math.floor(this.#options.publishes * share);
    const jitterMs = this.#random() * KILL_JITTER_MS;
    let killed = false;
    const kill = async (): Promise<void> => {
      const reached = await waitUntil(
        () => this.#history.acknowledgedCount >= killAt || server.child.ended,
        PHASE_TIMEOUT_MS,
        1,
      );
      await delay(jitterMs);
      killed = reached && !server.child.ended;
      server.child.signal("SIGKILL");
    };
    await Promise.all([kill(), this.#publish(server, () => !server.child.ended), server.child.exited]);
    if (!killed) throw new Error(`the node ended by itself, or took no publishes\n${server.child.tail}`);
  }

  /** Runs every publisher once: until told to stop, or until its connection breaks. */
  async #publish(server: Server, goOn: () => boolean): Promise<void> {
    const end = performance.now() + PHASE_TIMEOUT_MS;
    const plan = { history: this.#history, topics: TOPICS, goOn: () => goOn() && performance.now() < end };
    await Promise.all(this.#publishers.map((publisher) => publisher.run(server, plan)));
  }

  async #checkAll(server: Server, when: string): Promise<void> {
    this.#topics = await readAll(server);
    const found = checkStore(this.#history, this.#topics);
    for (const follower of this.#followers) {
      const topics = this.#topicsOf(follower);
      const due = [...topics.values()].reduce((sum, stored) => sum + stored.length, 0);
      await waitUntil(
        () => follower.seen.length >= due || follower.complaints.length > 0,
        CATCH_UP_TIMEOUT_MS,
      );
      found.push(...checkStream(this.#history, follower.name, follower.seen, topics), ...follower.complaints);
    }
    this.#violations.push(...found.map(({ kind, detail }) => ({ kind, detail: `${when}: ${detail}` })));
  }

  #topicsOf(follower: Follower): StoredTopics {
    if (follower !== this.#followers[1]) return this.#topics;
    return new Map([[EXACT_TOPIC, this.#topics.get(EXACT_TOPIC) ?? []]]);
  }

  /** A newcomer that replays everything from the beginning gets the sequence that the first subscriber got live. */
  async #checkReplay({ http }: Server): Promise<void> {
    const live = this.#followers[0]?.seen ?? [];
    const path = `${topicPath("#")}/stream?from=earliest`;
    const replay = new Follower("replay of #", () => [http], path, null);
    await replay.start();
    await waitUntil(() => replay.seen.length >= live.length, CATCH_UP_TIMEOUT_MS);
    replay.stop();
    this.#violations.push(...checkSameOrder("#", live, replay.seen), ...replay.complaints);
  }

  #report(): CampaignReport {
    let storedUnanswered = 0;
    let stored = 0;
    for (const messages of this.#topics.values()) {
      stored += messages.length;
      for (const { key } of messages) {
        if (this.#history.attempt(key)?.outcome === "unknown") storedUnanswered += 1;
      }
    }
    return {
      violations: this.#violations,
      attempted: this.#history.attempted,
      acknowledged: this.#history.acknowledgedCount,
      refused: this.#history.refusedCount,
      acknowledgedByKind: countByKind(this.#history),
      stored,
      storedUnanswered,
      restartMs: this.#restartMs,
    };
  }
}

/** A publisher's kind is its name up to the dash. */
function countByKind(history: History): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { publisher, outcome } of history.attempts()) {
    const kind = publisher.slice(0, publisher.indexOf("-"));
    if (outcome === "ok") counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

async function readAll({ http }: Server): Promise<StoredTopics> {
  const connection = new HttpConnection(http);
  try {
    const topics = new Map<string, Stored[]>();
    for (const topic of TOPICS) {
      const stored: Stored[] = [];
      topics.set(topic, stored);
      await readStored(connection, topic, stored);
    }
    return topics;
  } finally {
    connection.close();
  }
}

/** Runs a campaign. Rejects when it cannot be carried through (the node ends by itself, does not start, takes nothing). */
export function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  return new Campaign(options).run();
}
