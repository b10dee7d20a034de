/** A client's end of its subscription, without a socket. */
import { describe, expect, it } from "vitest";
import { PublishEncoder } from "../../../src/edges/mqtt/encode-publish.js";
import { Inflight } from "../../../src/edges/mqtt/inflight.js";
import { ClientSink, type ClientSinkOptions } from "../../../src/edges/mqtt/sink.js";
import { TurnBudget } from "../../../src/edges/mqtt/turn-budget.js";
import { limits } from "../../../src/limits.js";
import type { StoredMessage } from "../../../src/state-machine/effects.js";
import { FilterSet } from "../../../src/topics/filter-set.js";
import { DeliveryBatch } from "../../../src/topics/subscriber.js";
import { CountingMetrics } from "../../mqtt/support/edge.js";
import { FakeBroker } from "../../support/fake-broker.js";
import { ManualClock } from "../../support/manual-clock.js";

const SET = new FilterSet([{ filter: "a", qos: 1 }]);

class Outlet {
  isOpen = true;
  backlogBytes = 0;
  readonly sent: Buffer[] = [];
  send(bytes: Buffer): void {
    this.sent.push(bytes);
  }
}

function create(windowMax: number, liveEncoder = new PublishEncoder(0, () => 0)) {
  const outlet = new Outlet();
  const metrics = new CountingMetrics();
  const events: string[] = [];
  const inflight = new Inflight(windowMax);
  const clock = new ManualClock();
  const context: ClientSinkOptions["context"] = {
    broker: new FakeBroker(),
    metrics,
    logger: {
      debug: () => undefined,
      info: () => undefined,
      warn: (_facts, text) => events.push(text),
      error: () => undefined,
      fatal: () => undefined,
    },
    clock,
    turnBudget: new TurnBudget(clock),
    liveEncoder,
    retainedEncoder: new PublishEncoder(1, () => 0),
  };
  const options: ClientSinkOptions = {
    context,
    outlet,
    inflight,
    clientId: "c",
    onWritable: () => events.push("writable"),
    onTopicDeleted: () => events.push("deleted"),
    onFailed: () => events.push("failed"),
  };
  return { sink: new ClientSink(options), outlet, metrics, events, inflight };
}

function batch(...qos: readonly (0 | 1)[]): DeliveryBatch {
  const messages = qos.map(
    (each, index): StoredMessage => ({
      position: 10 * (index + 1),
      offset: index,
      topic: { id: 1, name: "a" },
      timestampMs: 0,
      payload: Buffer.from("x"),
      contentType: "",
      qos: each,
      retain: false,
      expiresAtMs: 0,
      properties: new Uint8Array(0),
      publisher: 0,
    }),
  );
  return new DeliveryBatch(SET, messages, 5, 99);
}

describe("deliver", () => {
  it("takes all that the window takes and says how far", () => {
    const { sink, outlet, inflight } = create(2);
    expect(sink.deliver(batch(1, 0, 1, 0, 1))).toBe(40);
    expect(outlet.sent.map((bytes) => bytes.length)).toEqual([8 + 6 + 8 + 6]);
    expect([sink.isWritable(), inflight.free]).toEqual([false, 0]);
    expect(sink.deliver(batch(0))).toBe(5);
  });

  it("gives subscribers without packet ids the very same bytes", () => {
    const shared = batch(0, 0);
    const encoder = new PublishEncoder(0, () => 0);
    const sent = [create(4, encoder), create(4, encoder)].map(({ sink, outlet }) => {
      expect(sink.deliver(shared)).toBe(99);
      return outlet.sent[0];
    });
    expect(sent[0]).toBeInstanceOf(Buffer);
    expect(sent[1]).toBe(sent[0]);
  });

  it("takes a batch in which nothing is left", () => {
    const { sink, outlet } = create(4);
    expect(sink.deliver(new DeliveryBatch(SET, [], 5, 99))).toBe(99);
    expect(outlet.sent).toEqual([]);
  });

  it("takes nothing while the socket is full or closed", () => {
    const { sink, outlet } = create(4);
    outlet.backlogBytes = limits.subscriberBufferBytesMax;
    expect(sink.deliver(batch(0))).toBe(5);
    outlet.backlogBytes -= 1;
    expect(sink.deliver(batch(0))).toBe(99);
    outlet.isOpen = false;
    expect(sink.deliver(batch(0))).toBe(5);
  });
});

describe("pump", () => {
  it("says that it is writable again once it has said that it was not", () => {
    const { sink, events, inflight } = create(1);
    sink.pump();
    expect(events).toEqual([]);
    sink.deliver(batch(1, 1));
    sink.pump();
    expect(events).toEqual([]);
    inflight.release(1);
    sink.pump();
    sink.pump();
    expect(events).toEqual(["writable"]);
  });
});

it("a gap is counted and logged: 3.1.1 cannot tell the client", () => {
  const { sink, metrics, events } = create(1);
  sink.gap(10, 25);
  expect(metrics.of("dropped trimmed")).toBe(15);
  expect(events).toEqual(["a slow subscriber missed messages that retention dropped"]);
});
