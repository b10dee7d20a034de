/** The last packet that the server sends on a connection that it ends (MQTT 5.0, 4.13): CONNACK before the client was accepted, DISCONNECT after. */
import type { EdgeContext } from "../context.js";
import { encodeConnack } from "../packets/connack.js";
import type { ConnectPacket } from "../packets/connect.js";
import { encodeDisconnect } from "../packets/disconnect.js";
import { allowedReason, meaningOf, reasonFor } from "../packets/error-reasons.js";
import { LEVEL_5, type ProtocolLevel } from "../packets/protocol.js";
import { Reason } from "../packets/reason-codes.js";
import type { RefusalCode } from "../refusal.js";
import type { Refusal } from "../speaker.js";

/** Another node may do better. */
const BETTER_ELSEWHERE: ReadonlySet<RefusalCode> = new Set(["shutting_down", "no_leader", "not_ready"]);

/** What a client can be told about the end of its connection. */
export interface Listener {
  readonly level: ProtocolLevel;
  readonly packetBytesMax: number;
  readonly wantsProblemInformation: boolean;
}

/** DISCONNECT (MQTT-3.14.0-1); `null` when the client has no such packet, or nothing is to be said. */
export function goodbye(context: EdgeContext, listener: Listener, refusal: Refusal): Buffer | null {
  const { reason, serverReference } = directions(context, "disconnect", refusal);
  if (reason === null || listener.level !== LEVEL_5) return null;
  const reasonString = listener.wantsProblemInformation ? refusal.detail : undefined;
  return encodeDisconnect(reason, { reasonString, serverReference }, listener.packetBytesMax);
}

/** CONNACK with an error (3.2.2.2); `connect` is `null` when it could not be read. */
export function refusalConnack(
  context: EdgeContext,
  level: ProtocolLevel,
  connect: ConnectPacket | null,
  refusal: Refusal,
): Buffer | null {
  const { reason, serverReference } = directions(context, "connack", refusal);
  if (reason === null) return null;
  const reasonString = connect?.wantsProblemInformation === true ? refusal.detail : undefined;
  const connack = { sessionPresent: false, reason, serverReference, reasonString };
  return encodeConnack(level, connack, connect?.packetBytesMax);
}

/** What the packet can say of it, and where to go instead (4.11). */
function directions(
  { broker }: EdgeContext,
  packet: "connack" | "disconnect",
  { code, reason }: Refusal,
): { readonly reason: Reason | null; readonly serverReference?: string } {
  if (reason === null) return { reason };
  const other = BETTER_ELSEWHERE.has(code) ? broker.otherNode() : null;
  if (other !== null) return { reason: Reason.UseAnotherServer, serverReference: other };
  return { reason: reason === meaningOf(code) ? reasonFor(packet, code) : allowedReason(packet, reason) };
}
