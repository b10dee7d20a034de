/** What a node says of itself when it starts: founder, newcomer, or a group of one. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { Origin } from "../../cluster/node-options.js";
import type { Roster } from "../../cluster/types.js";
import type { JoinTicket } from "../../src/cluster-control.js";
import { defaultConfig, type ServeConfig } from "../../src/config.js";
import { createPeerSide, type PeerSide } from "../../src/peers.js";
import type { DataDirectory } from "../../src/replica/data-directory.js";
import { silentLogger } from "../../src/runtime/logger.js";

const TICKET: JoinTicket = {
  clusterId: "c",
  members: [
    { id: "1", peer: "h1:7001", role: "leader" },
    { id: "4", peer: "127.0.0.1:7004", role: "learner" },
  ],
};
const FOUNDERS = [
  { id: "2", peer: "127.0.0.1:7002" },
  { id: "10", peer: "127.0.0.1:7010" },
  { id: "1", peer: "127.0.0.1:7001" },
];

function sideOf(
  config: Partial<ServeConfig>,
  { ticket = null, hasLog = false }: { ticket?: JoinTicket | null; hasLog?: boolean } = {},
): { side: PeerSide; kept: JoinTicket[] } {
  const kept: JoinTicket[] = [];
  const directory: DataDirectory = {
    root: "/data",
    logDir: "/data/log",
    snapshotDir: "/data/snapshots",
    storeDir: "/data/store",
    tag: "tag",
    incarnation: 1,
    hasLog,
    ticket,
    keepTicket: async (given) => void kept.push(given),
    keepHasRun: async () => undefined,
    unlock: async () => undefined,
  };
  const doorkeeper = {
    clusterId: () => "",
    refusalOf: () => null,
    meet: () => undefined,
    refused: () => undefined,
  };
  return {
    side: createPeerSide({ ...defaultConfig(), ...config }, directory, silentLogger, doorkeeper),
    kept,
  };
}

const rosterOf = ({ founding }: Origin): Roster | undefined => founding?.roster;

describe("a group of one", () => {
  test("without a peer port listens to nobody, and its members have no address", async () => {
    const { side } = sideOf({ nodeId: "5" });
    await side.transport.start();
    expect([side.address(), side.mustListenFirst]).toEqual([null, false]);
    const origin = await side.origin();
    expect([origin.peer, origin.founding?.voters]).toEqual(["", ["5"]]);
    expect(rosterOf(origin)?.members).toEqual({ "5": { peer: "", tag: "tag", wantsVote: true } });
    await side.transport.stop();
  });

  test("with a peer port can grow: it says where it is", async () => {
    const { side } = sideOf({ peerHost: "127.0.0.1", peerPort: 7005, nodeId: "5" });
    const { peer, founding } = await side.origin();
    expect([peer, side.mustListenFirst]).toEqual(["127.0.0.1:7005", false]);
    expect(founding?.roster?.members["5"]?.peer).toBe("127.0.0.1:7005");
  });

  test("on a port that the system chooses listens before it can say where", async () => {
    const { side } = sideOf({ peerHost: "127.0.0.1", peerPort: 0 });
    expect(side.mustListenFirst).toBe(true);
    await side.transport.start();
    const { peer } = await side.origin();
    expect(peer).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(peer).toBe(side.address());
    await side.transport.stop();
  });

  test("is told from every other by its directory", async () => {
    const ids = await Promise.all(
      ["1", "2"].map(async (nodeId) => rosterOf(await sideOf({ nodeId }).side.origin())?.clusterId),
    );
    expect(new Set(ids).size).toBe(2);
  });
});

describe("founders", () => {
  test("begin from the very same entry, in whatever order they are written", async () => {
    const [one, two] = await Promise.all([
      sideOf({ nodeId: "1", initialCluster: FOUNDERS }).side.origin(),
      sideOf({ nodeId: "2", initialCluster: [...FOUNDERS].reverse() }).side.origin(),
    ]);
    expect(one.founding).toEqual(two.founding);
    expect(one.founding?.voters).toEqual(["1", "10", "2"]);
    expect([one.peer, two.peer]).toEqual(["127.0.0.1:7001", "127.0.0.1:7002"]);
    expect(rosterOf(one)?.members["10"]).toEqual({ peer: "127.0.0.1:7010", tag: "", wantsVote: true });
  });

  test("of another list are another cluster", async () => {
    const [all, fewer] = await Promise.all([
      sideOf({ nodeId: "1", initialCluster: FOUNDERS }).side.origin(),
      sideOf({ nodeId: "1", initialCluster: FOUNDERS.slice(1) }).side.origin(),
    ]);
    expect(rosterOf(all)?.clusterId).not.toBe(rosterOf(fewer)?.clusterId);
  });

  test("are dialled where they say, wherever they listen", async () => {
    const { side } = sideOf({
      nodeId: "1",
      initialCluster: FOUNDERS,
      peerHost: "127.0.0.1",
      peerPort: 9_999,
      peerAdvertise: "node-1:7001",
    });
    expect((await side.origin()).peer).toBe("node-1:7001");
  });
});

describe("a newcomer", () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  async function cluster(): Promise<{ url: string; asked: () => number }> {
    let asked = 0;
    const server = createServer((request, response) => {
      asked += 1;
      request.resume().on("end", () => {
        response.writeHead(201, { "content-type": "application/json", connection: "close" });
        response.end(JSON.stringify(TICKET));
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked };
  }

  const joining = (joinUrl: string) => ({ nodeId: "4", joinUrl, peerHost: "127.0.0.1", peerPort: 7004 });
  const contacts = new Map([
    ["1", "h1:7001"],
    ["4", "127.0.0.1:7004"],
  ]);

  test("asks, writes down what it was told before it does anything, and founds nothing", async () => {
    const { url } = await cluster();
    const { side, kept } = sideOf(joining(url));
    expect(await side.origin()).toEqual({ peer: "127.0.0.1:7004", founding: null, contacts });
    expect(kept).toEqual([TICKET]);
  });

  test("asks once in the life of its directory", async () => {
    const { url, asked } = await cluster();
    const { side, kept } = sideOf(joining(url), { ticket: TICKET, hasLog: true });
    expect(await side.origin()).toEqual({ peer: "127.0.0.1:7004", founding: null, contacts });
    expect([asked(), kept]).toEqual([0, []]);
  });

  test.each<[string, Partial<ServeConfig>]>([
    ["no --join", { peerHost: "127.0.0.1", peerPort: 7004 }],
    ["neither --join nor a peer port", {}],
    ["--initial-cluster instead", { initialCluster: [...FOUNDERS, { id: "4", peer: "127.0.0.1:7004" }] }],
  ])("that is started again with %s belongs where it belonged, and founds nothing", async (_what, config) => {
    const { side } = sideOf({ nodeId: "4", ...config }, { ticket: TICKET });
    const origin = await side.origin();
    expect([origin.founding, origin.contacts]).toEqual([null, contacts]);
  });

  test("does not bring the data of another group along", async () => {
    const { url, asked } = await cluster();
    const { side } = sideOf(joining(url), { hasLog: true });
    await expect(side.origin()).rejects.toMatchObject({ code: "join_refused" });
    expect(asked()).toBe(0);
  });
});
