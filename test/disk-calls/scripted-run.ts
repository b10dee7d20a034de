/**
 * A short life of a whole node over a disk of which one call fails: it starts, takes publishes, makes a checkpoint, snapshots, cuts its
 * log, stops. It may go on or stop with its code; afterwards, on a disk that is well, everything acknowledged is there, once.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { defaultConfig, type ServeConfig } from "../../src/config.js";
import { type RunningNode, startNode } from "../../src/node.js";
import { silentLogger } from "../../src/runtime/logger.js";
import { FailingCalls, type Failure } from "./failing-calls.js";

/** What a node may say when its disk has failed it. */
const HONEST: ReadonlySet<string> = new Set(["disk_failed", "disk_full", "directory_unusable"]);
const TOPICS = ["t/a", "t/b", "t/c"];
/** A round is a publish to each topic; between some of them a checkpoint falls. */
const ROUNDS = 6;
const ROUND_PAUSE_MS = 110;
const BODY_BYTES = 1_500;
const STOP_MS = 5_000;
const ANSWER_MS = 3_000;

/** Small enough that everything comes to be done in a second. */
const SMALL = {
  mqttPort: 0,
  httpPort: 0,
  logSegmentBytes: 16_384,
  messageSegmentBytes: 8_192,
  snapshotLogBytes: 6_000,
  retentionBytes: 1 << 30,
} satisfies Partial<ServeConfig>;

export interface RunOutcome {
  /** Calls that were made before the disk was made well. */
  readonly calls: number;
  /** The name of the call that failed; "" when the run ended before it. */
  readonly failed: string;
  /** What the node made of it. */
  readonly end: "went on" | "stopped itself" | "did not start";
  readonly acknowledged: number;
  readonly violations: readonly string[];
}

interface Attempt {
  readonly topic: string;
  readonly body: string;
  isAcknowledged: boolean;
}

class ScriptedRun {
  readonly #config: ServeConfig;
  readonly #attempts: Attempt[] = [];
  readonly #violations: string[] = [];

  constructor(dataDir: string) {
    this.#config = { ...defaultConfig(), ...SMALL, dataDir };
  }

  async run(at: number, failure: Failure): Promise<RunOutcome> {
    const disk = new FailingCalls(this.#config.dataDir, at, failure);
    const end = await this.#live();
    disk.end();
    await this.#comesBack();
    return {
      calls: disk.calls,
      failed: disk.failed,
      end,
      acknowledged: this.#attempts.filter(({ isAcknowledged }) => isAcknowledged).length,
      violations: this.#violations,
    };
  }

  async #live(): Promise<RunOutcome["end"]> {
    let node: RunningNode;
    try {
      node = await startNode(this.#config, { logger: silentLogger });
    } catch (error) {
      this.#checkHonest("start", error);
      return "did not start";
    }
    let failure: Error | null = null;
    void node.failed.then((error) => {
      failure = error;
    });
    for (let round = 0; round < ROUNDS && failure === null; round += 1) {
      for (const topic of TOPICS) await this.#publish(node, topic, `${topic} ${round}`);
      await wait(ROUND_PAUSE_MS);
    }
    if (failure !== null) this.#checkHonest("run", failure);
    const isStopped = await Promise.race([
      node.stop().then(
        () => true,
        (error: unknown) => {
          this.#checkHonest("stop", error);
          return true;
        },
      ),
      wait(STOP_MS, false, { ref: false }),
    ]);
    if (!isStopped) this.#violations.push(`it does not stop within ${STOP_MS} ms`);
    return failure === null ? "went on" : "stopped itself";
  }

  async #publish(node: RunningNode, topic: string, text: string): Promise<void> {
    const attempt: Attempt = { topic, body: text.padEnd(BODY_BYTES, "."), isAcknowledged: false };
    this.#attempts.push(attempt);
    try {
      const answer = await fetch(`http://${node.http}/topics/${encodeURIComponent(topic)}/messages`, {
        method: "POST",
        body: attempt.body,
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      attempt.isAcknowledged = answer.ok;
      await answer.arrayBuffer();
    } catch {
      // Not answered: it may be there or not.
    }
  }

  #checkHonest(when: string, error: unknown): void {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (!HONEST.has(code)) this.#violations.push(`${when}: it says "${code}": ${String(error)}`);
  }

  /** On a disk that is well. */
  async #comesBack(): Promise<void> {
    let node: RunningNode;
    try {
      node = await startNode(this.#config, { logger: silentLogger });
    } catch (error) {
      this.#violations.push(`it does not start again: ${String(error)}`);
      return;
    }
    try {
      for (const topic of TOPICS) this.#compare(topic, await this.#stored(node, topic));
    } catch (error) {
      this.#violations.push(`it cannot be read afterwards: ${String(error)}`);
    }
    await node.stop().catch((error: unknown) => {
      this.#violations.push(`it does not stop on a disk that is well: ${String(error)}`);
    });
  }

  async #stored(node: RunningNode, topic: string): Promise<readonly string[]> {
    const answer = await fetch(`http://${node.http}/topics/${encodeURIComponent(topic)}/messages?limit=1000`);
    if (answer.status === 404) return [];
    if (!answer.ok) throw new Error(`${topic}: ${answer.status} ${await answer.text()}`);
    const { messages } = (await answer.json()) as { messages: { payload: string }[] };
    return messages.map(({ payload }) => payload);
  }

  /** Everything acknowledged, in order, once; of what was never answered perhaps some. */
  #compare(topic: string, stored: readonly string[]): void {
    let next = 0;
    for (const { body, isAcknowledged } of this.#attempts.filter((attempt) => attempt.topic === topic)) {
      if (stored[next] === body) next += 1;
      else if (isAcknowledged) this.#violations.push(`${topic} has lost "${body.slice(0, 8)}"`);
    }
    if (next < stored.length) this.#violations.push(`${topic} has ${stored.length} where ${next} belong`);
  }
}

/** One run in a directory of its own. `at`: the call that fails, from 1; 0 for none. */
export async function scriptedRun(at: number, failure: Failure): Promise<RunOutcome> {
  const dataDir = await mkdtemp(join(tmpdir(), "jangada-disk-calls-"));
  try {
    return await new ScriptedRun(dataDir).run(at, failure);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}
