/** Settings of a cluster: who founds it, who joins, where peers meet, and the secret that they share. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { joinPeer, type PeerChoices, peerSettings, splitPeer } from "../../src/config/peer-address.js";
import { readClusterSecret } from "../../src/config/secret-file.js";
import { loadConfig, type ServeConfig } from "../../src/config.js";
import { ConfigError } from "../../src/errors.js";

function load(argv: readonly string[], file = ""): ServeConfig {
  const config = loadConfig({ argv: ["--config=f", ...argv], environment: {}, readFile: () => file });
  if (config === "help") throw new Error("asked for help");
  return config;
}

/** The one line that somebody reads. */
function complaintOf(task: () => unknown): string {
  try {
    task();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    const { message } = error as ConfigError;
    expect(message, "one line").not.toMatch(/[\n\r]/);
    return message;
  }
  throw new Error("no complaint");
}

const LOCAL = "1=127.0.0.1:7001,2=127.0.0.1:7002,3=127.0.0.1:7003";
const FOUNDERS = [
  { id: "1", peer: "127.0.0.1:7001" },
  { id: "2", peer: "127.0.0.1:7002" },
  { id: "3", peer: "127.0.0.1:7003" },
];
const JOINING = ["--node-id=4", "--join=http://127.0.0.1:8080", "--peer-port=7004"];

describe("host:port", () => {
  test.each([
    ["127.0.0.1:7001", { host: "127.0.0.1", port: 7001 }],
    ["node-1.example.org:65535", { host: "node-1.example.org", port: 65_535 }],
    ["[::1]:1", { host: "::1", port: 1 }],
    ["[fe80::1]:7001", { host: "fe80::1", port: 7001 }],
  ])("%s is taken apart and put together", (text, parts) => {
    expect(splitPeer(text)).toEqual(parts);
    expect(joinPeer(parts)).toBe(text);
  });

  test.each([
    "",
    "a",
    "a:",
    ":1",
    "a:0",
    "a:65536",
    "a:1x",
    "::1:7001",
    "[a]:1",
    "[127.0.0.1]:1",
    "a b:1",
    "a:1:2",
  ])("%j is none", (text) => {
    expect(splitPeer(text)).toBeUndefined();
  });

  test.each(["127.0.0:1", "-a:1", `${"a".repeat(64)}:1`, "[::1]", "http://a:1"])(
    "%j is none either",
    (text) => {
      expect(splitPeer(text)).toBeUndefined();
    },
  );
});

describe("the founders", () => {
  test.each([
    ["text", JSON.stringify(LOCAL)],
    ["text with blanks", JSON.stringify(LOCAL.replaceAll(",", " , "))],
    ["a list", JSON.stringify(LOCAL.split(","))],
    ["a mapping", "{ 1: 127.0.0.1:7001, 2: 127.0.0.1:7002, 3: 127.0.0.1:7003 }"],
  ])("may be %s in a file", (_what, text) => {
    expect(load([], `initial-cluster: ${text}`).initialCluster).toEqual(FOUNDERS);
  });

  it("make the node no single one", () => {
    expect(load([]).singleNode).toBe(true);
    expect(load(["--initial-cluster", LOCAL]).singleNode).toBe(false);
    expect(load(["--initial-cluster", LOCAL, "--no-single-node"]).singleNode).toBe(false);
    expect(load(JOINING).singleNode).toBe(false);
  });

  test.each([
    ["nothing", "", "must be ID=HOST:PORT separated by commas"],
    ["no number", "127.0.0.1:7001", "must be ID=HOST:PORT separated by commas"],
    ["a bad number", "n1=127.0.0.1:7001", "must be a positive whole number"],
    ["a bad port", "1=127.0.0.1:0", "must be host:port with a port from 1 to 65535, IPv6 in brackets"],
    ["IPv6 without brackets", "1=::1:7001", "must be host:port"],
    ["one number twice", "1=127.0.0.1:1,1=127.0.0.1:2", "must name every number once"],
    ["one address twice", "1=127.0.0.1:1,2=127.0.0.1:1", "must name every address once"],
    ["a comma at the end", `${LOCAL},`, "must be ID=HOST:PORT separated by commas"],
  ])("are refused with %s", (_what, text, expected) => {
    expect(complaintOf(() => load([`--initial-cluster=${text}`]))).toContain(
      `flag --initial-cluster: ${expected}`,
    );
  });

  test.each([
    "initial-cluster: 7",
    "initial-cluster: [1]",
    "initial-cluster: { 1: 7001 }",
    "initial-cluster: []",
  ])("are refused as %j in a file", (file) => {
    expect(complaintOf(() => load([], file))).toMatch(/^key initial-cluster in "f": must be /);
  });
});

