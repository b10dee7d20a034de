/**
 * Retained messages that subscriptions of a client asked for (MQTT-3.3.1-9), one pass over them for each SUBSCRIBE: oldest first, before what comes
 * live after it. A pass holds topic names and looks each message up when its turn comes: a slow client holds no payloads, and a deleted
 * message does not come back.
 */
import type { Cancel } from "../../../runtime/clock.js";
import type { StoredMessage } from "../../../state-machine/effects.js";
import type { RetainedPass } from "../../../state-machine/session-view.js";
import { type Filter, FilterSet, type Grant } from "../../../topics/filter-set.js";
import { isWildcard } from "../../../topics/topic-name.js";
import { RETAINED } from "./exchanges.js";
import { Ledger } from "./ledger.js";
import { isSharedWithin, positionAbove } from "./packet-id.js";
import type { Parts } from "./parts.js";
import { qosOf } from "./publish-packet.js";
import { Resumption } from "./resumption.js";

/** A pass, and how far it is. */
interface Pass {
  /** `RETAINED` at a session that is not kept. */
  readonly source: number;
  readonly asOf: number;
  readonly filters: FilterSet;
  /** In position order; `null` until they were looked for. */
  topics: readonly string[] | null;
  next: number;
  walked: number;
  readonly ledger: Ledger | null;
  /** Where an earlier connection of the session may have been. */
  readonly resumption: Resumption | null;
}

/** Messages looked up at a time, before others get their turn. */
const LOOKED_UP_PER_TURN = 1_024;

/** Passes of one client; past it the newest are made one, at the connection of a session that is not kept. */
const PASSES_MAX = 64;

/** How often is looked whether the live stream has come to where a pass can go on. */
const LOOK_AGAIN_MS = 20;

export class RetainedFeed {
  readonly #parts: Parts;
  /** Those that are not all sent, oldest first. */
  #passes: Pass[] = [];
  /** The oldest waits for live messages or items of shares that go first. */
  #awaitsOthers = false;
  #cancelLook: Cancel | null = null;
  /** It is being looked for, or its turn comes. */
  #isScheduled = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Whether a pass as of a position below this is not all sent. */
  isBefore(asOf: number): boolean {
    const first = this.#passes[0];
    return first !== undefined && first.asOf < asOf;
  }

