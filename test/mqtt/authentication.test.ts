/** Enhanced authentication (MQTT 5.0, 4.12) by a method of two steps, and once more while connected. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AuthStep, AuthSubject, EnhancedAuthentication } from "../../src/security/enhanced-auth.js";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { accepted, auth5, connect5, connected5, publish5, takeRefusal } from "./support/packets-5.js";
import { RawClient } from "./support/raw-client.js";

/** "hello" is asked "who?", and only "me" is welcome. It thinks when it is told to. */
class Doorkeeper implements EnhancedAuthentication {
  readonly subjects: AuthSubject[] = [];
  isSlow = false;

  begin(method: string, subject: AuthSubject) {
    if (method !== "door") return null;
    this.subjects.push(subject);
    let isAsked = false;
    return {
      next: (data: Uint8Array | null): AuthStep | Promise<AuthStep> => {
        const said = data === null ? "" : Buffer.from(data).toString();
        if (said === "throw") throw new Error("the door is broken");
        const step = isAsked ? answer(said) : ({ kind: "continue", data: Buffer.from("who?") } as const);
        isAsked = true;
        return this.isSlow ? new Promise((resolve) => setImmediate(resolve, step)) : step;
      },
    };
  }
}

function answer(said: string): AuthStep {
  return said === "me"
    ? { kind: "success", data: Buffer.from("welcome") }
    : { kind: "failure", detail: "a stranger" };
}

const DOOR = "15 00 04 'door'";
const HELLO = `${DOOR} 16 00 05 'hello'`;
const WHO = "f0 10 18 0e 15 00 04 'door' 16 00 04 'who?'";

let doorkeeper: Doorkeeper;
let server: TestEdge;
beforeEach(async () => {
  doorkeeper = new Doorkeeper();
  server = await startEdge({ enhancedAuthentication: doorkeeper });
});
afterEach(() => server.close());

async function knock(properties = HELLO): Promise<RawClient> {
  const client = await RawClient.open(server.port);
  client.send(connect5("me", { properties }));
  return client;
}

const WELCOME = accepted(0, { last: `${DOOR} 16 00 07 'welcome'` });

async function letIn(): Promise<RawClient> {
  const client = await knock();
  await client.expect(WHO);
  client.send(auth5(0x18, "door", "me"));
  await client.expect(WELCOME);
  return client;
}

describe("before CONNACK", () => {
  it.each([false, true])(
    "the client is asked, answers, and is let in; the method thinks: %s",
    async (isSlow) => {
      doorkeeper.isSlow = isSlow;
      const client = await letIn();
      await client.expectNothing();
      expect(doorkeeper.subjects).toMatchObject([{ clientId: "me", userName: null, isAgain: false }]);
    },
  );

  it("one that fails gets 0x87, and no session", async () => {
    const client = await knock();
    await client.expect(WHO);
    client.send(auth5(0x18, "door", "you"));
    expect(await takeRefusal(client)).toMatchObject({ type: 2, reason: 0x87 });
    await client.expectClosed();
    expect(server.broker.commands).toEqual([]);
  });

  it("a method that throws has not said yes", async () => {
    const client = await knock(`${DOOR} 16 00 05 'throw'`);
    expect(await takeRefusal(client)).toMatchObject({ type: 2, reason: 0x87 });
    await client.expectClosed();
  });

  it("another method is not served (MQTT-4.12.0-1)", async () => {
    const client = await knock("15 00 06 'window'");
    expect(await takeRefusal(client)).toMatchObject({ type: 2, reason: 0x8c });
    await client.expectClosed();
  });

  it.each([
    ["PINGREQ (MQTT-3.1.2-30)", Buffer.from("c000", "hex")],
    ["PUBLISH (MQTT-3.1.2-30)", publish5(0x30, "a", 0, "x")],
    ["AUTH by another method (MQTT-4.12.0-5)", auth5(0x18, "window", "me")],
    ["AUTH that begins again", auth5(0x19, "door", "hello")],
  ])("%s does not belong there", async (_what, packet) => {
    const client = await knock();
    await client.expect(WHO);
    client.send(packet);
    expect(await takeRefusal(client)).toMatchObject({ type: 2, reason: 0x82 });
    await client.expectClosed();
  });

  it("one that gives up is let go", async () => {
    const client = await knock();
    await client.expect(WHO);
    client.send("e0 00");
    await client.expectClosed();
  });

  it("one that leaves while the method thinks is forgotten", async () => {
    doorkeeper.isSlow = true;
    const client = await knock();
    await until(() => doorkeeper.subjects.length === 1);
    client.drop();
    await letIn();
    expect(server.broker.commands.length).toBe(1);
  });
});

describe("while connected (4.12.1)", () => {
  it("once more, with other packets between", async () => {
    const client = await letIn();
    for (let time = 1; time <= 2; time += 1) {
      client.send(auth5(0x19, "door", "hello"));
      await client.expect(WHO);
      client.send(publish5(0x32, "a", 1, "x"));
      await client.expect("40 02 00 01");
      client.send(auth5(0x18, "door", "me"));
      await client.expect("f0 13 00 11 15 00 04 'door' 16 00 07 'welcome'");
    }
    expect(doorkeeper.subjects.map(({ isAgain }) => isAgain)).toEqual([false, true, true]);
  });

  it("one that fails is disconnected with 0x87 (MQTT-4.12.1-2)", async () => {
    const client = await letIn();
    client.send(auth5(0x19, "door", "hello"));
    await client.expect(WHO);
    client.send(auth5(0x18, "door", "you"));
    expect(await takeRefusal(client)).toMatchObject({ type: 14, reason: 0x87 });
    await client.expectClosed();
  });

  it.each([
    ["by another method (MQTT-4.12.1-1)", auth5(0x19, "window", "hello")],
    ["going on with nothing", auth5(0x18, "door", "me")],
  ])("not %s", async (_what, packet) => {
    const client = await letIn();
    client.send(packet);
    expect(await takeRefusal(client)).toMatchObject({ type: 14, reason: 0x82 });
    await client.expectClosed();
  });

  it("not of a client that came without a method (MQTT-4.12.0-7)", async () => {
    const client = await connected5(server.port, "plain");
    client.send(auth5(0x19, "door", "hello"));
    expect(await takeRefusal(client)).toMatchObject({ type: 14, reason: 0x82 });
    await client.expectClosed();
  });
});
