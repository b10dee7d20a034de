/**
 * Random histories of a cluster with clients: nodes that start, clients that come and go, subscribe, publish and acknowledge. A step says what
 * a client does; which session and epoch that is, a machine that follows says.
 */
import fc from "fast-check";
import type { Command, Envelope, SubscriptionOptions } from "../../../src/commands/command.js";
import { SESSION_NEVER_EXPIRES } from "../../../src/commands/command.js";
import { Machine, type MachineOptions } from "../../../src/state-machine/machine.js";
import { publishOf } from "../commands/arbitrary-command.js";
import { close, open, optionsOf, willOf } from "./session-script.js";

/** A command that is known when its turn comes. */
type Late = (machine: Machine) => Command;

interface Step {
  readonly node: string;
  /** The node was started again before. */
  readonly isNewStart: boolean;
  readonly passesMs: number;
  readonly commands: readonly Late[];
}

const clientId = fc.constantFrom("a", "b", "c", "d");
const topic = fc.constantFrom("t", "t/1", "t/2");
const filter = fc.constantFrom("t", "t/1", "t/#", "t/+", "#");
const qos = fc.constantFrom(0 as const, 1 as const, 2 as const);
const seconds = fc.constantFrom(0, 1, 3, SESSION_NEVER_EXPIRES);

const will = fc.option(
  fc
    .record({ topic, qos, retain: fc.boolean(), delaySeconds: fc.constantFrom(0, 1, 2) })
    .map((fields) => willOf(fields.topic, { ...fields, payload: Buffer.from("gone") })),
);

const options: fc.Arbitrary<SubscriptionOptions> = fc
  .record({
    filter,
    qos,
    noLocal: fc.boolean(),
    retainAsPublished: fc.boolean(),
    retainHandling: fc.constantFrom(0 as const, 1 as const, 2 as const),
    subscriptionId: fc.constantFrom(0, 0, 7, 300),
  })
  .map(optionsOf);

/** The client's session and its epoch, now and then of a connection that it had before. */
const speaker = fc.record({ clientId, age: fc.constantFrom(0, 0, 0, 0, 1) });
type Speaker = { readonly clientId: string; readonly age: number };

function who(machine: Machine, { clientId: id, age }: Speaker): { session: number; epoch: number } {
  const session = machine.sessionOf(id);
  return { session: session?.number ?? 99, epoch: Math.max(0, (session?.epoch ?? 1) - age) };
}

const late = <Fields>(fields: fc.Arbitrary<Fields>, command: (machine: Machine, fields: Fields) => Command) =>
  fields.map(
    (it): Late =>
      (machine) =>
        command(machine, it),
  );

const opening = late(
  fc.record({ clientId, cleanStart: fc.boolean(), expirySeconds: seconds, will }),
  (_, it) => open(it.clientId, it),
);

const closing = late(
  fc.record({ speaker, withWill: fc.boolean(), expirySeconds: fc.option(seconds) }),
  (machine, { speaker: by, ...it }) => {
    const { session, epoch } = who(machine, by);
    return close(session, epoch, { ...it, sentThrough: machine.head });
  },
);

const subscribing = late(
  fc.record({ speaker, subscriptions: fc.array(options, { minLength: 1, maxLength: 3 }) }),
  (machine, it) => ({ kind: "subscribe", ...who(machine, it.speaker), subscriptions: it.subscriptions }),
);

const unsubscribing = late(fc.record({ speaker, filter }), (machine, it) => ({
  kind: "unsubscribe",
  ...who(machine, it.speaker),
  filters: [{ filter: it.filter, share: "" }],
}));

const publishing = late(
  fc.record({ speaker, topic, qos, retain: fc.boolean(), packetId: fc.option(fc.constantFrom(1, 2)) }),
  (machine, it) => {
    const { session, epoch } = who(machine, it.speaker);
    const receipt = it.packetId === null ? null : { epoch, packetId: it.packetId };
    return publishOf(it.topic, "x", { publisher: session, receipt }, { qos: it.qos, retain: it.retain });
  },
);