  /** As of the live stream. */
  comesAgain(packetId: number): boolean {
    return this.#passes.some(
      ({ resumption, walked }) => resumption?.mayBeSent(positionAbove(walked, packetId)) === true,
    );
  }

  /** At a session that is not kept: retained messages that match are to be sent. */
  want(filters: readonly Filter[], asOf: number): void {
    const { number } = this.#parts.session;
    let wanted = filters;
    if (this.#passes.length >= PASSES_MAX) {
      wanted = [...(this.#passes.pop()?.filters.filters ?? []), ...filters];
    }
    this.#passes.push({
      source: RETAINED,
      asOf,
      filters: new FilterSet(wanted, number),
      topics: null,
      next: 0,
      walked: 0,
      ledger: null,
      resumption: null,
    });
    this.#limitLive();
  }

  /** A pass of the replicated state. */
  add(pass: RetainedPass, isResumed: boolean): void {
    const ledger = new Ledger();
    ledger.expect(pass.received);
    const added: Pass = {
      source: pass.source,
      asOf: pass.asOf,
      filters: new FilterSet(pass.subscriptions, this.#parts.session.number),
      topics: null,
      next: 0,
      walked: pass.through,
      ledger,
      resumption: isResumed ? resumptionOf(pass) : null,
    };
    this.#passes.push(added);
    this.#limitLive();
    this.#parts.reports.watch(pass.source, ledger, pass.through, () => added.walked, pass.asOf);
  }

  /** As many as there is room for. */
  pump(): void {
    if (this.#isScheduled || this.#passes.length === 0) return;
    let left = LOOKED_UP_PER_TURN;
    for (
      let pass = this.#passes[0];
      pass !== undefined && this.#parts.link.isWritable;
      pass = this.#passes[0]
    ) {
      if (pass.topics === null) {
        this.#look(pass);
        if (pass.topics === null) break;
      }
      left = this.#walk(pass, left);
      if (left === 0) this.#goOnLater();
      if (pass.topics.length > pass.next) break;
      pass.walked = pass.asOf;
      this.#passes.shift();
      this.#awaitsOthers = false;
      if (pass.ledger !== null) this.#parts.reports.moved();
    }
    this.#limitLive();
    this.#parts.link.flush();
  }

  close(): void {
    this.#passes = [];
    this.#cancelLook?.();
    this.#cancelLook = null;
  }

  /** Live messages wait for the oldest pass, unless it waits for some of them. */
  #limitLive(): void {
    const first = this.#passes[0];
    const { live } = this.#parts;
    if (first === undefined) live.ceiling = Number.POSITIVE_INFINITY;
    else live.ceiling = this.#awaitsOthers ? first.asOf : 0;
  }

  /** Looks for the topics of a pass: at once, or soon when many clients do. */
  #look(pass: Pass): void {
    const { context, link } = this.#parts;
    this.#isScheduled = true;
    let isAtOnce = true;
    context.turnBudget.run(() => {
      this.#isScheduled = false;
      if (!link.isOpen) return;
      pass.topics = this.#topicsOf(pass);
      if (!isAtOnce) this.#parts.pump();
    });
    isAtOnce = false;
  }

  /** Exact filters are looked up, and only wildcards are worth looking through all there is. */
  #topicsOf({ filters, asOf, walked }: Pass): readonly string[] {
    const names = filters.filters.map(({ filter }) => filter);
    const messages = names.some(isWildcard)
      ? this.#parts.context.broker.retained(filters)
      : names.flatMap((name) => this.#lookUp(name) ?? []);
    return messages
      .filter(({ position }) => position > walked && position <= asOf)
      .sort((a, b) => a.position - b.position)
      .map(({ topic }) => topic.name);
  }

  #lookUp(topic: string): StoredMessage | undefined {
    return this.#parts.context.broker.retained(new FilterSet([{ filter: topic, qos: 0 }]))[0];
  }

  /** Goes on with a pass while there is room, for so many messages at most; returns how many of them are left. */
  #walk(pass: Pass, messagesMax: number): number {
    const topics = pass.topics ?? [];
    let left = messagesMax;
    while (left > 0 && this.#parts.link.isWritable) {
      const topic = topics[pass.next];
      if (topic === undefined) break;
      left -= 1;
      const message = this.#lookUp(topic);
      // What was retained later comes live.
      if (message !== undefined && message.position <= pass.asOf) {
        if (!this.#take(pass, message)) break;
        pass.walked = message.position;
      }
      this.#awaitsOthers = false;
      pass.next += 1;
    }
    return left;
  }

  /** False when there is no room for it. */
  #take(pass: Pass, message: StoredMessage): boolean {
    const grant = pass.filters.grantOfMatch(message.topic.name, message.publisher);
    if (grant === null) return true;
    const { position } = message;
    const { resumption, ledger } = pass;
    if (qosOf(message, grant) === 0) {
      if (resumption !== null && resumption.quiet(position) !== "no") return true;
    } else {
      if (resumption?.isDealtWith(position) === true) return true;
      if (ledger !== null && !this.#isItsTurn(pass, position, ledger)) return false;
    }
    // Unsubscribed meanwhile.
    if (!this.#parts.own.filters.matches(message.topic.name)) return this.#passOver(pass, message, grant);
    return this.#offer(pass, message, grant);
  }

  #offer(pass: Pass, message: StoredMessage, grant: Grant): boolean {
    const { source, resumption, ledger } = pass;
    const { link, context } = this.#parts;
    const isOpen = qosOf(message, grant) > 0;
    const again = isOpen && resumption?.mayBeSent(message.position) === true;
    const offered = link.offer(message, grant, { source, retain: true, again });
    if (offered === "no_room") return false;
    if (offered === "too_large") {
      if (!this.#passOver(pass, message, grant)) return false;
      context.metrics.dropped("packet_too_large", 1);
      return true;
    }
    if (again) resumption?.sentAgain();
    if (isOpen) ledger?.sent(message.position);
    return true;
  }

  /** It is not sent (again). False when that has to wait. */
  #passOver({ source, resumption, ledger }: Pass, message: StoredMessage, grant: Grant): boolean {
    const { position } = message;
    if (qosOf(message, grant) < 2) return true;
    const again = resumption?.mayBeSent(position) === true;
    if (!this.#parts.link.passOver(position, source, again)) return false;
    if (!again) return true;
    resumption?.sentAgain();
    ledger?.sent(position);
    return true;
  }

  /**
   * Two deliveries that would have one packet identifier go in one order on every node: live messages up to `asOf` and items of shares that were
   * given up to there go first, and what came after waits.
   */
  #isItsTurn({ asOf }: Pass, position: number, ledger: Ledger): boolean {
    const { own, shared, context } = this.#parts;
    if (ledger.room <= 0) return false;
    const isAwaited = shared?.isAwaited(position, asOf + 1) === true;
    if (!isAwaited && !isSharedWithin(position, own.cursor, asOf)) return true;
    this.#awaitsOthers = true;
    this.#cancelLook ??= context.clock.after(LOOK_AGAIN_MS, () => {
      this.#cancelLook = null;
      this.#parts.pump();
    });
    return false;
  }

  #goOnLater(): void {
    const { context } = this.#parts;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    context.clock.soon(() =>
      context.turnBudget.run(() => {
        this.#isScheduled = false;
        this.#parts.pump();
      }),
    );
  }
}

/** On resume, QoS 0 counts as sent, and what is not dealt with may have been. */
function resumptionOf(pass: RetainedPass): Resumption {
  const { asOf } = pass;
  return new Resumption({ state: pass, sentThrough: asOf, quietThrough: asOf, offlineAbove: asOf });
}
