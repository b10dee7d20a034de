/** A sequence is performed before a broker that says what the test has in hand: what is as the file has it passes, all else is told. */
import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { sequencesOf } from "../../../../load/conformance/sequences/files.js";
import { perform } from "../../../../load/conformance/sequences/perform.js";
import { packetOf } from "../../../../load/conformance/sequences/script.js";

let server: Server | undefined;
afterEach(() => server?.close());

/** Sends one answer for all that comes at once; `end` closes, and pings are answered when the answers are used up. */
async function brokerOf(answers: readonly string[]): Promise<number> {
  const left = [...answers];
  const started = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", () => {
      const next = left.shift() ?? "D0 00";
      socket.write(packetOf(next.replace("end", "")));
      if (next.endsWith("end")) socket.end();
    });
  });
  server = started;
  await new Promise<void>((resolve) => started.listen(0, "127.0.0.1", resolve));
  return (started.address() as { port: number }).port;
}

async function result(messages: readonly object[], answers: readonly string[], traits: object = {}) {
  const text = JSON.stringify([{ group: "g", ver: 4, ...traits, tests: [{ name: "t", msgs: messages }] }]);
  const port = await brokerOf(answers);
  const [sequence] = sequencesOf("file.json", text);
  return perform(sequence!, { address: { host: "127.0.0.1", port }, patienceMs: 300, clientId: "c" });
}

const CONNACK = "20 r2 00 00";
const SUBSCRIBE = { type: "send", payload: "82 r6 m1 s1 'p' 01" };
const open = { expect_disconnect: false };

describe("passes", () => {
  it.each<[string, object[], string[], object]>([
    [
      "what is answered as written",
      [SUBSCRIBE, { type: "recv", payload: "90 r3 m1 01" }],
      [CONNACK, "90 r3 m1 01"],
      open,
    ],
    ["a connection that is closed", [SUBSCRIBE], [CONNACK, "end"], {}],
    [
      "a reason before the end that the file leaves out",
      [SUBSCRIBE],
      ["20 r3 00 00 00", "E0 r1 82 end"],
      { ver: 5 },
    ],
    [
      "an acknowledgement before the publish that it came with",
      [
        { type: "send", payload: "32 r5 s1 'p' m2" },
        { type: "recv", payload: "32 r5 s1 'p' m1" },
        { type: "recv", payload: "40 r2 m2" },
      ],
      [CONNACK, "40 r2 m2 32 r5 s1 'p' m77"],
      open,
    ],
  ])("%s", async (_, messages, answers, traits) => {
    expect(await result(messages, answers, traits)).toBeNull();
  });
});

describe("does not pass", () => {
  it.each<[string, object[], string[], object, RegExp]>([
    ["a refusal", [], ["20 r2 00 05"], open, /CONNACK: received 20 0005/],
    [
      "another answer",
      [SUBSCRIBE, { type: "recv", payload: "90 r3 m1 01" }],
      [CONNACK, "90 r3 m1 80"],
      open,
      /received 90 000180, not 90 000101/,
    ],
    [
      "silence",
      [SUBSCRIBE, { type: "recv", payload: "90 r3 m1 01" }],
      [CONNACK, ""],
      open,
      /received nothing/,
    ],
    ["a connection that stays open", [SUBSCRIBE], [CONNACK, ""], {}, /received nothing, not the end/],
    ["a connection that does not", [SUBSCRIBE], [CONNACK, "end"], open, /the connection closed/],
    ["a packet too many", [SUBSCRIBE], [CONNACK, "90 r3 m1 01 90 r3 m1 01"], open, /received 90/],
    [
      "publishes in another order",
      [SUBSCRIBE, { type: "recv", payload: "30 r4 s1 'p' 31" }, { type: "recv", payload: "30 r4 s1 'p' 32" }],
      [CONNACK, "30 r4 s1 'p' 32 30 r4 s1 'p' 31"],
      open,
      /received 30 00017032, not 30 00017031/,
    ],
  ])("%s", async (_, messages, answers, traits, complaint) => {
    expect(await result(messages, answers, traits)).toMatch(complaint);
  });
});
