/**
 * Why a connection is closed by the server, by stable code: the label of the `refused` metric and a field of the log line.
 * MQTT 5.0 says it to the client with a reason code; 3.1.1 has no packet to say it in, except CONNACK.
 */
import type { ErrorCode } from "../../errors.js";
import { meaningOf } from "./packets/error-reasons.js";
import type { Reason } from "./packets/reason-codes.js";

/** What the server closes a connection for. */
export type RefusalCode =
  | ErrorCode
  /** The bytes are not the packet they claim to be (MQTT 3.1.1, 4.8). */
  | "malformed_packet"
  /** A well-formed packet that may not come now, or at all, from a client (MQTT 3.1.1, 4.8). */
  | "protocol_violation"
  /** The remaining length is above the type's ceiling. */
  | "packet_too_large"
  /** The CONNECT asks for another protocol level (MQTT-3.1.2-2). */
  | "unsupported_protocol_version"
  /** The client id is empty without a clean session (MQTT-3.1.3-8), too long or unprintable. */
  | "identifier_rejected"
  /** No complete CONNECT in time (MQTT 3.1.1, 4.8). */
  | "connect_timeout"
  /** Silent for one and a half times its keep-alive (MQTT-3.1.2-24). */
  | "keep_alive_timeout"
  /** Another connection came with the same client id (MQTT-3.1.4-2). */
  | "taken_over"
  /** An operator disconnected it. */
  | "kicked"
  /** The group took this node for dead, and its connections for ended. */
  | "node_down"
  /** The CONNECT names an authentication method that is not served (MQTT 5.0, 4.12). */
  | "bad_authentication_method"
  /** It asked for what it may not have. */
  | "not_authorized"
  /** More publishes of QoS 1 and 2 without an answer than Receive Maximum allows (MQTT 5.0, 3.3.4). */
  | "receive_maximum_exceeded"
  /** Properties of a message above our ceilings. */
  | "properties_too_large"
  /** A topic alias that is 0 or above Topic Alias Maximum (MQTT 5.0, 3.3.2.3.4). */
  | "topic_alias_invalid"
  /** A payload that is said to be UTF-8 and is not (MQTT 5.0, 3.3.2.3.2). */
  | "payload_format_invalid";

/** Neither yes nor no can be said to what the client asked for: it has to connect again and ask again. */
export function isNoAnswer(code: RefusalCode): boolean {
  return code === "outcome_unknown" || code === "session_displaced" || code === "shutting_down";
}

/** Thrown while a packet is handled: the connection is counted, logged and closed. */
export class PacketRefused extends Error {
  readonly code: RefusalCode;
  /** What CONNACK or DISCONNECT of MQTT 5.0 says; `null` when the connection is closed without a word. */
  readonly reason: Reason | null;

  constructor(code: RefusalCode, detail: string, reason: Reason | null = meaningOf(code)) {
    super(detail);
    this.name = "PacketRefused";
    this.code = code;
    this.reason = reason;
  }
}
