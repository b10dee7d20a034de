/** Reason codes (MQTT 5.0, 2.4) and how our errors are said in them. */
import { describe, expect, it } from "vitest";
import { meaningOf, reasonFor, returnCodeOf } from "../../../../src/edges/mqtt/packets/error-reasons.js";
import { ALLOWED_REASONS, Reason } from "../../../../src/edges/mqtt/packets/reason-codes.js";
import { PacketRefused, type RefusalCode } from "../../../../src/edges/mqtt/refusal.js";
import { ERROR_CODES, type ErrorCode } from "../../../../src/errors.js";

const ANSWERS = ["connack", "puback", "pubrec", "suback", "unsuback", "disconnect"] as const;
const isErrorCode = (code: string): code is ErrorCode => code in ERROR_CODES;
const errorCodes = Object.keys(ERROR_CODES).filter(isErrorCode);

it("are the ones that the standard lists, once each", () => {
  const values = Object.values(Reason);
  expect(new Set(values).size).toBe(values.length);
  const named = new Set<number>(values);
  for (const allowed of Object.values(ALLOWED_REASONS)) {
    expect([...allowed].filter((reason) => !named.has(reason))).toEqual([]);
  }
});

it.each(ANSWERS)("%s says every error with a code that it may carry, and never with success", (packet) => {
  for (const code of errorCodes) {
    const reason = reasonFor(packet, code);
    expect([code, ALLOWED_REASONS[packet].has(reason)]).toEqual([code, true]);
    expect(reason).toBeGreaterThanOrEqual(0x80);
  }
});

describe("what a client is told", () => {
  const rows: readonly (readonly [RefusalCode, (typeof ANSWERS)[number], Reason])[] = [
    ["malformed_packet", "disconnect", Reason.MalformedPacket],
    ["malformed_packet", "connack", Reason.MalformedPacket],
    ["protocol_violation", "disconnect", Reason.ProtocolError],
    ["packet_too_large", "disconnect", Reason.PacketTooLarge],
    ["payload_too_large", "pubrec", Reason.QuotaExceeded],
    ["payload_too_large", "disconnect", Reason.PacketTooLarge],
    ["invalid_topic", "puback", Reason.TopicNameInvalid],
    ["invalid_filter", "suback", Reason.TopicFilterInvalid],
    ["not_authorized", "suback", Reason.NotAuthorized],
    ["taken_over", "disconnect", Reason.SessionTakenOver],
    ["kicked", "disconnect", Reason.AdministrativeAction],
    ["keep_alive_timeout", "disconnect", Reason.KeepAliveTimeout],
    ["shutting_down", "disconnect", Reason.ServerShuttingDown],
    ["shutting_down", "connack", Reason.ServerUnavailable],
    ["no_leader", "connack", Reason.ServerUnavailable],
    ["no_leader", "disconnect", Reason.ServerBusy],
    ["no_leader", "puback", Reason.ImplementationSpecificError],
    ["overloaded", "puback", Reason.QuotaExceeded],
    ["overloaded", "connack", Reason.ServerBusy],
    ["retained_full", "puback", Reason.QuotaExceeded],
    ["too_many_subscriptions", "suback", Reason.QuotaExceeded],
    ["payload_format_invalid", "pubrec", Reason.PayloadFormatInvalid],
    ["idempotency_conflict", "puback", Reason.ImplementationSpecificError],
  ];
  it.each(rows)("%s in %s", (code, packet, reason) => {
    expect(reasonFor(packet, code)).toBe(reason);
  });
});

it("a refused packet has the reason of its code unless it is given another, or none", () => {
  expect(new PacketRefused("protocol_violation", "").reason).toBe(Reason.ProtocolError);
  expect(new PacketRefused("protocol_violation", "", Reason.MalformedPacket).reason).toBe(0x81);
  expect(new PacketRefused("protocol_violation", "", null).reason).toBeNull();
  expect(meaningOf("connect_timeout")).toBe(Reason.MaximumConnectTime);
});

it.each([
  [Reason.Success, 0],
  [Reason.UnsupportedProtocolVersion, 1],
  [Reason.ClientIdentifierNotValid, 2],
  [Reason.ServerUnavailable, 3],
  [Reason.ServerBusy, 3],
  [Reason.QuotaExceeded, 3],
  [Reason.BadUserNameOrPassword, 4],
  [Reason.NotAuthorized, 5],
  [Reason.MalformedPacket, null],
  [Reason.ProtocolError, null],
  [Reason.TopicNameInvalid, null],
])("0x%s is CONNACK %s of 3.1.1 (3.2.2.3)", (reason, code) => {
  expect(returnCodeOf(reason)).toBe(code);
});
