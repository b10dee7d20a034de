/** CONNACK (MQTT 3.1.1 and 5.0, 3.2), values to bytes. */
import { describe, expect, it } from "vitest";
import {
  type Connack,
  encodeConnack,
  unsupportedVersionConnack,
} from "../../../../src/edges/mqtt/packets/connack.js";
import { Reason } from "../../../../src/edges/mqtt/packets/reason-codes.js";
import { bytes } from "../../../mqtt/support/raw-client.js";

const ACCEPTED: Connack = { sessionPresent: false, reason: Reason.Success };

describe("3.1.1", () => {
  it.each([
    ["accepts", ACCEPTED, "20 02 00 00"],
    ["tells of a session (MQTT-3.2.2-2)", { ...ACCEPTED, sessionPresent: true }, "20 02 01 00"],
    [
      "tells of none with a refusal (MQTT-3.2.2-4)",
      { sessionPresent: true, reason: Reason.ServerBusy },
      "20 02 00 03",
    ],
    ["refuses the client id", { ...ACCEPTED, reason: Reason.ClientIdentifierNotValid }, "20 02 00 02"],
    ["refuses the password", { ...ACCEPTED, reason: Reason.BadUserNameOrPassword }, "20 02 00 04"],
    ["refuses who may not", { ...ACCEPTED, reason: Reason.NotAuthorized }, "20 02 00 05"],
    ["has no leader", { ...ACCEPTED, reason: Reason.ServerUnavailable }, "20 02 00 03"],
  ])("%s", (_what, connack, wanted) => {
    expect(encodeConnack(4, connack)).toEqual(bytes(wanted));
  });

  it("has no word for what is malformed (MQTT-3.1.4-1)", () => {
    expect(encodeConnack(4, { ...ACCEPTED, reason: Reason.MalformedPacket })).toBeNull();
  });
});

describe("5.0", () => {
  it.each([
    ["accepts", ACCEPTED, "20 03 00 00 00"],
    ["tells of a session", { ...ACCEPTED, sessionPresent: true }, "20 03 01 00 00"],
    [
      "tells of none with a refusal (MQTT-3.2.2-6)",
      { sessionPresent: true, reason: Reason.MalformedPacket },
      "20 03 00 81 00",
    ],
    [
      "says what it may when it may not say the reason (MQTT-3.2.2-8)",
      { ...ACCEPTED, reason: Reason.TopicAliasInvalid },
      "20 03 00 83 00",
    ],
    [
      "limits",
      { ...ACCEPTED, receiveMax: 9, packetBytesMax: 65_536, topicAliasMax: 7 },
      "20 0e 00 00 0b 21 00 09 27 00 01 00 00 22 00 07",
    ],
    [
      "changes expiry and keep-alive",
      { ...ACCEPTED, expirySeconds: 0xffff_ffff, keepAliveSeconds: 60 },
      "20 0b 00 00 08 11 ff ff ff ff 13 00 3c",
    ],
    ["assigns an id (3.2.2.3.7)", { ...ACCEPTED, assignedClientId: "id" }, "20 08 00 00 05 12 00 02 'id'"],
    [
      "sends elsewhere (3.2.2.3.16)",
      { ...ACCEPTED, reason: Reason.UseAnotherServer, serverReference: "h:1" },
      "20 09 00 9c 06 1c 00 03 'h:1'",
    ],
    [
      "gives response information (3.2.2.3.15)",
      { ...ACCEPTED, responseInformation: "r" },
      "20 07 00 00 04 1a 00 01 'r'",
    ],
    [
      "ends an authentication (4.12)",
      { ...ACCEPTED, authMethod: "m", authData: bytes("ff") },
      "20 0b 00 00 08 15 00 01 'm' 16 00 01 ff",
    ],
    [
      "has words and properties",
      { ...ACCEPTED, reasonString: "ok", userProperties: [["a", "b"] as const] },
      "20 0f 00 00 0c 1f 00 02 'ok' 26 00 01 'a' 00 01 'b'",
    ],
  ])("%s", (_what, connack, wanted) => {
    expect(encodeConnack(5, connack)).toEqual(bytes(wanted));
  });

  it("leaves words out for who takes no such packet (MQTT-3.2.2-19, 3.2.2-20)", () => {
    const connack = { ...ACCEPTED, receiveMax: 9, reasonString: "ok", userProperties: [["a", "b"] as const] };
    expect(encodeConnack(5, connack, 20)).toHaveLength(20);
    expect(encodeConnack(5, connack, 19)).toEqual(bytes("20 06 00 00 03 21 00 09"));
    expect(encodeConnack(5, connack, 8)).toHaveLength(8);
    expect(encodeConnack(5, connack, 7)).toBeNull();
  });
});

it("answers other versions in the form that they understand (MQTT-3.1.2-2)", () => {
  expect(unsupportedVersionConnack("older")).toEqual(bytes("20 02 00 01"));
  expect(unsupportedVersionConnack("unknown")).toEqual(bytes("20 03 00 84 00"));
});
