/**
 * The publishers of the campaign: single HTTP publishes, NDJSON batches, and MQTT QoS 1 with a window. Each writes down what
 * it tries and what it is told, goes on until it is told to stop, and leaves what was not answered as unknown when its
 * connection breaks.
 */
import { type Answer, HttpConnection, topicPath } from "../lib/http-client.js";
import { MqttPublisher } from "../lib/mqtt-connection.js";
import type { Address } from "../lib/server.js";
import { delay } from "../lib/support.js";
import type { Attempt, History } from "./history.js";

export interface PublisherPlan {
  readonly history: History;
  readonly topics: readonly string[];
  /** Asked before each publish. */
  readonly goOn: () => boolean;
  /** Between an answer and the next publish; 0, the default, publishes as fast as answers come. */
  readonly pauseMs?: number;
  /** After a refusal. */
  readonly refusedPauseMs?: number;
}

export interface Addresses {
  readonly http: Address;
  readonly mqtt: Address;
}

/** One publisher; its numbers go on rising over all its runs. */
export interface Publisher {
  readonly name: string;
  /** Publishes on a new connection until told to stop and all is answered, or until the connection breaks. */
  run(addresses: Addresses, plan: PublisherPlan): Promise<void>;
}

/** The payload that carries a key; its length varies so that records end everywhere in a block. */
export function payloadOf(key: string, sequence: number): string {
  return JSON.stringify({ key, pad: "x".repeat(20 + (sequence % 97)) });
}

/** The key in a payload, or the text itself when there is none. */
export function keyInPayload(payload: string): string {
  try {
    const { key } = JSON.parse(payload) as { key?: unknown };
    return typeof key === "string" ? key : payload;
  } catch {
    return payload;
  }
}

interface SingleAnswer {
  readonly id: string;
  readonly offset: number;
}

interface BatchAnswer {
  readonly count: number;
  readonly firstId: string;
  readonly lastId: string;
  readonly firstOffset: number;
  readonly lastOffset: number;
}

const REFUSED_PAUSE_MS = 5;

/** A topic for each publish: a walk over all of them, begun elsewhere by each publisher. */
function topicAt(topics: readonly string[], at: number): string {
  return topics[at % topics.length] ?? "";
}

/** Sends a publish; null when the connection broke before the whole answer was there. */
async function ask(
  connection: HttpConnection,
  topic: string,
  contentType: string,
  body: string,
): Promise<Answer | null> {
  try {
    return await connection.ask("POST", `${topicPath(topic)}/messages`, body, {
      "content-type": contentType,
    });
  } catch {
    return null;
  }
}

/** Notes an answer that is an error: 4xx and 503 say that nothing was taken, any other says nothing. */
async function settleRefused(
  { history, refusedPauseMs = REFUSED_PAUSE_MS }: PublisherPlan,
  attempts: readonly Attempt[],
  { status }: Answer,
): Promise<void> {
  if (status < 500 || status === 503) {
    for (const attempt of attempts) history.refused(attempt);
  }
  await delay(refusedPauseMs);
}

export const isSuccess = ({ status }: Answer): boolean => status >= 200 && status < 300;

/** What an acknowledged single publish says of it. */
export function settleSingle(history: History, attempt: Attempt, body: string): void {
  const { id, offset } = JSON.parse(body) as SingleAnswer;
  history.ok(attempt, id, offset);
}

async function pause({ pauseMs = 0 }: PublisherPlan): Promise<void> {
  if (pauseMs > 0) await delay(pauseMs);
}

/** One message a request. */
export function httpPublisher(name: string, seat: number): Publisher {
  let sequence = 0;
  let session = 0;
  return {
    name,
    async run({ http }, plan) {
      const { history, topics, goOn } = plan;
      const connection = new HttpConnection(http);
      session += 1;
      while (goOn()) {
        const topic = topicAt(topics, sequence + seat);
        const attempt = history.invoke(name, sequence, topic, { session });
        sequence += 1;
        const body = payloadOf(attempt.key, attempt.sequence);
        const answer = await ask(connection, topic, "application/json", body);
        if (answer === null) break;
        if (isSuccess(answer)) settleSingle(history, attempt, answer.body);
        else await settleRefused(plan, [attempt], answer);
        await pause(plan);
      }
      connection.close();
    },
  };
}

