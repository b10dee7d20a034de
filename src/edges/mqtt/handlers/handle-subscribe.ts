/**
 * SUBSCRIBE (MQTT 3.1.1 and 5.0, 3.8): filters are granted, or refused one by one in SUBACK. Those of a session that is kept, and shared ones of
 * any, are the group's: SUBACK waits until it has committed them. The others stand when the chunk was read.
 */
import type { SubscriptionOptions } from "../../../commands/command.js";
import { limits } from "../../../limits.js";
import type { CommandResult } from "../../../state-machine/effects.js";
import { isTopicName } from "../../../topics/topic-name.js";
import type { Client } from "../client.js";
import { wantsRetained } from "../local-subscriptions.js";
import { reasonFor } from "../packets/error-reasons.js";
import type { Reason } from "../packets/reason-codes.js";
import { decodeSubscribe, encodeSuback } from "../packets/subscribe.js";
import { isNoAnswer, type RefusalCode } from "../refusal.js";
import { isSysFilter } from "../sys/sys-board.js";

/** A subscription that the group has to commit, and its place in SUBACK. */
interface Replicated {
  readonly at: number;
  readonly options: SubscriptionOptions;
}

/** Answers with one code a filter, in their order (MQTT-3.8.4-6). Throws `PacketRefused` as `decodeSubscribe` does. */
export function handleSubscribe(client: Client, bytes: Buffer, start: number, end: number): void {
  const { packetId, subscriptions } = decodeSubscribe(client.level, bytes, start, end);
  const replicated: Replicated[] = [];
  const sys = new SysPart();
  const codes = subscriptions.map((options, at): Reason => {
    if (options === null) return refused(client, "invalid_filter");
    if (client.context.denySubscribe.includes(options.filter)) return refused(client, "not_authorized");
    const existed = client.subscriptions.has(options.filter);
    if (client.session.isKept || options.share !== "") replicated.push({ at, options });
    else if (!subscribeHere(client, options)) return refused(client, "too_many_subscriptions");
    else sys.add(options, existed);
    return options.qos;
  });
  if (replicated.length === 0) client.answer(encodeSuback(client.level, packetId, codes));
  else subscribe(client, packetId, codes, replicated);
  sys.watchAt(client);
  const isHere = (options: SubscriptionOptions | null): boolean =>
    options !== null && client.subscriptions.has(options.filter);
  for (const options of subscriptions) if (options !== null && isHere(options)) createTopic(client, options);
}

/** What of a SUBSCRIBE was granted and is about `$SYS`: nothing of that is the group's. */
class SysPart {
  readonly #wanted: SubscriptionOptions[] = [];
  #isAny = false;

  add(options: SubscriptionOptions, existed: boolean): void {
    if (!isSysFilter(options)) return;
    this.#isAny = true;
    if (wantsRetained(options, existed)) this.#wanted.push(options);
  }

  /** To be called when SUBACK is written. */
  watchAt(client: Client): void {
    if (this.#isAny) client.watchSys(this.#wanted);
  }
}

/** False when that would be too many. */
function subscribeHere({ subscriptions }: Client, options: SubscriptionOptions): boolean {
  const isFull = subscriptions.size >= limits.subscriptionsPerConnectionMax;
  if (isFull && !subscriptions.has(options.filter)) return false;
  subscriptions.add(options);
  return true;
}

function subscribe(
  client: Client,
  packetId: number,
  codes: Reason[],
  replicated: readonly Replicated[],
): void {
  const { context, session, connection, level } = client;
  const { number, epoch } = session;
  const subscriptions = replicated.map(({ options }) => options);
  client.awaitAnswer();
  context.broker.submit({ kind: "subscribe", session: number, epoch, subscriptions }, (result) => {
    client.answered();
    if (!connection.isOpen) return;
    if (result.kind === "failed" && isNoAnswer(result.code)) {
      client.fail(result.code, "SUBSCRIBE could not be answered");
      return;
    }
    const sys = new SysPart();
    for (const [index, { at, options }] of replicated.entries()) {
      const code = refusalOf(result, index);
      if (code === null) {
        createTopic(client, options);
        sys.add(options, result.kind === "subscribed" && result.subscriptions[index]?.existed === true);
      } else codes[at] = refused(client, code);
    }
    client.answer(encodeSuback(level, packetId, codes));
    if (result.kind === "subscribed") connection.attempt(() => client.delivery.subscriptionsChanged());
    sys.watchAt(client);
  });
}

/** Why the subscription at this place was not made; `null` when it was. */
function refusalOf(result: CommandResult, index: number): RefusalCode | null {
  if (result.kind === "failed") return result.code;
  return result.kind === "subscribed" ? (result.subscriptions[index]?.refused ?? null) : "internal";
}

function refused({ context }: Client, code: RefusalCode): Reason {
  context.metrics.refused(code);
  return reasonFor("suback", code);
}

/** An exact filter makes its topic. That it could not is no reason to fail the subscription: the first publish may do it. */
function createTopic({ context, id }: Client, { filter: topic }: SubscriptionOptions): void {
  const { broker, metrics, logger, autoCreate } = context;
  if (!autoCreate || !isTopicName(topic) || broker.topic(topic) !== undefined) return;
  broker.submit({ kind: "create-topic", topic, retention: {}, ifMissing: true }, (result) => {
    if (result.kind !== "failed") return;
    metrics.refused(result.code);
    logger.warn({ clientId: id, topic, code: result.code }, "a subscription could not create its topic");
  });
}
