/** Clients of the soak that come and go: sessions that begin and run out, wills, shares, QoS 0, topics that are made and deleted. */
import { HttpConnection, topicPath } from "../lib/http-client.js";
import { delay } from "../lib/support.js";
import { ClientStore } from "../sessions/client-store.js";
import { type Level, StrictClient } from "../sessions/strict-client.js";
import { anyNode, FILTER, type SoakLoad } from "./clients.js";

const VISIT_MS = 2_000;
const VISITORS_PER_VISIT = 5;
const SHORT_SESSION_SECONDS = 10;
const SHARE_MEMBERS = 3;
const SHARE_STAY_MS = 20_000;
const TOPIC_LIFE_MS = 5_000;
const RETRY_MS = 250;
/** Many and cheap: what each publish would leave behind adds up. */
const LOOSE = { payloadBytes: 200, burst: 10, pauseMs: 20 } as const;

/** What they did, for the report. */
export interface VisitorCounts {
  visits: number;
  shared: number;
  topics: number;
  qos0: number;
  live: number;
}

export function receiveVisitors(load: SoakLoad, counts: VisitorCounts): Promise<unknown> {
  return Promise.all([
    visits(load, counts),
    topics(load, counts),
    qos0(load, counts),
    ...Array.from({ length: SHARE_MEMBERS }, (_, at) =>
      member(load, `share-${at}`, "$share/soak/soak/a", 1, () => (counts.shared += 1)),
    ),
    member(load, "live-0", FILTER, 0, () => (counts.live += 1)),
    member(load, "live-1", FILTER, 1, () => (counts.live += 1)),
  ]);
}

/** A few clients with short sessions and wills each time; half of them break off. */
async function visits(load: SoakLoad, counts: VisitorCounts): Promise<void> {
  while (load.goesOn()) {
    await delay(VISIT_MS);
    for (let at = 0; at < VISITORS_PER_VISIT; at++) {
      const node = anyNode(load);
      if (node === undefined) continue;
      const level: Level = at % 2 === 0 ? 5 : 4;
      const clientId = `visitor-${counts.visits}`;
      const will = { topic: "wills/soak", payload: clientId, qos: 1 as const };
      // In 3.1.1 a session that is kept never runs out: those are clean.
      const options = {
        clientId,
        level,
        clean: true,
        kept: level === 5,
        expirySeconds: SHORT_SESSION_SECONDS,
        will,
      };
      counts.visits += 1;
      try {
        const { client } = await StrictClient.open(node.mqtt, options, new ClientStore());
        await Promise.race([client.subscribe([`visits/${at}`, FILTER], 1), delay(VISIT_MS)]);
        setTimeout(() => (at % 2 === 0 ? client.breakOff() : client.disconnect()), VISIT_MS);
      } catch {
        await delay(RETRY_MS);
      }
    }
  }
}

/** One that subscribes anew at another node every now and then. */
async function member(
  load: SoakLoad,
  clientId: string,
  filter: string,
  qos: 0 | 1,
  onMessage: () => void,
): Promise<void> {
  while (load.goesOn()) {
    const node = anyNode(load);
    if (node === undefined) {
      await delay(RETRY_MS);
      continue;
    }
    let isOver = false;
    try {
      const options = { clientId, level: 5, clean: true, kept: false } as const;
      const onClose = (): void => {
        isOver = true;
      };
      const { client } = await StrictClient.open(node.mqtt, options, new ClientStore(), {
        onMessage,
        onClose,
      });
      await Promise.race([client.subscribe([filter], qos), delay(VISIT_MS)]);
      const endMs = performance.now() + SHARE_STAY_MS * (0.5 + load.random());
      while (!isOver && load.goesOn() && performance.now() < endMs) await delay(RETRY_MS);
      client.disconnect();
    } catch {
      await delay(RETRY_MS);
    }
  }
}

async function topics(load: SoakLoad, counts: VisitorCounts): Promise<void> {
  for (let at = 0; load.goesOn(); at++) {
    const topic = `passing/${at}`;
    const node = anyNode(load);
    const connection = node === undefined ? null : new HttpConnection(node.http);
    try {
      await connection?.ask("POST", `${topicPath(topic)}/messages?retain=true`, "here", {
        "content-type": "text/plain",
      });
      await delay(TOPIC_LIFE_MS);
      await connection?.ask("DELETE", topicPath(topic));
      counts.topics += 1;
    } catch {
      await delay(RETRY_MS);
    } finally {
      connection?.close();
    }
  }
}

/** Fire and forget, over QoS 0. */
async function qos0(load: SoakLoad, counts: VisitorCounts): Promise<void> {
  const payload = "x".repeat(LOOSE.payloadBytes);
  while (load.goesOn()) {
    const node = anyNode(load);
    let isOver = node === undefined;
    try {
      if (node !== undefined) {
        const onClose = (): void => {
          isOver = true;
        };
        const options = { clientId: "soak-qos0", level: 4, clean: true, kept: false } as const;
        const { client } = await StrictClient.open(node.mqtt, options, new ClientStore(), { onClose });
        const endMs = performance.now() + SHARE_STAY_MS;
        while (!isOver && load.goesOn() && performance.now() < endMs) {
          for (let at = 0; at < LOOSE.burst; at++) client.publishLoose("loose/qos0", payload);
          counts.qos0 += LOOSE.burst;
          await delay(LOOSE.pauseMs);
        }
        client.disconnect();
      }
    } catch {
      isOver = true;
    }
    if (isOver) await delay(RETRY_MS);
  }
}