/** Throws when the answer does not fit the batch. */
function settleBatch(history: History, attempts: readonly Attempt[], body: string): void {
  const answer = JSON.parse(body) as BatchAnswer;
  const span = answer.lastOffset - answer.firstOffset + 1;
  if (answer.count !== attempts.length || span !== attempts.length) {
    throw new Error(`a batch of ${attempts.length} was answered with ${body}`);
  }
  for (const [at, attempt] of attempts.entries()) {
    const id = at === 0 ? answer.firstId : at === attempts.length - 1 ? answer.lastId : null;
    history.ok(attempt, id, answer.firstOffset + at);
  }
}

/** `size` messages a request, as NDJSON. */
export function batchPublisher(name: string, seat: number, size: number): Publisher {
  let sequence = 0;
  let session = 0;
  return {
    name,
    async run({ http }, plan) {
      const { history, topics, goOn } = plan;
      const connection = new HttpConnection(http);
      session += 1;
      while (goOn()) {
        const topic = topicAt(topics, sequence / size + seat);
        const [first, batch] = [sequence, `${name}/${sequence}`];
        sequence += size;
        const attempts = Array.from({ length: size }, (_, at) =>
          history.invoke(name, first + at, topic, { batch, session }),
        );
        const body = attempts.map((attempt) => `${payloadOf(attempt.key, attempt.sequence)}\n`).join("");
        const answer = await ask(connection, topic, "application/x-ndjson", body);
        if (answer === null) break;
        if (isSuccess(answer)) settleBatch(history, attempts, answer.body);
        else await settleRefused(plan, attempts, answer);
        await pause(plan);
      }
      connection.close();
    },
  };
}

/** QoS 1 with `window` publishes in flight. */
export function mqttPublisher(name: string, seat: number, window: number): Publisher {
  let sequence = 0;
  let session = 0;
  return {
    name,
    async run({ mqtt }, { history, topics, goOn, pauseMs = 0 }) {
      session += 1;
      let over = false;
      const inFlight = new Map<number, Attempt>();
      const free = Array.from({ length: window }, (_, at) => at + 1);
      let connection: MqttPublisher | undefined;
      await new Promise<void>((resolve) => {
        const publishFree = (): void => {
          while (free.length > 0 && !over && goOn()) {
            const packetId = free.shift() ?? 0;
            const topic = topicAt(topics, sequence + seat);
            const attempt = history.invoke(name, sequence, topic, { session });
            sequence += 1;
            inFlight.set(packetId, attempt);
            connection?.publish(topic, payloadOf(attempt.key, attempt.sequence), packetId);
          }
          if (inFlight.size === 0) resolve();
        };
        const onAck = (packetId: number): void => {
          const attempt = inFlight.get(packetId);
          if (attempt !== undefined) history.ok(attempt);
          inFlight.delete(packetId);
          free.push(packetId);
          if (pauseMs === 0) publishFree();
          else setTimeout(publishFree, pauseMs);
        };
        MqttPublisher.open(mqtt, name, { onAck, onClose: resolve }).then((opened) => {
          connection = opened;
          publishFree();
        }, resolve);
      });
      over = true;
      connection?.close();
    },
  };
}

/** A mix of all three. */
export function publisherMix(): Publisher[] {
  const of = (count: number, make: (at: number) => Publisher): Publisher[] =>
    Array.from({ length: count }, (_, at) => make(at));
  return [
    ...of(12, (at) => httpPublisher(`http-${at}`, at)),
    ...of(2, (at) => batchPublisher(`batch-${at}`, at + 1, 10)),
    ...of(4, (at) => mqttPublisher(`mqtt-${at}`, at, 20)),
  ];
}