describe("what contradicts", () => {
  const secret = "--cluster-secret-file=s";
  const everywhere = "1=10.0.0.1:7001,2=10.0.0.2:7001";

  test.each<[string, readonly string[], string]>([
    [
      "founders without this node",
      [`--initial-cluster=${LOCAL}`, "--node-id=4"],
      "flag --initial-cluster: must name this node too, which is 4 (flag --node-id); add 4=HOST:PORT",
    ],
    [
      "founding and joining",
      [...JOINING, `--initial-cluster=${LOCAL}`],
      "flag --join: a node founds a cluster or joins one",
    ],
    [
      "alone and founding",
      [`--initial-cluster=${LOCAL}`, "--single-node"],
      "flag --single-node: a single node has no",
    ],
    ["alone and joining", [...JOINING, "--single-node"], "leave it out, or leave out flag --join"],
    ["neither alone nor with others", ["--no-single-node"], "flag --no-single-node: which others?"],
    ["a learner that joins nobody", ["--learner"], "flag --learner: only with --join"],
    [
      "a learner that founds",
      [`--initial-cluster=${LOCAL}`, "--learner"],
      "flag --learner: only with --join",
    ],
    ["joining without a number", JOINING.slice(1), "flag --join: needs --node-id"],
    ["joining without a port", JOINING.slice(0, 2), "flag --join: needs --peer-port"],
    ["joining by no URL", ["--join=127.0.0.1:8080"], "flag --join: must be a URL that begins with http://"],
    ["a peer host of no listener", ["--peer-host=127.0.0.2"], "flag --peer-host: needs --peer-port"],
    ["an address of no listener", ["--peer-advertise=a:1"], "flag --peer-advertise: needs --peer-port"],
    [
      "everywhere, and nowhere to dial",
      [...JOINING, "--peer-host=0.0.0.0", secret],
      "flag --peer-host: nobody can dial 0.0.0.0; add --peer-advertise HOST:PORT",
    ],
    [
      "another address than the founders have",
      [`--initial-cluster=${LOCAL}`, "--peer-advertise=127.0.0.1:7009"],
      "flag --peer-advertise: the others dial 127.0.0.1:7001 (flag --initial-cluster)",
    ],
    [
      "founders elsewhere, no secret",
      [`--initial-cluster=${everywhere}`],
      "flag --initial-cluster: 10.0.0.1:7001 can be",
    ],
    [
      "one founder elsewhere, no secret",
      ["--initial-cluster=1=127.0.0.1:7001,2=node-2:7001"],
      "node-2:7001 can be reached from other machines; add --cluster-secret-file",
    ],
    [
      "an open listener, no secret",
      [...JOINING, "--peer-host=10.0.0.4"],
      "flag --peer-host: 10.0.0.4 can be reached",
    ],
    [
      "an open address, no secret",
      [...JOINING, "--peer-advertise=node-4:7004"],
      "flag --peer-advertise: node-4:7004 can be reached",
    ],
    [
      "the peer port for MQTT",
      [...JOINING, "--mqtt-port=7004"],
      "flag --peer-port: 7004 is this node's MQTT port too (flag --mqtt-port)",
    ],
    [
      "a founder's port for HTTP",
      ["--initial-cluster=1=127.0.0.1:8080"],
      "flag --initial-cluster: 8080 is this node's HTTP port too (setting http-port (its default))",
    ],
  ])("%s", (_what, argv, expected) => {
    expect(complaintOf(() => load(argv))).toContain(expected);
  });

  test.each<[string, readonly string[]]>([
    ["founders here", [`--initial-cluster=${LOCAL}`, "--node-id=3"]],
    ["a founder alone", ["--initial-cluster=1=127.0.0.1:7001"]],
    ["founders elsewhere with a secret", [`--initial-cluster=${everywhere}`, secret]],
    ["a learner that joins", [...JOINING, "--learner"]],
    [
      "an open listener with an address and a secret",
      [...JOINING, "--peer-host=::", "--peer-advertise=n4:1", secret],
    ],
    ["a single node that others may join", ["--peer-port=7001"]],
    ["free ports for all", ["--mqtt-port=0", "--http-port=0", "--peer-port=0"]],
  ])("%s: nothing", (_what, argv) => {
    expect(() => load(argv)).not.toThrow();
  });
});

describe("docs/cluster.md", () => {
  const text = readFileSync(new URL("../../docs/cluster.md", import.meta.url), "utf8").replaceAll(
    "\\\n",
    " ",
  );
  const founders = /CLUSTER=(\S+)/.exec(text)?.[1] ?? "";
  const commands = [...text.matchAll(/npx jangada serve (.+)/g)].map(([, flags = ""]) =>
    flags.replace("$CLUSTER", founders).trim(),
  );

  it("has commands", () => {
    expect(commands.length).toBeGreaterThan(4);
  });

  test.each(commands)("serve %s is taken", (flags) => {
    expect(peerSettings(load(flags.split(/\s+/)))).not.toBeNull();
  });
});

