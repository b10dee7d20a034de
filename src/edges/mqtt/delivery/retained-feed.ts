/**
 * Retained messages that subscriptions of a client asked for (MQTT-3.3.1-9), one pass over them for each SUBSCRIBE: oldest first, before what comes
 * live after it. A pass looks each message up when its turn comes: a slow client holds no payloads, and what is deleted or replaced does not
 * come back. A client that may have it at QoS 2 is sent the PUBREL.
 */
import type { Cancel } from "../../../runtime/clock.js";
import type { StoredMessage } from "../../../state-machine/effects.js";
import type { RetainedPass, Session } from "../../../state-machine/session-view.js";
import { type Filter, FilterSet, type Grant } from "../../../topics/filter-set.js";
import { filterMatches, isWildcard } from "../../../topics/topic-name.js";
import { RETAINED } from "./exchanges.js";
import { Ledger } from "./ledger.js";
import { isSharedWithin, positionAbove } from "./packet-id.js";
import type { Parts } from "./parts.js";
import { PassPlan } from "./pass-plan.js";
import { isExpired } from "./publish-encoder.js";
import { qosOf } from "./publish-packet.js";
import { Resumption } from "./resumption.js";

/** A pass, and how far it is. */
interface Pass {
  /** `RETAINED` at a session that is not kept. */
  readonly source: number;
  readonly asOf: number;
  readonly filters: FilterSet;
  /** `null` until it was looked for what there is. */
  plan: PassPlan | null;
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
      plan: null,
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
      plan: null,
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
      if (pass.plan === null) {
        this.#look(pass);
        if (pass.plan === null) break;
      }
      left = this.#walk(pass, pass.plan, left);
      if (left === 0) this.#goOnLater();
      if (pass.plan.size > pass.next) break;
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

  /** Looks for what a pass goes through: at once, or soon when many clients do. */
  #look(pass: Pass): void {
    const { context, link } = this.#parts;
    this.#isScheduled = true;
    let isAtOnce = true;
    context.turnBudget.run(() => {
      this.#isScheduled = false;
      if (!link.isOpen) return;
      pass.plan = this.#planOf(pass);
      if (!isAtOnce) this.#parts.pump();
    });
    isAtOnce = false;
  }

  /** Exact filters are looked up, and only wildcards are worth looking through all there is. */
  #planOf({ source, filters, asOf, walked }: Pass): PassPlan {
    const names = filters.filters.map(({ filter }) => filter);
    const messages = names.some(isWildcard)
      ? this.#parts.context.broker.retained(filters, true)
      : names.flatMap((name) => this.#lookUp(name) ?? []);
    const isAhead = (position: number): boolean => position > walked && position <= asOf;
    const inOrder = messages
      .filter(({ position }) => isAhead(position))
      .sort((a, b) => a.position - b.position);
    return new PassPlan(filters, inOrder, this.#goneOf(source).filter(isAhead));
  }

  /** Expired or not. */
  #lookUp(topic: string): StoredMessage | undefined {
    return this.#parts.context.broker.retained(new FilterSet([{ filter: topic, qos: 0 }]), true)[0];
  }

  /** What the state knows to be gone of a pass. */
  #goneOf(source: number): readonly number[] {
    return this.#state?.passes.find((pass) => pass.source === source)?.gone ?? [];
  }

  get #state(): Session | undefined {
    const { context, session } = this.#parts;
    return context.broker.session(session.number);
  }

  /** Goes on with a pass while there is room, for so many messages at most; returns how many of them are left. */
  #walk(pass: Pass, plan: PassPlan, messagesMax: number): number {
    let left = messagesMax;
    while (left > 0 && this.#parts.link.isWritable && pass.next < plan.size) {
      left -= 1;
      if (!this.#step(pass, plan)) break;
      pass.walked = plan.positionAt(pass.next);
      this.#awaitsOthers = false;
      pass.next += 1;
    }
    return left;
  }

  /** What is next in the plan. False when there is no room for it. */
  #step(pass: Pass, plan: PassPlan): boolean {
    const topic = plan.topicAt(pass.next);
    const message = topic === null ? undefined : this.#lookUp(topic);
    // Another one at the topic was retained later, and comes live.
    if (message?.position === plan.positionAt(pass.next)) return this.#take(pass, message);
    return pass.ledger === null || !plan.wasForTwo(pass.next) || this.#leave(pass, plan, pass.ledger);
  }

  /** False when there is no room for it. */
  #take(pass: Pass, message: StoredMessage): boolean {
    const { position, topic } = message;
    const grant = pass.filters.grantOfMatch(topic.name, message.publisher);
    if (grant === null) return true;
    const { resumption, ledger } = pass;
    if (qosOf(message, grant) === 0) {
      if (resumption !== null && resumption.quiet(position) !== "no") return true;
    } else {
      if (resumption?.isDealtWith(position) === true) return true;
      if (ledger !== null && !this.#isItsTurn(pass, position, topic.name, ledger)) return false;
    }
    // Unsubscribed or expired meanwhile.
    const isWanted = this.#parts.own.filters.matches(topic.name);
    if (!isWanted || isExpired(message, this.#parts.context.broker.nowMs()))
      return this.#passOver(pass, message, grant);
    return this.#offer(pass, message, grant);
  }

  /** What would have gone at QoS 2 is gone: the client may have it if there was a connection before. False when that has to wait. */
  #leave(pass: Pass, plan: PassPlan, ledger: Ledger): boolean {
    const position = plan.positionAt(pass.next);
    if (pass.resumption?.isDealtWith(position) === true) return true;
    if (!this.#isItsTurn(pass, position, plan.topicAt(pass.next), ledger)) return false;
    return this.#parts.link.passOver(position, pass.source, pass.resumption !== null, ledger);
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
    if (!this.#parts.link.passOver(position, source, again, ledger)) return false;
    if (again) resumption?.sentAgain();
    return true;
  }

  /**
   * Two deliveries that would have one packet identifier go in one order on every node: live messages up to `asOf` (this one as well, if it comes live
   * too) and items of shares that were given up to there go first, and what came after waits.
   */
  #isItsTurn({ asOf }: Pass, position: number, topic: string | null, ledger: Ledger): boolean {
    const { own, shared, context } = this.#parts;
    if (ledger.room <= 0) return false;
    const isLiveAhead =
      isSharedWithin(position, own.cursor, asOf) ||
      (position > own.cursor && this.#comesLive(position, topic));
    if (!isLiveAhead && shared?.isAwaited(position, asOf + 1) !== true) return true;
    this.#awaitsOthers = true;
    this.#cancelLook ??= context.clock.after(LOOK_AGAIN_MS, () => {
      this.#cancelLook = null;
      this.#parts.pump();
    });
    return false;
  }

  /** Whether what is at this position may come by a live subscription as well; `null` for a topic that is not known. */
  #comesLive(position: number, topic: string | null): boolean {
    const subscriptions = this.#state?.subscriptions ?? [];
    return subscriptions.some(
      ({ share, since, until, filter }) =>
        share === "" &&
        since < position &&
        position <= until &&
        (topic === null || filterMatches(filter, topic)),
    );
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
