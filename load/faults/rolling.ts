/** Every node in turn is stopped politely and started again, under load: nobody who asks a second node is refused. */
import { isSuccess, payloadOf, settleSingle } from "../crash/publishers.js";
import type { ClusterNode } from "../lib/cluster-node.js";
import { type Answer, HttpConnection, topicPath } from "../lib/http-client.js";
import { delay } from "../lib/support.js";
import { type Conditions, type Course, runCourse, type ScenarioReport } from "./scenario.js";
import { LOAD_TOPICS, type Trial } from "./trial.js";

/** Acknowledged publishes between two restarts. */
const BETWEEN_ACKNOWLEDGED = 200;
const RETRIERS = 3;
const RETRIER_PAUSE_MS = 10;

export async function runRolling(conditions: Conditions): Promise<ScenarioReport> {
  let retried = 0;
  const report = await runCourse(conditions, async (course, round) => {
    const retriers = new Retriers(course.trial, round);
    const work = retriers.run();
    course.trial.beginStall([]);
    for (const node of course.cluster.nodes) await restart(course, node);
    const stallMs = course.endStall();
    retriers.stop();
    await work;
    retried += retriers.retried;
    return `all restarted, ${retriers.retried} requests were retried once, stall ${stallMs.toFixed(0)} ms`;
  });
  return { ...report, figures: { ...report.figures, retried } };
}

async function restart({ cluster, trial }: Course, node: ClusterNode): Promise<void> {
  const code = await node.stop();
  if (code !== 0) trial.report("wrong_answer", `node ${node.id} ended with ${code} at SIGTERM`);
  await node.start();
  await cluster.leader();
  await trial.waitForAcknowledged(BETWEEN_ACKNOWLEDGED);
}

/** Publishers with an Idempotency-Key that ask another node, once, when the first does not answer with success. */
class Retriers {
  readonly #trial: Trial;
  readonly #round: number;
  #going = true;
  retried = 0;

  constructor(trial: Trial, round: number) {
    this.#trial = trial;
    this.#round = round;
  }

  stop(): void {
    this.#going = false;
  }

  async run(): Promise<void> {
    const all = Array.from({ length: RETRIERS }, (_, at) => this.#publish(`retry-${this.#round}-${at}`, at));
    await Promise.all(all);
  }

  async #publish(name: string, seat: number): Promise<void> {
    const { cluster, history } = this.#trial;
    for (let sequence = 0; this.#going; sequence++) {
      const topic = LOAD_TOPICS[(sequence + seat) % LOAD_TOPICS.length] ?? "";
      const attempt = history.invoke(name, sequence, topic);
      const first = cluster.nodes[(sequence + seat) % cluster.nodes.length];
      const second = cluster.running.find((node) => node !== first);
      const body = payloadOf(attempt.key, sequence);
      let answer = await this.#ask(first, topic, attempt.key, body);
      if (!succeeded(answer)) {
        const why = describe(answer);
        this.retried += 1;
        answer = await this.#ask(second, topic, attempt.key, body);
        if (!succeeded(answer)) {
          const detail = `${attempt.key}: node ${first?.id}: ${why}; then node ${second?.id}: ${describe(answer)}`;
          this.#trial.report("wrong_answer", detail);
        }
      }
      if (succeeded(answer)) settleSingle(history, attempt, answer.body);
      await delay(RETRIER_PAUSE_MS);
    }
  }

  /** A connection for each request: what is tested is the node, not an old connection. */
  async #ask(
    node: ClusterNode | undefined,
    topic: string,
    key: string,
    body: string,
  ): Promise<Answer | Error> {
    if (node === undefined) return new Error("no other node runs");
    const connection = new HttpConnection(node.http);
    try {
      const headers = { "content-type": "application/json", "idempotency-key": key };
      return await connection.ask("POST", `${topicPath(topic)}/messages`, body, headers);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    } finally {
      connection.close();
    }
  }
}

function succeeded(answer: Answer | Error): answer is Answer {
  return !(answer instanceof Error) && isSuccess(answer);
}

function describe(answer: Answer | Error): string {
  return answer instanceof Error ? answer.message : `${answer.status} ${answer.body}`;
}