describe("the peer listener", () => {
  const none: PeerChoices = {
    nodeId: "1",
    initialCluster: [],
    peerHost: null,
    peerPort: null,
    peerAdvertise: null,
  };
  const founders = (peer: string): PeerChoices["initialCluster"] => [
    { id: "1", peer },
    { id: "2", peer: "10.0.0.2:7002" },
  ];

  test.each<[string, Partial<PeerChoices>, ReturnType<typeof peerSettings>]>([
    ["of a single node", {}, null],
    ["that others may join", { peerPort: 0 }, { host: "127.0.0.1", port: 0, advertise: null }],
    [
      "on another address",
      { peerPort: 7, peerHost: "10.0.0.9" },
      { host: "10.0.0.9", port: 7, advertise: null },
    ],
    [
      "that is dialled by a name",
      { peerPort: 7, peerAdvertise: "node-4:7004" },
      { host: "0.0.0.0", port: 7, advertise: "node-4:7004" },
    ],
    [
      "that is dialled by an address",
      { peerPort: 7, peerAdvertise: "10.0.0.4:7004" },
      { host: "10.0.0.4", port: 7, advertise: "10.0.0.4:7004" },
    ],
    [
      "of a founder by address",
      { initialCluster: founders("10.0.0.1:7001") },
      { host: "10.0.0.1", port: 7001, advertise: "10.0.0.1:7001" },
    ],
    [
      "of a founder by IPv6",
      { initialCluster: founders("[::1]:7001") },
      { host: "::1", port: 7001, advertise: "[::1]:7001" },
    ],
    [
      "of a founder on this machine",
      { initialCluster: founders("localhost:7001") },
      { host: "localhost", port: 7001, advertise: "localhost:7001" },
    ],
    [
      "of a founder by name",
      { initialCluster: founders("node-1:7001") },
      { host: "0.0.0.0", port: 7001, advertise: "node-1:7001" },
    ],
    [
      "of a founder behind another address",
      { initialCluster: founders("192.0.2.1:7001"), peerHost: "::", peerPort: 9001 },
      { host: "::", port: 9001, advertise: "192.0.2.1:7001" },
    ],
    ["of nobody in the list", { nodeId: "3", initialCluster: founders("a:1") }, null],
  ])("%s", (_what, choices, expected) => {
    expect(peerSettings({ ...none, ...choices })).toEqual(expected);
  });
});

describe("the secret's file", () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "jangada-secret-"));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  const SECRET = "0123456789abcdef";
  function file(content: string | Buffer, mode = 0o600): string {
    const path = join(dir, `${mode}-${Buffer.from(content).length}`);
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  }

  test.each([
    [SECRET, SECRET],
    [`${SECRET}\n`, SECRET],
    [`${SECRET}\r\n`, SECRET],
    [`${SECRET}\n\n`, `${SECRET}\n`],
    [` ${SECRET} `, ` ${SECRET} `],
  ])("%j is the secret %j", (content, secret) => {
    expect(readClusterSecret(file(content)).bytes.toString()).toBe(secret);
  });

  test.each([0o600, 0o400])("may have mode %o", (mode) => {
    expect(readClusterSecret(file(SECRET, mode)).warning).toBeNull();
  });

  test.each([0o640, 0o644, 0o444, 0o440, 0o604])("is warned of with mode %o", (mode) => {
    const { bytes, warning } = readClusterSecret(file(SECRET, mode));
    expect(bytes.toString()).toBe(SECRET);
    expect(warning).toContain(`may read the cluster secret (mode 0${mode.toString(8)}); chmod 600 it`);
  });

  test.each([0o620, 0o602, 0o666, 0o660])("is refused with mode %o", (mode) => {
    expect(complaintOf(() => readClusterSecret(file(SECRET, mode)))).toContain("may write it");
  });

  it("may be a link, as containers have it: the mode is that of the file", () => {
    symlinkSync(file(`${SECRET}link`), join(dir, "link"));
    expect(readClusterSecret(join(dir, "link")).warning).toBeNull();
  });

  it("is refused when it is missing, a directory, too short or too long, and never repeated", () => {
    mkdirSync(join(dir, "sub"));
    expect(complaintOf(() => readClusterSecret(join(dir, "gone")))).toContain("there is no such file");
    expect(complaintOf(() => readClusterSecret(join(dir, "sub")))).toContain("it is no file");
    expect(complaintOf(() => readClusterSecret("/dev/zero"))).toContain("it is no file");
    expect(complaintOf(() => readClusterSecret(file("a".repeat(5_000))))).toContain("more than 4096 bytes");
    const short = complaintOf(() => readClusterSecret(file("hush-hush-hush\n")));
    expect(short).toContain("the secret has 14 bytes and needs 16");
    expect(short).not.toContain("hush");
  });
});
