/** UNSUBSCRIBE (MQTT 3.1.1 and 5.0, 3.10): filters are taken out where they are, at the connection or in the replicated session. */
import type { Client } from "../client.js";
import { reasonFor } from "../packets/error-reasons.js";
import type { FilterName } from "../packets/filter-list.js";
import { LEVEL_3_1_1 } from "../packets/protocol.js";
import { Reason } from "../packets/reason-codes.js";
import { decodeUnsubscribe, encodeUnsuback } from "../packets/unsubscribe.js";
import { isNoAnswer } from "../refusal.js";

/** A filter that the group has to take out, and its place in UNSUBACK. */
interface Replicated {
  readonly at: number;
  readonly name: FilterName;
}

/**
 * Takes the filters out, compared character by character (MQTT-3.10.4-1), and answers with UNSUBACK in any case (MQTT-3.10.4-5), one code a filter
 * in 5.0 (MQTT-3.11.3-2). Throws `PacketRefused` as `decodeUnsubscribe` does.
 */
export function handleUnsubscribe(client: Client, bytes: Buffer, start: number, end: number): void {
  const { packetId, filters } = decodeUnsubscribe(client.level, bytes, start, end);
  const replicated: Replicated[] = [];
  const codes = filters.map((name, at): Reason => {
    if (name === null) return Reason.TopicFilterInvalid;
    if (client.session.isKept || name.share !== "") {
      replicated.push({ at, name });
      return Reason.Success;
    }
    return existed(client.subscriptions.remove(name.filter));
  });
  if (client.context.sysBoard.isWatching(client)) client.watchSys([]);
  if (replicated.length === 0) client.answer(encodeUnsuback(client.level, packetId, codes));
  else unsubscribe(client, packetId, codes, replicated);
}

function unsubscribe(
  client: Client,
  packetId: number,
  codes: Reason[],
  replicated: readonly Replicated[],
): void {
  const { context, session, connection, level } = client;
  const { number, epoch } = session;
  const filters = replicated.map(({ name }) => name);
  client.awaitAnswer();
  context.broker.submit({ kind: "unsubscribe", session: number, epoch, filters }, (result) => {
    client.answered();
    if (!connection.isOpen) return;
    if (result.kind === "failed" && (level === LEVEL_3_1_1 || isNoAnswer(result.code))) {
      // 3.1.1 has no way to say that it was not done.
      client.fail(result.code, "UNSUBSCRIBE could not be done");
      return;
    }
    for (const [index, { at }] of replicated.entries()) {
      if (result.kind === "failed") codes[at] = reasonFor("unsuback", result.code);
      else if (result.kind === "unsubscribed") codes[at] = existed(result.existed[index] === true);
    }
    client.answer(encodeUnsuback(level, packetId, codes));
    if (result.kind === "unsubscribed") connection.attempt(() => client.delivery.subscriptionsChanged());
    if (context.sysBoard.isWatching(client)) client.watchSys([]);
  });
}

function existed(it: boolean): Reason {
  return it ? Reason.Success : Reason.NoSubscriptionExisted;
}
