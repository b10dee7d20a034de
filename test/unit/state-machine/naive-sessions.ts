/**
 * Sessions as one would write them without a log to read from: every session has a queue, into which each message is put that matches
 * when it is published. Property tests hold the cursors of the real ones against it.
 */
import type { Command, SubscriptionOptions, Will } from "../../../src/commands/command.js";
import { SESSION_NEVER_EXPIRES } from "../../../src/commands/command.js";
import { filterMatches } from "../../../src/topics/topic-name.js";

/** What one session is to be sent of one message. */
export interface NaiveDelivery {
  readonly position: number;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly subscriptionIds: readonly number[];
}

interface NaivePass {
  readonly source: number;
  readonly asOf: number;
  readonly filters: readonly string[];
  /** What goes at QoS 2 of what was retained when it began. */
  readonly atTwo: readonly number[];
  through: number;
  dealtWith: number[];
}

export interface NaiveSession {
  readonly number: number;
  readonly clientId: string;
  readonly isKept: boolean;
  epoch: number;
  owner: { node: string; incarnation: number } | null;
  expirySeconds: number;
  endsAtMs: number;
  will: Will | null;
  willAtMs: number;
  subscriptions: SubscriptionOptions[];
  queue: NaiveDelivery[];
  received: number[];
  passes: NaivePass[];
  incoming: number[];
}

/** The rest of the naive machine, as sessions need it. */
export interface NaiveHost {
  readonly timeMs: number;
  readonly head: number;
  publishWill(will: Will, session: number): void;
  /** Whether a retained message may match: for a wildcard, whether there is any at all. */
  mayHaveRetained(filter: string): boolean;
  /** Those of QoS 2. */
  retainedAtTwo(): readonly { position: number; topic: string; publisher: number }[];
}

export const SESSION_CEILINGS = { sessionsMax: 3, subscriptionsMax: 4, willBytesMax: 12 };

type Of<Kind extends Command["kind"]> = Extract<Command, { kind: Kind }>;
type Speaks = { readonly session: number; readonly epoch: number };

export class NaiveSessions {
  readonly #host: NaiveHost;
  all: NaiveSession[] = [];
  nodes: { node: string; incarnation: number; mqtt: string; isUp: boolean }[] = [];
  /** What the connections that were displaced are told, since the last `takeDisplaced`. */
  #displaced: string[] = [];
  #nextNumber = 1;
  #nextSource = 1;

  constructor(host: NaiveHost) {
    this.#host = host;
  }

  takeDisplaced(): string[] {
    return this.#displaced.splice(0);
  }

