/**
 * Which reason code of MQTT 5.0 says which of our errors. What a packet may not carry is said by the next best code that it may.
 */
import type { ErrorCode } from "../../../errors.js";
import type { RefusalCode } from "../refusal.js";
import { ALLOWED_REASONS, Reason, type ReasonedPacket } from "./reason-codes.js";

/** The packets in which a server can say what went wrong. */
type Answer = Extract<ReasonedPacket, "connack" | "puback" | "pubrec" | "suback" | "unsuback" | "disconnect">;

/** Best first. Codes that nothing an MQTT client does can give are not here. */
const MEANINGS: Partial<Record<ErrorCode | RefusalCode, readonly Reason[]>> = {
  malformed_packet: [Reason.MalformedPacket],
  protocol_violation: [Reason.ProtocolError],
  packet_too_large: [Reason.PacketTooLarge, Reason.QuotaExceeded],
  payload_too_large: [Reason.PacketTooLarge, Reason.QuotaExceeded],
  unsupported_protocol_version: [Reason.UnsupportedProtocolVersion],
  identifier_rejected: [Reason.ClientIdentifierNotValid],
  bad_authentication_method: [Reason.BadAuthenticationMethod],
  not_authorized: [Reason.NotAuthorized],
  keep_alive_timeout: [Reason.KeepAliveTimeout],
  connect_timeout: [Reason.MaximumConnectTime, Reason.UnspecifiedError],
  taken_over: [Reason.SessionTakenOver],
  session_displaced: [Reason.SessionTakenOver],
  kicked: [Reason.AdministrativeAction],
  node_down: [Reason.ServerBusy],
  receive_maximum_exceeded: [Reason.ReceiveMaximumExceeded],
  topic_alias_invalid: [Reason.TopicAliasInvalid],
  properties_too_large: [Reason.QuotaExceeded],
  payload_format_invalid: [Reason.PayloadFormatInvalid],
  invalid_topic: [Reason.TopicNameInvalid],
  topic_not_found: [Reason.TopicNameInvalid],
  invalid_filter: [Reason.TopicFilterInvalid],
  too_many_connections: [Reason.ServerBusy],
  too_many_sessions: [Reason.QuotaExceeded],
  too_many_topics: [Reason.QuotaExceeded],
  too_many_subscriptions: [Reason.QuotaExceeded],
  retained_full: [Reason.QuotaExceeded],
  disk_full: [Reason.QuotaExceeded],
  overloaded: [Reason.ServerBusy, Reason.QuotaExceeded],
  no_leader: [Reason.ServerUnavailable, Reason.ServerBusy],
  not_ready: [Reason.ServerUnavailable, Reason.ServerBusy],
  shutting_down: [Reason.ServerShuttingDown, Reason.ServerUnavailable],
  outcome_unknown: [Reason.UnspecifiedError],
  internal: [Reason.UnspecifiedError],
};

/** What every answer may carry. */
const LAST_RESORT = Reason.ImplementationSpecificError;

/** How `packet` says `code`. */
export function reasonFor(packet: Answer, code: ErrorCode | RefusalCode): Reason {
  const allowed = ALLOWED_REASONS[packet];
  return MEANINGS[code]?.find((reason) => allowed.has(reason)) ?? LAST_RESORT;
}

/** How MQTT 5.0 says `code` where every reason is allowed. */
export function meaningOf(code: ErrorCode | RefusalCode): Reason {
  return MEANINGS[code]?.[0] ?? LAST_RESORT;
}

/** `reason` if `packet` may carry it, else what it may. */
export function allowedReason(packet: Answer, reason: Reason): Reason {
  const allowed = ALLOWED_REASONS[packet];
  if (allowed.has(reason)) return reason;
  // Who is connected is told to come back later.
  return reason === Reason.ServerUnavailable && allowed.has(Reason.ServerBusy)
    ? Reason.ServerBusy
    : LAST_RESORT;
}

/** CONNACK return codes of MQTT 3.1.1 (3.2.2.3). */
export const ReturnCode = {
  Accepted: 0,
  UnacceptableProtocolVersion: 1,
  IdentifierRejected: 2,
  ServerUnavailable: 3,
  BadUserNameOrPassword: 4,
  NotAuthorized: 5,
} as const;
export type ReturnCode = (typeof ReturnCode)[keyof typeof ReturnCode];

const RETURN_CODES: Partial<Record<Reason, ReturnCode>> = {
  [Reason.Success]: ReturnCode.Accepted,
  [Reason.UnsupportedProtocolVersion]: ReturnCode.UnacceptableProtocolVersion,
  [Reason.ClientIdentifierNotValid]: ReturnCode.IdentifierRejected,
  [Reason.BadUserNameOrPassword]: ReturnCode.BadUserNameOrPassword,
  [Reason.NotAuthorized]: ReturnCode.NotAuthorized,
  [Reason.Banned]: ReturnCode.NotAuthorized,
  [Reason.ServerUnavailable]: ReturnCode.ServerUnavailable,
  [Reason.ServerBusy]: ReturnCode.ServerUnavailable,
  [Reason.QuotaExceeded]: ReturnCode.ServerUnavailable,
  [Reason.UnspecifiedError]: ReturnCode.ServerUnavailable,
  [Reason.UseAnotherServer]: ReturnCode.ServerUnavailable,
  [Reason.ServerMoved]: ReturnCode.ServerUnavailable,
  [Reason.ConnectionRateExceeded]: ReturnCode.ServerUnavailable,
};

/** How CONNACK of 3.1.1 says it; `null` when it cannot: the connection is closed without one (MQTT-3.1.4-1). */
export function returnCodeOf(reason: Reason): ReturnCode | null {
  return RETURN_CODES[reason] ?? null;
}
