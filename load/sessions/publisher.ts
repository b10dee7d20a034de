/**
 * Publishers that never give a message up: MQTT ones with a store, which send again after a broken connection what was not
 * acknowledged, and HTTP ones, which ask again with the same Idempotency-Key. Each numbers its messages in one row.
 */
import type { ClusterNode } from "../lib/cluster-node.js";
import { HttpConnection, topicPath } from "../lib/http-client.js";
import { delay, waitUntil } from "../lib/support.js";
import type { Ledger, Violation } from "./audit.js";
import { keyOf, payloadOf } from "./payload.js";
import { Seat } from "./seat.js";
import type { Level } from "./strict-client.js";

export interface Publisher {
  readonly name: string;
  settle(node: ClusterNode, now: boolean): Promise<void>;
  /** Goes where `next` says, at each attempt; of one that keeps a connection the seat is given, whose hops are its owner's. */
  roam(next: () => ClusterNode | undefined): Seat | null;
  /** Publishes until told to stop. */
  start(): void;
  /** Resolves when everything is answered; false when that took too long. */
  stop(): Promise<boolean>;
  leave(): Promise<void>;
}

export interface Load {
  readonly ledger: Ledger;
  readonly topic: string;
  /** Between two looks at whether there is room in the window. */
  readonly pauseMs: number;
  readonly report: (violation: Violation) => void;
}

const ANSWERS_TIMEOUT_MS = 60_000;
const HTTP_TIMEOUT_MS = 10_000;
const RETRY_MS = 50;

export interface MqttTraits {
  readonly name: string;
  readonly level: Level;
  readonly qos: 1 | 2;
  /** Publishes under way at most. */
  readonly window: number;
}

export function mqttPublisher(traits: MqttTraits, { ledger, topic, pauseMs, report }: Load): Publisher {
  const { name, level, qos, window } = traits;
  const seat = new Seat({
    ...{ name, level, report },
    events: {
      onDone: ({ payload }, reason) =>
        ledger.settle(keyOf(payload), reason < 0x80 ? "acknowledged" : "refused"),
    },
  });
  let sequence = 0;
  let timer: NodeJS.Timeout | undefined;
  const publish = (): void => {
    const { client } = seat;
    while (client?.isOpen === true && seat.store.outboundCount < window) {
      const key = ledger.invoke(name, sequence, qos);
      client.publish(topic, payloadOf(key, sequence), qos);
      sequence += 1;
    }
  };
  return {
    name,
    settle: (node, now) => seat.settle(node, now),
    roam(next) {
      seat.roam(next);
      return seat;
    },
    start() {
      timer = setInterval(publish, pauseMs);
    },
    stop() {
      clearInterval(timer);
      return waitUntil(() => seat.store.outboundCount === 0, ANSWERS_TIMEOUT_MS);
    },
    leave: () => seat.leave(),
  };
}

/** One request at a time, at QoS 2 for those who subscribe so; a request without an answer is asked again, wherever it then goes. */
export function httpPublisher(name: string, { ledger, topic, pauseMs }: Load): Publisher {
  let sequence = 0;
  let goesOn = false;
  let target: ClusterNode | undefined;
  let nextTarget = (): ClusterNode | undefined => target;
  let work: Promise<void> = Promise.resolve();

  const ask = async (key: string): Promise<number | null> => {
    const node = nextTarget();
    if (node === undefined) return null;
    const connection = new HttpConnection(node.http, HTTP_TIMEOUT_MS);
    try {
      const headers = { "content-type": "text/plain", "idempotency-key": key };
      const path = `${topicPath(topic)}/messages?qos=2`;
      const { status } = await connection.ask("POST", path, payloadOf(key, sequence), headers);
      return status;
    } catch {
      return null;
    } finally {
      connection.close();
    }
  };

  /** Until it is known: a refusal is asked again, too, so that the row has no holes. */
  const publish = async (): Promise<void> => {
    const key = ledger.invoke(name, sequence, 2);
    for (let status = await ask(key); status === null || status >= 300; status = await ask(key)) {
      await delay(RETRY_MS);
    }
    ledger.settle(key, "acknowledged");
    sequence += 1;
  };

  return {
    name,
    async settle(node) {
      target = node;
    },
    roam(next) {
      nextTarget = next;
      return null;
    },
    start() {
      goesOn = true;
      work = (async () => {
        while (goesOn) {
          await publish();
          await delay(pauseMs);
        }
      })();
    },
    async stop() {
      goesOn = false;
      const timer = delay(ANSWERS_TIMEOUT_MS).then(() => false);
      return Promise.race([work.then(() => true), timer]);
    },
    async leave() {
      goesOn = false;
    },
  };
}