  /** Begins an envelope of that node: what is due happens, the earliest first. */
  begin(node: string, incarnation: number): void {
    for (const known of this.nodes) {
      if (known.node === node && known.incarnation === incarnation) known.isUp = true;
    }
    for (;;) {
      const due = this.all
        .map((session) => ({ session, atMs: dueOf(session) }))
        .filter(({ atMs }) => atMs <= this.#host.timeMs)
        .sort((a, b) => a.atMs - b.atMs || a.session.number - b.session.number)[0];
      if (due === undefined) return;
      if (isOver(due.session, this.#host.timeMs)) this.#end(due.session);
      else this.#publishWill(due.session);
    }
  }

  /** What of a pass is retained no longer, and neither acknowledged nor known to be received. */
  goneOf({ atTwo, through, dealtWith }: NaivePass): number[] {
    const retained = new Set(this.#host.retainedAtTwo().map(({ position }) => position));
    return atTwo.filter(
      (position) => position > through && !dealtWith.includes(position) && !retained.has(position),
    );
  }

  /** A message was appended. */
  publish(position: number, topic: string, qos: 0 | 1 | 2, retain: boolean, publisher: number): void {
    for (const session of this.all) {
      const matching = session.subscriptions.filter(
        ({ filter, noLocal }) => filterMatches(filter, topic) && !(noLocal && publisher === session.number),
      );
      if (matching.length > 0) session.queue.push(deliveryOf(position, qos, retain, matching));
    }
  }

  /** Why a publish with a receipt is not carried out; `null` when it is, after which `received` is called. */
  refuseReceipt(publisher: number, receipt: { epoch: number; packetId: number }): string | null {
    const session = this.#speaker({ session: publisher, epoch: receipt.epoch });
    if (session === undefined) return "session_displaced";
    if (!session.isKept) return "invalid_request";
    return session.incoming.includes(receipt.packetId) ? "done" : null;
  }

  remember(publisher: number, packetId: number): void {
    this.all.find(({ number }) => number === publisher)?.incoming.push(packetId);
  }

  open(command: Of<"open-session">, node: string, incarnation: number): string {
    this.#start(node, incarnation, null);
    let session = this.all.find(({ clientId }) => clientId === command.clientId);
    if (session === undefined && this.all.length >= SESSION_CEILINGS.sessionsMax) return "too_many_sessions";
    if (this.#isTooMuch(command.will, session)) return "too_many_sessions";
    if (session?.owner != null) {
      this.#displace(session, "taken_over");
      this.#replace(session, command.cleanStart);
    } else if (session !== undefined && command.cleanStart) this.#end(session);
    session = this.all.find(({ clientId }) => clientId === command.clientId);
    const present = session !== undefined;
    session ??= this.#create(command);
    session.epoch += 1;
    session.owner = { node, incarnation };
    session.expirySeconds = command.expirySeconds;
    session.endsAtMs = 0;
    session.willAtMs = 0;
    session.will = command.will;
    return `opened ${session.number}/${session.epoch}${present ? " present" : ""}`;
  }

  close(command: Of<"close-session">): string {
    const session = this.#speaker(command);
    if (session === undefined) return "session_displaced";
    if (!command.withWill) session.will = null;
    if (command.expirySeconds !== null && session.expirySeconds > 0) {
      session.expirySeconds = command.expirySeconds;
    }
    this.#disconnect(session);
    return "done";
  }

  displace(command: Of<"displace-session">): string {
    const session = this.all.find(({ clientId }) => clientId === command.clientId);
    if (session === undefined) return "session_not_found";
    const wasConnected = session.owner !== null;
    this.#displace(session, "administrative");
    if (command.forget) this.#end(session);
    else if (wasConnected) this.#disconnect(session);
    return "done";
  }

  subscribe(command: Of<"subscribe">): string {
    const session = this.#speaker(command);
    if (session === undefined) return "session_displaced";
    const asking = new Map<string, SubscriptionOptions>();
    const said = command.subscriptions.map((options) => {
      const before = session.subscriptions.findIndex(({ filter }) => filter === options.filter);
      const prefix = before === -1 ? "" : "again ";
      if (!session.isKept) return `${prefix}invalid_request`;
      const all = this.all.reduce((sum, { subscriptions }) => sum + subscriptions.length, 0);
      if (before === -1 && all >= SESSION_CEILINGS.subscriptionsMax) return "too_many_subscriptions";
      if (before === -1) session.subscriptions.push(options);
      else session.subscriptions[before] = options;
      const wants = options.retainHandling === 0 || (options.retainHandling === 1 && before === -1);
      if (wants && this.#host.mayHaveRetained(options.filter)) {
        asking.set(options.filter, options);
      }
      return `${prefix}taken`;
    });
    if (asking.size > 0) {
      const asked = [...asking.values()].filter(({ qos }) => qos === 2);
      const matches = this.#host
        .retainedAtTwo()
        .filter(({ topic, publisher }) =>
          asked.some(
            ({ filter, noLocal }) =>
              filterMatches(filter, topic) && !(noLocal && publisher === session.number),
          ),
        );
      session.passes.push({
        ...{ source: this.#nextSource, asOf: this.#host.head, filters: [...asking.keys()] },
        ...{ atTwo: matches.map(({ position }) => position), through: 0, dealtWith: [] },
      });
      this.#nextSource += 1;
    }
    return said.join(", ");
  }

  unsubscribe(command: Of<"unsubscribe">): string {
    const session = this.#speaker(command);
    if (session === undefined) return "session_displaced";
    const said = command.filters.map(({ filter }) => {
      const before = session.subscriptions.length;
      session.subscriptions = session.subscriptions.filter((it) => it.filter !== filter);
      return session.subscriptions.length < before ? "was" : "was not";
    });
    return said.join(", ");
  }

  progress(command: Of<"progress">): string {
    for (const entry of command.entries) {
      const session = this.all.find(({ number }) => number === entry.session);
      if (session?.epoch !== entry.epoch || !session.isKept) continue;
      if (entry.source !== 0) {
        const pass = session.passes.find(({ source }) => source === entry.source);
        if (pass === undefined) continue;
        pass.through = Math.max(pass.through, entry.through);
        pass.dealtWith.push(...entry.done, ...entry.received);
        session.passes = session.passes.filter(({ through, asOf }) => through < asOf);
        continue;
      }
      const isOpen = (position: number): boolean =>
        position > Math.min(entry.through, this.#host.head) && !entry.done.includes(position);
      session.queue = session.queue.filter(({ position }) => isOpen(position));
      const known = new Set(session.queue.map(({ position }) => position));
      session.received = [...new Set([...session.received, ...entry.received])].filter(
        (position) => isOpen(position) && known.has(position),
      );
    }
    return "done";
  }

  release(command: Of<"release">): string {
    const session = this.#speaker(command);
    if (session === undefined) return "session_displaced";
    session.incoming = session.incoming.filter((id) => id !== command.packetId);
    return "done";
  }

  nodeUp(command: Of<"node-up">, node: string, incarnation: number): string {
    this.#start(node, incarnation, command.mqtt);
    return "done";
  }

  nodeDown({ node, incarnation }: Of<"node-down">): string {
    const known = this.nodes.find((it) => it.node === node);
    if (known?.incarnation !== incarnation) return "done";
    const lost = this.all.filter(({ owner }) => owner?.node === node);
    for (const session of lost) this.#displace(session, "node_down");
    for (const session of lost) this.#disconnect(session);
    known.isUp = false;
    return "done";
  }

  #speaker({ session, epoch }: Speaks): NaiveSession | undefined {
    return this.all.find((it) => it.number === session && it.epoch === epoch && it.owner !== null);
  }

  #isTooMuch(will: Will | null, session: NaiveSession | undefined): boolean {
    const present = session?.will?.payload.byteLength ?? 0;
    const added = will?.payload.byteLength ?? 0;
    const all = this.all.reduce((sum, it) => sum + (it.will?.payload.byteLength ?? 0), 0);
    return added > present && all - present + added > SESSION_CEILINGS.willBytesMax;
  }

  #create({ clientId, expirySeconds }: Of<"open-session">): NaiveSession {
    const session: NaiveSession = {
      number: this.#nextNumber,
      clientId,
      isKept: expirySeconds > 0,
      epoch: 0,
      owner: null,
      expirySeconds,
      endsAtMs: 0,
      will: null,
      willAtMs: 0,
      subscriptions: [],
      queue: [],
      received: [],
      passes: [],
      incoming: [],
    };
    this.#nextNumber += 1;
    this.all.push(session);
    return session;
  }

  #start(node: string, incarnation: number, mqtt: string | null): void {
    const known = this.nodes.find((it) => it.node === node);
    if (known?.incarnation === incarnation && mqtt === null) return;
    if (known !== undefined && known.incarnation < incarnation) {
      for (const session of this.all.filter(({ owner }) => owner?.node === node)) this.#disconnect(session);
    }
    this.nodes = this.nodes.filter((it) => it !== known);
    this.nodes.push({ node, incarnation, mqtt: mqtt ?? "", isUp: true });
    this.nodes.sort((a, b) => (a.node < b.node ? -1 : 1));
  }

  #displace({ number, epoch, owner }: NaiveSession, reason: string): void {
    if (owner === null) return;
    this.#displaced.push(`${number}/${epoch} at ${owner.node}.${owner.incarnation}: ${reason}`);
  }

  /** Another connection of the same client id has come. */
  #replace(session: NaiveSession, cleanStart: boolean): void {
    if (cleanStart || session.expirySeconds === 0) this.#end(session);
    else if (session.will?.delaySeconds === 0) this.#publishWill(session);
    session.will = null;
  }

  #disconnect(session: NaiveSession): void {
    session.owner = null;
    if (session.expirySeconds === 0) {
      this.#end(session);
      return;
    }
    const { timeMs } = this.#host;
    session.endsAtMs =
      session.expirySeconds === SESSION_NEVER_EXPIRES ? 0 : timeMs + session.expirySeconds * 1000;
    if (session.will === null) return;
    if (session.will.delaySeconds === 0) this.#publishWill(session);
    else session.willAtMs = timeMs + session.will.delaySeconds * 1000;
  }

