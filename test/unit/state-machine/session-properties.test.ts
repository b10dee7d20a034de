/**
 * What holds of every history of clients: cursors over the stream give what a queue for each session would have given, on every
 * node alike, and across restarts at any point.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEnvelope } from "../../../src/commands/codec.js";
import type { CommandResult, Effect, StoredMessage } from "../../../src/state-machine/effects.js";
import { Machine, type StateRecord } from "../../../src/state-machine/machine.js";
import type { Session } from "../../../src/state-machine/session-view.js";
import { filterMatches } from "../../../src/topics/topic-name.js";
import { keepChanges, recordsOf } from "../../support/kept-records.js";
import { encodeEnvelope } from "../commands/arbitrary-command.js";
import { clusterHistory } from "./arbitrary-session.js";
import { appended } from "./driver.js";
import { CEILINGS, NaiveMachine } from "./naive-machine.js";
import { deliveryOf, type NaiveDelivery, type NaiveSession, type NaiveSessions } from "./naive-sessions.js";

const history = clusterHistory(CEILINGS);

function summary(result: CommandResult): string {
  switch (result.kind) {
    case "failed":
      return result.code;
    case "opened":
      return `opened ${result.session}/${result.epoch}${result.present ? " present" : ""}`;
    case "subscribed":
      return result.subscriptions
        .map(({ existed, refused }) => `${existed ? "again " : ""}${refused ?? "taken"}`)
        .join(", ");
    case "unsubscribed":
      return result.existed.map((existed) => (existed ? "was" : "was not")).join(", ");
    case "published":
      return `${result.firstPosition}+${result.count}@${result.firstOffset}`;
    case "done":
      return "done";
  }
}

function displacedIn(effects: readonly Effect[]): string[] {
  return effects.flatMap((effect) => {
    if (effect.kind !== "session-displaced") return [];
    const { session, epoch, owner, reason } = effect;
    return [`${session}/${epoch} at ${owner.node}.${owner.incarnation}: ${reason}`];
  });
}

/** What is still to be delivered, found as a node finds it that resumes the session: by its cursor and its subscriptions. */
function pendingOf(session: Session, messages: readonly StoredMessage[]): NaiveDelivery[] {
  return messages.flatMap(({ position, topic, qos, retain, publisher }) => {
    if (position <= session.live.through || session.live.done.includes(position)) return [];
    const matching = session.subscriptions.filter(
      ({ filter, since, until, noLocal }) =>
        since < position &&
        position <= until &&
        filterMatches(filter, topic.name) &&
        !(noLocal && publisher === session.number),
    );
    return matching.length === 0 ? [] : [deliveryOf(position, qos, retain, matching)];
  });
}

/** A session of either machine, as both can say it. */
function plain(session: Session, messages: readonly StoredMessage[]): object {
  const { number, clientId, epoch, owner, expirySeconds, endsAtMs, will, isKept, incoming } = session;
  const queue = pendingOf(session, messages);
  const isPending = new Set(queue.map(({ position }) => position));
  return {
    ...{ number, clientId, epoch, owner, expirySeconds, endsAtMs, isKept, queue },
    will: will?.topic,
    received: session.live.received.filter((position) => isPending.has(position)),
    passes: session.passes.map(({ source, asOf, subscriptions, gone }) => ({
      ...{ source, asOf, gone },
      filters: subscriptions.map(({ filter }) => filter),
    })),
    incoming: [...incoming].sort(),
  };
}

function plainNaive(sessions: NaiveSessions, session: NaiveSession): object {
  const { number, clientId, epoch, owner, expirySeconds, endsAtMs, will, isKept, incoming } = session;
  return {
    ...{ number, clientId, epoch, owner, expirySeconds, endsAtMs, isKept, queue: session.queue },
    will: will?.topic,
    received: session.received,
    passes: session.passes.map((pass) => ({
      ...{ source: pass.source, asOf: pass.asOf, gone: sessions.goneOf(pass) },
      filters: pass.filters,
    })),
    incoming: [...incoming].sort(),
  };
}

describe("any history of clients", () => {
  it("gives what queues would give", () => {
    fc.assert(
      fc.property(history, (envelopes) => {
        const machine = new Machine(CEILINGS);
        const naive = new NaiveMachine();
        const messages: StoredMessage[] = [];
        envelopes.forEach((envelope, at) => {
          const applied = machine.apply(envelope, at + 1);
          messages.push(...appended(applied));
          const { timeMs, commands, origin, incarnation } = envelope;
          const expected = naive.apply(timeMs, commands, origin, incarnation);
          expect(applied.results.map(summary)).toEqual(expected);
          expect(displacedIn(applied.effects)).toEqual(naive.sessions.takeDisplaced());
          expect(machine.head).toBe(naive.head);
          const sessions = machine.sessions(0, 9).map((session) => plain(session, messages));
          expect(sessions).toEqual(naive.sessions.all.map((session) => plainNaive(naive.sessions, session)));
          const up = naive.sessions.nodes.filter(({ isUp }) => isUp);
          expect(machine.nodesUp()).toEqual(
            up.map(({ node, incarnation: start, mqtt }) => ({
              ...{ node, incarnation: start, mqtt },
              sessions: naive.sessions.all.filter(({ owner }) => owner?.node === node).length,
            })),
          );
          expect(machine.sessionCounts()).toMatchObject({
            sessions: naive.sessions.all.length,
            connected: naive.sessions.all.filter(({ owner }) => owner !== null).length,
            subscriptions: naive.sessions.all.reduce((sum, it) => sum + it.subscriptions.length, 0),
          });
        });
      }),
      { numRuns: 500 },
    );
  });

  it("gives the same on every node, by way of the codec or not, and across restarts at any point", () => {
    const fates = fc.array(fc.constantFrom("go on", "checkpoint", "restart"));
    fc.assert(
      fc.property(history, fates, (envelopes, chosen) => {
        const steady = new Machine(CEILINGS);
        const records = new Map<string, Uint8Array>();
        let moved = new Machine(CEILINGS);
        envelopes.forEach((envelope, at) => {
          const sent = decodeEnvelope(encodeEnvelope(envelope));
          const expected = steady.apply(envelope, at + 1);
          expect(JSON.stringify(moved.apply(sent, at + 1))).toEqual(JSON.stringify(expected));
          const fate = chosen[at] ?? "go on";
          if (fate !== "go on") keepChanges(moved, records);
          if (fate === "restart") moved = Machine.load(reversed(records), CEILINGS);
          expect(moved.stateHash()).toBe(steady.stateHash());
          expect(moved.nextDueMs()).toBe(steady.nextDueMs());
          expect(moved.sessionCounts()).toMatchObject(countsOf(steady));
        });
        keepChanges(moved, records);
        const whole = new Map<string, Uint8Array>();
        keepChanges(steady, whole);
        expect([...records].sort()).toEqual([...whole].sort());
      }),
      { numRuns: 300 },
    );
  });
});

/** Without the counters of the process. */
function countsOf(machine: Machine): object {
  const { sessions, connected, subscriptions } = machine.sessionCounts();
  return { sessions, connected, subscriptions };
}

/** A store has an order of its own. */
function reversed(records: Map<string, Uint8Array>): StateRecord[] {
  return recordsOf(records).reverse();
}