const releasing = late(fc.record({ speaker, packetId: fc.constantFrom(1, 2) }), (machine, it) => ({
  kind: "release",
  ...who(machine, it.speaker),
  packetId: it.packetId,
}));

/** Parts of a hundred of the way from the session's cursor to the head, or of a pass. */
const part = fc.integer({ min: 0, max: 100 });
const acknowledging = late(
  fc.record({
    speaker,
    ofPass: fc.boolean(),
    through: part,
    done: fc.array(part, { maxLength: 3 }),
    received: fc.array(part, { maxLength: 2 }),
  }),
  (machine, it) => {
    const session = machine.sessionOf(it.speaker.clientId);
    const pass = it.ofPass ? session?.passes[0] : undefined;
    const from = pass?.through ?? session?.live.through ?? 0;
    const to = pass?.asOf ?? machine.head;
    const positionOf = (hundredths: number): number => from + Math.round(((to - from) * hundredths) / 100);
    const entry = {
      ...who(machine, it.speaker),
      source: pass?.source ?? 0,
      through: it.through < 50 ? 0 : positionOf(it.through),
      sentThrough: machine.head,
      done: it.done.map(positionOf),
      received: it.received.map(positionOf),
    };
    return { kind: "progress", entries: [entry] };
  },
);

const operating: fc.Arbitrary<Late> = fc.oneof(
  late(fc.record({ clientId, forget: fc.boolean() }), (_, it) => ({ kind: "displace-session", ...it })),
  late(fc.record({ node: fc.constantFrom("1", "2"), age: fc.constantFrom(0, 0, 1) }), (machine, it) => ({
    kind: "node-down",
    node: it.node,
    incarnation: Math.max(0, machine.lastProposalOf(it.node).incarnation - it.age),
  })),
  late(fc.constantFrom("", "host:1883"), (_, mqtt) => ({ kind: "node-up", mqtt })),
  late(topic, (_, it) => ({ kind: "delete-topic", topic: it })),
  late(fc.constant(null), () => ({ kind: "tick" })),
);

const command = fc.oneof(
  { weight: 4, arbitrary: opening },
  { weight: 2, arbitrary: closing },
  { weight: 4, arbitrary: subscribing },
  { weight: 2, arbitrary: unsubscribing },
  { weight: 6, arbitrary: publishing },
  { weight: 1, arbitrary: releasing },
  { weight: 4, arbitrary: acknowledging },
  { weight: 2, arbitrary: operating },
);

const step: fc.Arbitrary<Step> = fc.record({
  node: fc.constantFrom("1", "1", "2"),
  isNewStart: fc.integer({ min: 0, max: 9 }).map((chance) => chance === 0),
  passesMs: fc.constantFrom(0, 0, 100, 1000, 1500),
  commands: fc.array(command, { minLength: 1, maxLength: 3 }),
});

/** Envelopes in log order, of two nodes. */
export function clusterHistory(ceilings: MachineOptions): fc.Arbitrary<Envelope[]> {
  return fc
    .array(step, { minLength: 1, maxLength: 40, size: "max" })
    .map((steps) => envelopesOf(steps, ceilings));
}

function envelopesOf(steps: readonly Step[], ceilings: MachineOptions): Envelope[] {
  const machine = new Machine(ceilings);
  const starts = new Map<string, { incarnation: number; sequence: number }>();
  let timeMs = 1;
  return steps.map(({ node, isNewStart, passesMs, commands }, at) => {
    const last = starts.get(node) ?? { incarnation: 1, sequence: 0 };
    const start = isNewStart
      ? { incarnation: last.incarnation + 1, sequence: 1 }
      : { ...last, sequence: last.sequence + 1 };
    starts.set(node, start);
    timeMs += passesMs;
    const said = commands.map((it) => it(machine));
    const envelope = { origin: node, ...start, timeMs, commands: said };
    machine.apply(envelope, at + 1);
    return envelope;
  });
}
