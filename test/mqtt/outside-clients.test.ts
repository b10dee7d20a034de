/**
 * Clients that others wrote, each for a short session on a whole node: MQTT.js always, mosquitto's and Paho's where they are installed.
 * What is not here is skipped with its name.
 */
import { execFile, spawn } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { runSpecification, SPECIFICATIONS } from "../../load/conformance/client-session/suite.js";
import { findProgram } from "../../load/lib/paths.js";
import { startTestNode, type TestNode } from "../support/test-node.js";
import { PAHO_SESSION } from "./support/paho-session.js";

const run = promisify(execFile);
const TIMEOUT_MS = 60_000;

let node: TestNode;
beforeAll(async () => {
  node = await startTestNode();
});
afterAll(() => node.close());

function programOr(context: TestContext, name: string): string {
  return findProgram(name) ?? context.skip(`${name} is not installed here`);
}

describe.each([4, 5] as const)("MQTT.js, protocol level %i,", (version) => {
  it.each(SPECIFICATIONS[version].map((specification) => [specification.name, specification] as const))(
    "%s",
    (_, specification) =>
      runSpecification({ host: "127.0.0.1", port: node.mqttPort }, version, specification),
    TIMEOUT_MS,
  );
});

describe.each(["mqttv311", "mqttv5"])("mosquitto_pub and mosquitto_sub, %s,", (version) => {
  const topicOf = (rest: string): string => `mosquitto/${version}/${rest}`;
  const common = (): string[] => ["-V", version, "-h", "127.0.0.1", "-p", String(node.mqttPort)];
  const kept = (id: string): string[] => [
    ...["-i", topicOf(id), "-c"],
    ...(version === "mqttv5" ? ["-x", "3600"] : []),
  ];
  const print = ["-F", "%q %r %p", "-W", "20"];

  async function subscribe(program: string, ...args: readonly string[]): Promise<string[]> {
    const { stdout } = await run(program, [...common(), ...args]);
    return stdout.trim().split("\n");
  }

  async function publish(context: TestContext, topic: string, payload: string, ...args: readonly string[]) {
    const program = programOr(context, "mosquitto_pub");
    await run(program, [...common(), "-t", topicOf(topic), "-m", payload, ...args]);
  }

  it("a kept session, QoS 0, 1 and 2", async (context) => {
    const sub = programOr(context, "mosquitto_sub");
    const session = [...kept("keeper"), "-q", "2", "-t", topicOf("kept")];
    await subscribe(sub, ...session, "-E");
    for (const qos of ["0", "1", "2"]) await publish(context, "kept", `at ${qos}`, "-q", qos);
    expect(await subscribe(sub, ...session, ...print, "-C", "2")).toEqual(["1 0 at 1", "2 0 at 2"]);
  });

  it("a retained message", async (context) => {
    const sub = programOr(context, "mosquitto_sub");
    await publish(context, "state", "on", "-q", "1", "-r");
    const filter = ["-q", "2", "-t", topicOf("state")];
    expect(await subscribe(sub, ...filter, ...print, "-C", "1")).toEqual(["1 1 on"]);
  });

  it("a will", async (context) => {
    const sub = programOr(context, "mosquitto_sub");
    const session = [...kept("heir"), "-q", "1", "-t", topicOf("will")];
    await subscribe(sub, ...session, "-E");
    const will = ["--will-topic", topicOf("will"), "--will-payload", "gone", "--will-qos", "1"];
    await publish(context, "alive", "yes", "-q", "1", "-r");
    const mortal = spawn(sub, [...common(), "-t", topicOf("alive"), ...will]);
    // What it prints first shows that it is there.
    await new Promise((resolve) => mortal.stdout.once("data", resolve));
    mortal.kill("SIGKILL");
    expect(await subscribe(sub, ...session, ...print, "-C", "1")).toEqual(["1 0 gone"]);
  });
});

describe.each([
  [4, "3.1.1"],
  [5, "5.0"],
])("paho-mqtt, protocol level %i (%s)", (version) => {
  it(
    "a kept session, QoS 0, 1 and 2, a retained message, a will",
    async (context) => {
      const python = programOr(context, "python3");
      const found = await run(python, ["-c", "import paho.mqtt.client"]).then(
        () => true,
        () => false,
      );
      if (!found) context.skip("paho-mqtt is not installed here");
      const args = ["-c", PAHO_SESSION, "127.0.0.1", String(node.mqttPort), String(version)];
      const { stdout } = await run(python, args);
      const line = stdout.split("\n").find((text) => text.startsWith("@"));
      expect(JSON.parse(line!.slice(1))).toEqual({
        first: { code: 0, present: 0 },
        again: { code: 0, present: 1 },
        missed: [
          ["missed", "at 1", 1, 0],
          ["missed", "at 2", 2, 0],
          ["state", "on", 1, 0],
          ["will", "gone", 1, 0],
        ],
        live: [
          ["live", "at 0", 0, 0],
          ["live", "at 1", 1, 0],
          ["live", "at 2", 2, 0],
        ],
        late: [["state", "on", 1, 1]],
      });
    },
    TIMEOUT_MS,
  );
});
