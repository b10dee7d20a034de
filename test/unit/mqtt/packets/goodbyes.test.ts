/** DISCONNECT and AUTH (MQTT 5.0, 3.14 and 3.15), bytes and values. */
import { describe, expect, it } from "vitest";
import { decodeAuth, encodeAuth } from "../../../../src/edges/mqtt/packets/auth.js";
import { decodeDisconnect, encodeDisconnect } from "../../../../src/edges/mqtt/packets/disconnect.js";
import { Reason } from "../../../../src/edges/mqtt/packets/reason-codes.js";
import { bytes } from "../../../mqtt/support/raw-client.js";
import { outcome } from "./outcome.js";

describe("DISCONNECT", () => {
  it.each([
    ["nothing: reason 0x00 (3.14.2.1)", "", { reason: 0 }],
    ["a reason alone (3.14.2.2.1)", "04", { reason: 4 }],
    ["a session expiry (3.14.2.2.2)", "00 05 11 00 00 00 07", { reason: 0, expirySeconds: 7 }],
    ["a reason string (3.14.2.2.3)", "81 06 1f 00 03 'why'", { reason: 0x81, reasonString: "why" }],
    ["user properties (3.14.2.2.4)", "00 07 26 00 01 'a' 00 01 'b'", { reason: 0 }],
  ])("has %s", (_what, script, wanted) => {
    const packet = { expirySeconds: null, reasonString: "", ...wanted };
    expect(outcome(script, (...range) => decodeDisconnect(5, ...range))).toEqual(packet);
  });

  it.each([
    ["a reason of servers (MQTT-3.14.2-1)", "8b", "protocol_violation", null],
    ["a reason that there is not (MQTT-3.14.2-1)", "01", "protocol_violation", null],
    ["a property of PUBLISH (2.2.2.2)", "00 03 23 00 01", "protocol_violation", 0x82],
    [
      "twice the same property (3.14.2.2.2)",
      "00 0a 11 00 00 00 07 11 00 00 00 07",
      "protocol_violation",
      0x82,
    ],
    ["bytes left over", "00 00 00", "malformed_packet", 0x81],
  ])("may not have %s", (_what, script, code, reason) => {
    expect(outcome(script, (...range) => decodeDisconnect(5, ...range))).toEqual({ code, reason });
  });

  it("has no body in 3.1.1", () => {
    expect(outcome("", (...range) => decodeDisconnect(4, ...range))).toMatchObject({ reason: 0 });
    expect(outcome("00", (...range) => decodeDisconnect(4, ...range))).toMatchObject({ reason: 0x81 });
  });

  it.each([
    ["a reason", encodeDisconnect(Reason.SessionTakenOver), "e0 01 8e"],
    [
      "a reason that it may carry in place of one that it may not (MQTT-3.14.2-1)",
      encodeDisconnect(Reason.ServerUnavailable),
      "e0 01 89",
    ],
    [
      "what fits all that has no word of its own",
      encodeDisconnect(Reason.ClientIdentifierNotValid),
      "e0 01 83",
    ],
    ["words", encodeDisconnect(Reason.QuotaExceeded, { reasonString: "why" }), "e0 08 97 06 1f 00 03 'why'"],
    [
      "another server",
      encodeDisconnect(Reason.UseAnotherServer, { serverReference: "h:1" }),
      "e0 08 9c 06 1c 00 03 'h:1'",
    ],
    [
      "no words for who takes no such packet (MQTT-3.14.2-3)",
      encodeDisconnect(Reason.QuotaExceeded, { reasonString: "why" }, 9),
      "e0 01 97",
    ],
  ])("is written with %s", (_what, packet, wanted) => {
    expect(packet).toEqual(bytes(wanted));
  });

  it("is not written when it is longer than the client takes (MQTT-3.1.2-24)", () => {
    expect(encodeDisconnect(Reason.QuotaExceeded, {}, 2)).toBeNull();
  });
});

describe("AUTH", () => {
  it.each([
    ["a method", "18 06 15 00 03 'abc'", { reason: 0x18, method: "abc", data: null }],
    [
      "a method and data",
      "19 0a 15 00 03 'abc' 16 00 01 ff",
      { reason: 0x19, method: "abc", data: Buffer.from([255]) },
    ],
  ])("has %s", (_what, script, wanted) => {
    expect(outcome(script, decodeAuth)).toEqual(wanted);
  });

  it.each([
    ["no body: success is the server's to say (3.15.2.1)", "", 0x82],
    ["a reason of servers (MQTT-3.15.2-1)", "00 06 15 00 03 'abc'", 0x82],
    ["no method (3.15.2.2.2)", "18 00", 0x82],
    ["no properties", "18", 0x81],
    ["bytes left over", "18 06 15 00 03 'abc' 00", 0x81],
  ])("may not have %s", (_what, script, reason) => {
    expect(outcome(script, decodeAuth)).toMatchObject({ reason });
  });

  it.each([
    ["a method", encodeAuth(Reason.Success, "abc", null), "f0 08 00 06 15 00 03 'abc'"],
    [
      "a challenge",
      encodeAuth(Reason.ContinueAuthentication, "abc", Buffer.from("?")),
      "f0 0c 18 0a 15 00 03 'abc' 16 00 01 '?'",
    ],
  ])("is written with %s", (_what, packet, wanted) => {
    expect(packet).toEqual(bytes(wanted));
  });
});
