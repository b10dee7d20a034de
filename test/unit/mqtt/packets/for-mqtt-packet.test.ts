/** What we write, a codec of another hand reads. */
import { type Packet, parser } from "mqtt-packet";
import { expect, it } from "vitest";
import { encodeAck } from "../../../../src/edges/mqtt/packets/acknowledgement.js";
import { encodeAuth } from "../../../../src/edges/mqtt/packets/auth.js";
import { encodeConnack } from "../../../../src/edges/mqtt/packets/connack.js";
import { encodeDisconnect } from "../../../../src/edges/mqtt/packets/disconnect.js";
import { Reason } from "../../../../src/edges/mqtt/packets/reason-codes.js";
import { encodeSuback } from "../../../../src/edges/mqtt/packets/subscribe.js";
import { encodeUnsuback } from "../../../../src/edges/mqtt/packets/unsubscribe.js";

/** A packet that we wrote, in the hands of the other codec. */
function theirs(written: Buffer | null, protocolVersion: 4 | 5): Packet {
  const read: Packet[] = [];
  const other = parser({ protocolVersion });
  other.on("packet", (packet) => read.push(packet));
  other.on("error", (error) => {
    throw error;
  });
  other.parse(written ?? Buffer.alloc(0));
  expect(read).toHaveLength(1);
  return read[0] as Packet;
}

it("CONNACK", () => {
  const connack = {
    sessionPresent: true,
    reason: Reason.Success,
    expirySeconds: 7,
    receiveMax: 9,
    packetBytesMax: 70_000,
    assignedClientId: "jangada-1",
    topicAliasMax: 5,
    keepAliveSeconds: 30,
    responseInformation: "r/",
    serverReference: "h:1",
    authMethod: "m",
    authData: Buffer.from("d"),
    reasonString: "praça",
    userProperties: [["a", "b"] as const],
  };
  expect(theirs(encodeConnack(5, connack), 5)).toMatchObject({
    cmd: "connack",
    sessionPresent: true,
    reasonCode: 0,
    properties: {
      sessionExpiryInterval: 7,
      receiveMaximum: 9,
      maximumPacketSize: 70_000,
      assignedClientIdentifier: "jangada-1",
      topicAliasMaximum: 5,
      serverKeepAlive: 30,
      responseInformation: "r/",
      serverReference: "h:1",
      authenticationMethod: "m",
      authenticationData: Buffer.from("d"),
      reasonString: "praça",
      userProperties: { a: "b" },
    },
  });
});

it("SUBACK and UNSUBACK", () => {
  const granted = [Reason.GrantedQos2, Reason.QuotaExceeded];
  expect(theirs(encodeSuback(5, 258, granted), 5)).toMatchObject({
    cmd: "suback",
    messageId: 258,
    granted: [2, 0x97],
  });
  expect(theirs(encodeSuback(4, 258, granted), 4)).toMatchObject({
    cmd: "suback",
    messageId: 258,
    granted: [2, 0x80],
  });
  const answers = [Reason.Success, Reason.NoSubscriptionExisted];
  expect(theirs(encodeUnsuback(5, 258, answers), 5)).toMatchObject({
    cmd: "unsuback",
    messageId: 258,
    granted: [0, 0x11],
  });
  expect(theirs(encodeUnsuback(4, 258, answers), 4)).toMatchObject({ cmd: "unsuback", messageId: 258 });
});

it("acknowledgements", () => {
  for (const [cmd, type] of [
    ["puback", 4],
    ["pubrec", 5],
    ["pubrel", 6],
    ["pubcomp", 7],
  ] as const) {
    expect(theirs(encodeAck(4, type, 258), 4)).toMatchObject({ cmd, messageId: 258 });
    expect(theirs(encodeAck(5, type, 258), 5)).toMatchObject({ cmd, messageId: 258 });
    const reason = type < 6 ? Reason.QuotaExceeded : Reason.PacketIdentifierNotFound;
    expect(theirs(encodeAck(5, type, 258, reason), 5)).toMatchObject({
      cmd,
      messageId: 258,
      reasonCode: reason,
    });
  }
});

it("DISCONNECT and AUTH", () => {
  const details = { reasonString: "praça", serverReference: "h:1" };
  expect(theirs(encodeDisconnect(Reason.UseAnotherServer, details), 5)).toMatchObject({
    cmd: "disconnect",
    reasonCode: 0x9c,
    properties: details,
  });
  expect(theirs(encodeDisconnect(Reason.SessionTakenOver), 5)).toMatchObject({
    cmd: "disconnect",
    reasonCode: 0x8e,
  });
  expect(theirs(encodeAuth(Reason.ContinueAuthentication, "m", Buffer.from("d")), 5)).toMatchObject({
    cmd: "auth",
    reasonCode: 0x18,
    properties: { authenticationMethod: "m", authenticationData: Buffer.from("d") },
  });
});
