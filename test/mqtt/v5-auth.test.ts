/** Enhanced authentication (MQTT 5.0, 4.12), with a method that asks for the reverse of what it said. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AuthConversation, AuthSubject } from "../../src/security/enhanced-auth.js";
import { startEdge, type TestEdge } from "./support/edge.js";
import { RawClient } from "./support/raw-client.js";
import { connack, connected, connectPacket } from "./support/v5.js";

let server: TestEdge;
let subjects: AuthSubject[];
beforeEach(async () => {
  subjects = [];
  server = await startEdge({
    enhancedAuthentication: {
      begin: (method, subject) => {
        subjects.push(subject);
        return method === "reverse" ? reverse() : null;
      },
    },
  });
});
afterEach(() => server.close());

/** Answers at once to "at once", after a while to all else. */
function reverse(): AuthConversation {
  let isAsked = false;
  return {
    next: (data) => {
      const said = Buffer.from(data ?? []).toString();
      if (!isAsked) {
        isAsked = true;
        const step = { kind: "continue" as const, data: Buffer.from("abc") };
        return said === "at once" ? step : Promise.resolve(step);
      }
      if (said === "throw") throw new Error("out of order");
      if (said === "cba") return { kind: "success", data: Buffer.from("!") };
      return { kind: "failure", detail: "not the reverse" };
    },
  };
}

const METHOD = "15 00 07 'reverse'";
const CHALLENGE = "f0 12 18 10 15 00 07 'reverse' 16 00 03 'abc'";
const ANSWER = "f0 12 18 10 15 00 07 'reverse' 16 00 03 'cba'";
const ACCEPTED = connack(0, { last: "15 00 07 'reverse' 16 00 01 '!'" });

/** CONNECT with the method. */
async function begun(rest = ""): Promise<RawClient> {
  const client = await RawClient.open(server.port);
  client.send(connectPacket("a", { properties: `${METHOD} ${rest}` }));
  await client.expect(CHALLENGE);
  return client;
}

describe("before CONNACK", () => {
  it.each([
    ["without data", ""],
    ["with data", "16 00 07 'at once'"],
  ])("CONNECT %s, AUTH and AUTH, CONNACK (MQTT-4.12.0-2, 4.12.0-3)", async (_what, data) => {
    const client = await begun(data);
    client.send(ANSWER);
    await client.expect(ACCEPTED);
    await client.expectNothing();
    expect(subjects).toMatchObject([{ clientId: "a", isAgain: false }]);
  });

  it("a wrong answer is refused (MQTT-4.12.0-1)", async () => {
    const client = await begun();
    client.send("f0 12 18 10 15 00 07 'reverse' 16 00 03 'abc'");
    await client.expect("20 03 00 87 00");
    await client.expectClosed();
    expect(server.metrics.of("refused not_authorized")).toBe(1);
  });

  it("so is one that the method chokes on", async () => {
    const client = await begun();
    client.send("f0 14 18 12 15 00 07 'reverse' 16 00 05 'throw'");
    await client.expect("20 03 00 87 00");
    await client.expectClosed();
  });

  it.each([
    ["another method (MQTT-4.12.0-5)", "f0 0d 18 0b 15 00 08 'straight'", "82"],
    ["a beginning in the middle (4.12.1)", "f0 0c 19 0a 15 00 07 'reverse'", "82"],
    ["another packet (MQTT-3.1.2-30)", "c0 00", "82"],
    ["another CONNECT (MQTT-3.1.0-2)", connectPacket("a"), "82"],
    ["AUTH without a method (3.15.2.2.2)", "f0 02 18 00", "82"],
  ])("%s is refused", async (_what, packet, reason) => {
    const client = await begun();
    client.send(packet);
    await client.expect(`20 03 00 ${reason} 00`);
    await client.expectClosed();
  });

  it("DISCONNECT is a way out (MQTT-3.1.2-30)", async () => {
    const client = await begun();
    client.send("e0 00");
    await client.expectClosed();
    expect(server.edge.clients()).toEqual([]);
  });

  it("another method is refused by name (4.12)", async () => {
    const client = await RawClient.open(server.port);
    client.send(connectPacket("a", { properties: "15 00 08 'straight'" }));
    await client.expect("20 03 00 8c 00");
    await client.expectClosed();
  });
});

describe("again, while connected (4.12.1)", () => {
  let client: RawClient;
  beforeEach(async () => {
    client = await begun();
    client.send(ANSWER);
    await client.expect(ACCEPTED);
  });

  it("goes on beside the rest, and ends with AUTH of success", async () => {
    client.send("f0 0c 19 0a 15 00 07 'reverse'");
    await client.expect(CHALLENGE);
    await client.expectNothing();
    client.send(ANSWER);
    await client.expect("f0 10 00 0e 15 00 07 'reverse' 16 00 01 '!'");
    await client.expectNothing();
    expect(subjects.map(({ isAgain }) => isAgain)).toEqual([false, true]);
  });

  it("ends with the connection when it fails (MQTT-4.12.1-2)", async () => {
    client.send("f0 0c 19 0a 15 00 07 'reverse'");
    await client.expect(CHALLENGE);
    client.send("f0 0c 18 0a 15 00 07 'reverse'");
    await client.expect("e0 01 87");
    await client.expectClosed();
  });

  it.each([
    ["by another method (MQTT-4.12.1-1)", "f0 0d 19 0b 15 00 08 'straight'"],
    ["with a middle and no beginning", ANSWER],
    ["with success, which servers say (MQTT-3.15.2-1)", "f0 0c 00 0a 15 00 07 'reverse'"],
  ])("not %s", async (_what, packet) => {
    client.send(packet);
    await client.expect("e0 01 82");
    await client.expectClosed();
  });
});

it("who did not begin with it does not go on with it (MQTT-4.12.0-7)", async () => {
  const client = await connected(server.port, "b");
  client.send("f0 0c 19 0a 15 00 07 'reverse'");
  await client.expect("e0 01 82");
  await client.expectClosed();
});