  #end(session: NaiveSession): void {
    this.#publishWill(session);
    this.all = this.all.filter((it) => it !== session);
  }

  #publishWill(session: NaiveSession): void {
    const { will } = session;
    session.will = null;
    session.willAtMs = 0;
    if (will !== null) this.#host.publishWill(will, session.number);
  }
}

function isOver({ endsAtMs }: NaiveSession, nowMs: number): boolean {
  return endsAtMs !== 0 && endsAtMs <= nowMs;
}

function dueOf({ endsAtMs, willAtMs }: NaiveSession): number {
  return Math.min(...[endsAtMs, willAtMs].filter((atMs) => atMs !== 0), Number.MAX_SAFE_INTEGER);
}

/** One PUBLISH for all subscriptions that match: the highest QoS (MQTT-3.3.5-1), every identifier (MQTT-3.3.4-3). */
export function deliveryOf(
  position: number,
  qos: 0 | 1 | 2,
  retain: boolean,
  matching: readonly SubscriptionOptions[],
): NaiveDelivery {
  return {
    position,
    qos: Math.min(qos, Math.max(...matching.map((it) => it.qos))) as 0 | 1 | 2,
    retain: retain && matching.some(({ retainAsPublished }) => retainAsPublished),
    subscriptionIds: matching
      .map(({ subscriptionId }) => subscriptionId)
      .filter((id) => id !== 0)
      .sort((a, b) => a - b),
  };
}
