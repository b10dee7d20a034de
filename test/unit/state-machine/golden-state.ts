/** The states whose records are in test/golden: one of every record, with and without what may be missing. */

import { publishOf } from "../commands/arbitrary-command.js";
import { Driver, START_MS } from "./driver.js";
import { close, open, progress, subscribe, willOf } from "./session-script.js";

/** test/golden/state-v1.txt: before there were sessions. */
export function firstGoldenDriver(): Driver {
  const driver = new Driver();
  driver.apply({ kind: "genesis", streamTag: "k3x9" });
  driver.apply({ kind: "create-topic", topic: "praça/1", retention: {}, ifMissing: false });
  driver.apply({
    kind: "create-topic",
    topic: "set",
    retention: { ageMs: 86_400_000, bytes: 1_073_741_824 },
    ifMissing: false,
  });
  driver.apply({ kind: "delete-topic", topic: "set" });
  driver.apply({ kind: "create-topic", topic: "set", retention: { bytes: 1024 }, ifMissing: false });
  const keyed = { idempotency: { key: "key-1", digest: "00ff" } };
  const retained = {
    retain: true,
    qos: 2,
    contentType: "text/plain",
    expiresAtMs: START_MS + 60_000,
  } as const;
  driver.apply(publishOf("praça/1", "oi", keyed, retained), publishOf("set", "x"));
  return driver;
}

/** test/golden/state-v2.txt: the same, and then clients. */
export function goldenDriver(): Driver {
  const driver = firstGoldenDriver();
  driver.apply({ kind: "node-up", mqtt: "10.0.0.1:1883" });
  driver.applyFrom("2", { kind: "node-up", mqtt: "" });
  driver.applyFrom("3", { kind: "node-up", mqtt: "10.0.0.3:1883" });
  driver.apply({ kind: "node-down", node: "3", incarnation: 1 });
  // 1: kept and connected, in the middle of everything.
  driver.apply(open("sensor", { will: willOf("gone", { qos: 2, retain: true, contentType: "text/plain" }) }));
  driver.apply(
    subscribe(
      1,
      1,
      { filter: "praça/#", qos: 1, subscriptionId: 300 },
      { filter: "set", qos: 0, retainHandling: 1 },
    ),
  );
  const properties = Buffer.from([0x26, 0, 1, 97, 0, 1, 98]);
  driver.apply(publishOf("set", "kept", { publisher: 1 }, { retain: true, properties }));
  driver.apply(publishOf("set", "a", { publisher: 1, receipt: { epoch: 1, packetId: 700 } }));
  driver.apply(publishOf("set", "b", { publisher: 1, receipt: { epoch: 1, packetId: 9 } }));
  driver.apply(subscribe(1, 1, { filter: "set", qos: 2, noLocal: true, retainAsPublished: true }));
  driver.apply(progress(1, 1, { through: 2, done: [5], received: [4, 3], sentThrough: 5 }));
  driver.apply(progress(1, 1, { source: 1, received: [1] }));
  // 2: kept, gone, its will still to come.
  driver.timeMs += 1000;
  const waiting = willOf("later", { delaySeconds: 30, expirySeconds: 60, properties });
  driver.applyFrom("2", open("asleep", { expirySeconds: 120, will: waiting }));
  driver.applyFrom("2", close(2, 1, { withWill: true }));
  // 3: not kept.
  driver.applyFrom("2", open("guest", { expirySeconds: 0 }));
  return driver;
}

/** test/golden/state-v3.txt: a session that waits for what is gone of the second of its passes. */
export function goneDriver(): Driver {
  const driver = new Driver();
  driver.apply(open("a"));
  for (const topic of ["r/1", "r/2", "r/3", "s"]) {
    driver.apply(publishOf(topic, "x", {}, { retain: true, qos: 2 }));
  }
  driver.apply(subscribe(1, 1, { filter: "s", qos: 2 }));
  driver.apply(subscribe(1, 1, { filter: "r/+", qos: 2, subscriptionId: 7 }));
  driver.apply(progress(1, 1, { source: 2, through: 1 }));
  for (const topic of ["r/3", "r/2"]) driver.apply(publishOf(topic, "", {}, { retain: true, qos: 2 }));
  return driver;
}
