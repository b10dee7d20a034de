/** The cluster on this machine: its plan of ports, the keys, and the status as text. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { KeyReader } from "../../../load/cluster/keys.js";
import { parseGroup, parseTraffic } from "../../../load/cluster/node-status.js";
import { claimDirectory, planNodes, portComplaint, takenPort } from "../../../load/cluster/plan.js";
import { PlainScreen, TerminalScreen } from "../../../load/cluster/screen.js";
import { cutTo, type NodeStatus, picture, warningIn } from "../../../load/cluster/status-lines.js";

const OPTIONS = { nodes: 3, mqttPort: 1883, httpPort: 8080, peerPort: 7001, dataDir: "d" };

describe("the plan", () => {
  it("gives every node its ports, its directory and the same founders", () => {
    const nodes = planNodes(OPTIONS);
    expect(nodes.map(({ mqttPort, httpPort }) => [mqttPort, httpPort])).toEqual([
      [1883, 8080],
      [1884, 8081],
      [1885, 8082],
    ]);
    const founders = "1=127.0.0.1:7001,2=127.0.0.1:7002,3=127.0.0.1:7003";
    for (const { flags } of nodes) expect(flags.slice(-2)).toEqual(["--initial-cluster", founders]);
    expect(nodes[2]?.dataDir).toBe(join("d", "3"));
  });

  it.each([
    [{ mqttPort: 8079 }, "port 8080 is wanted twice: --http-port and --mqtt-port are too close"],
    [{ peerPort: 65534 }, "port 65536 is above 65535: --peer-port is too high"],
    [{}, null],
  ])("looks at its ports: %j", (change, complaint) => {
    expect(portComplaint(planNodes({ ...OPTIONS, ...change }))).toBe(complaint);
  });

  it("names the node and the flag of a port that is taken", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const address = other.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const sentence = await takenPort(planNodes({ ...OPTIONS, nodes: 1, mqttPort: port }));
    other.close();
    expect(sentence).toBe(`port ${port} (MQTT of node 1) is taken; --mqtt-port moves all of them`);
  });
});

describe("the directory", () => {
  const dataDir = mkdtempSync(join(tmpdir(), "cluster-here-"));
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

  it("belongs to one cluster, whose peers stay where they are", () => {
    const options = { ...OPTIONS, dataDir };
    expect(claimDirectory(options)).toBeNull();
    expect(claimDirectory({ ...options, mqttPort: 2883 })).toBeNull();
    expect(claimDirectory({ ...options, peerPort: 8001 })).toContain(
      'a cluster of {"nodes":3,"peerPort":7001}',
    );
    expect(claimDirectory({ ...options, nodes: 5 })).toContain("or another --data-dir");
  });
});

describe("the keys", () => {
  it.each([
    ["k1", [{ deed: "kill", nodeId: "1" }]],
    ["kx1", []],
    ["kp2", [{ deed: "pause", nodeId: "2" }]],
    [
      "p2r3",
      [
        { deed: "pause", nodeId: "2" },
        { deed: "start", nodeId: "3" },
      ],
    ],
    ["sq", ["quit"]],
    ["\u0003", ["quit"]],
    ["z9", []],
  ])("%j", (typed, commands) => {
    expect(new KeyReader().feed(typed)).toEqual(commands);
  });

  it("wait for the number", () => {
    const reader = new KeyReader();
    expect(reader.feed("s")).toEqual([]);
    expect(reader.pending).toBe("s");
    expect(reader.feed("2")).toEqual([{ deed: "stop", nodeId: "2" }]);
    expect(reader.pending).toBe("");
  });
});

describe("a node's answer", () => {
  const members = [
    { id: "1", role: "leader" },
    { id: "2", role: "voter" },
    { id: "4", role: "learner" },
  ];
  it.each([
    ["1", "1", "leader"],
    ["2", "1", "follower"],
    ["4", "1", "learner"],
    ["2", null, "no leader"],
    ["9", "1", "?"],
  ])("of node %s with leader %s has the role %s", (nodeId, leaderId, role) => {
    const body = JSON.stringify({ nodeId, leaderId, term: 3, commitIndex: 12, appliedIndex: "11", members });
    expect(parseGroup(body)).toEqual({ role, term: 3, commitIndex: 12, appliedIndex: 11 });
  });

  it("of metrics is added up over the edges", () => {
    const exposition = [
      "# HELP jangada_connections Connected clients",
      'jangada_connections{edge="mqtt"} 3',
      'jangada_connections{edge="http"} 4',
      'jangada_connections_opened_total{edge="mqtt"} 100',
      'jangada_messages_received_total{edge="mqtt"} 1e3',
      'jangada_messages_received_total{edge="http"} 5',
    ].join("\n");
    expect(parseTraffic(exposition)).toEqual({ connections: 7, messagesIn: 1005 });
  });
});

const NODE: NodeStatus = {
  id: "1",
  process: "up",
  exitCode: null,
  role: "leader",
  term: 2,
  commitIndex: 1500,
  appliedIndex: 1500,
  messagesInPerSecond: 1234.4,
  connections: 12,
  mqtt: "127.0.0.1:1883",
  http: "127.0.0.1:8080",
  lastWarning: "",
};
const BEHIND: NodeStatus = { ...NODE, id: "2", role: "follower", commitIndex: 1400, appliedIndex: 1390 };
const GONE: NodeStatus = {
  ...NODE,
  ...{ id: "3", process: "dead", role: "?", term: Number.NaN, commitIndex: Number.NaN },
  ...{ appliedIndex: Number.NaN, messagesInPerSecond: Number.NaN, connections: Number.NaN },
  lastWarning: "12:00:01 fatal: the disk is full",
};

describe("the picture", () => {
  it("has a line per node and its last warning below it", () => {
    expect(picture([NODE, BEHIND, GONE])).toEqual([
      "node  role          term       commit      applied        lag       in/s  clients  MQTT             HTTP",
      "1     leader           2        1,500        1,500          0      1,234       12  127.0.0.1:1883   127.0.0.1:8080",
      "2     follower         2        1,400        1,390        110      1,234       12  127.0.0.1:1883   127.0.0.1:8080",
      "3     killed           -            -            -          -          -        -  127.0.0.1:1883   127.0.0.1:8080",
      "      12:00:01 fatal: the disk is full",
    ]);
  });

  it.each([
    [{ process: "starting" }, "starting"],
    [{ process: "dead", exitCode: 1 }, "exit 1"],
    [{ process: "silent" }, "silent"],
  ] as const)("says how a process is: %j", (change, word) => {
    expect(picture([{ ...NODE, ...change }])[1]).toContain(word);
  });

  it("is drawn over the one before, each line in one row", () => {
    const written: string[] = [];
    const screen = new TerminalScreen({ isTTY: true, columns: 20, write: (text) => written.push(text) });
    screen.draw([NODE], "keys");
    screen.draw([NODE, GONE], "keys");
    expect(written[0]?.startsWith("\r\u001b[J")).toBe(true);
    expect(written[1]?.startsWith("\u001b[3A\r\u001b[J")).toBe(true);
    for (const row of written[1]?.split("\n") ?? [])
      expect(row.replace(/^.*\[J/s, "").length).toBeLessThan(21);
    expect(cutTo("abc", 3)).toBe("abc");
    expect(cutTo("abcd", 3)).toBe("ab…");
  });

  it("is a line per change where there is no terminal", () => {
    const written: string[] = [];
    const screen = new PlainScreen({ write: (text) => written.push(text) });
    screen.draw([NODE, BEHIND]);
    screen.draw([NODE, { ...BEHIND, appliedIndex: 1500 }]);
    expect(written.map((line) => line[0])).toEqual(["1", "2", "2"]);
  });
});

describe("a log line", () => {
  it.each([
    ['{"level":30,"msg":"ready"}', null],
    ["", null],
    [
      '{"level":40,"time":"2026-01-02T03:04:05.678Z","host":"a","msg":"no disk"}',
      '03:04:05 warn: no disk host="a"',
    ],
    ['{"level":60,"code":"log_corrupt","stack":"at","msg":"stop"}', 'fatal: stop code="log_corrupt"'],
    ["jangada: a line of no level", "jangada: a line of no level"],
  ])("%s", (line, warning) => {
    expect(warningIn(line)).toBe(warning);
  });
});
