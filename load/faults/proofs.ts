/**
 * The tools of the campaign proven on something simpler than a cluster: a cut cuts what it says and nothing else, and a power loss
 * loses what was not synced and nothing else. A fault that does nothing would pass every check.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Child } from "../lib/children.js";
import type { Address } from "../lib/server.js";
import { accepts, delay, temporaryDirectory, waitUntil } from "../lib/support.js";
import type { Cut } from "../lib/terrain.js";
import { NamespaceTerrain } from "./namespaces.js";
import { PowerTerrain } from "./power.js";

const UDP_PORT = 9000;
const HEARD_WITHIN_MS = 1_000;
/** A host that says what it hears over UDP, speaks when told to, and accepts TCP connections. */
const HOST_PROGRAM = `
const [host, port] = [process.argv[1], Number(process.argv[2])];
const udp = require("node:dgram").createSocket("udp4");
udp.on("message", (_, from) => console.log("heard " + from.address));
udp.bind(port, host, () => require("node:net").createServer((s) => s.destroy()).listen(port, host, () => console.log("up")));
require("node:readline").createInterface(process.stdin).on("line", (to) => udp.send("hello", port, to.trim()));
`;

/** What a cut of host 1 leaves: whether 2 hears 1, and 1 hears 2. */
const LEFT: Readonly<Record<Cut | "none", readonly [boolean, boolean]>> = {
  none: [true, true],
  both: [false, false],
  hearing: [true, false],
  speaking: [false, true],
};

class Host {
  readonly address: Address;
  readonly #child: Child;
  #heard = 0;

  private constructor(address: Address, child: Child) {
    this.address = address;
    this.#child = child;
    child.onLine((line) => {
      if (line.startsWith("heard ")) this.#heard += 1;
    });
  }

  static async start(terrain: NamespaceTerrain, id: number): Promise<Host> {
    const { launcher } = await terrain.place(id);
    const address = { host: terrain.addressOf(id), port: UDP_PORT };
    const [program = "", ...args] = [...launcher, process.execPath];
    const all = [...args, "-e", HOST_PROGRAM, address.host, String(address.port)];
    const child = await Child.start(program, all);
    const host = new Host(address, child);
    await child.waitForLine((line) => (line === "up" ? true : undefined), 10_000, "up");
    return host;
  }

  async hears(other: Host): Promise<boolean> {
    const before = this.#heard;
    other.#child.write(this.address.host);
    return waitUntil(() => this.#heard > before, HEARD_WITHIN_MS, 5);
  }

  /** Of so many datagrams from the other, how many it hears. */
  async hearsOf(other: Host, sent: number): Promise<number> {
    const before = this.#heard;
    for (let at = 0; at < sent; at++) {
      other.#child.write(this.address.host);
      if (at % 20 === 19) await delay(5);
    }
    await delay(HEARD_WITHIN_MS);
    return this.#heard - before;
  }

  stop(): Promise<number | null> {
    return this.#child.stop("SIGKILL");
  }
}

/** Resolves with what does not hold, in words. */
export async function proveNamespaces(): Promise<readonly string[]> {
  const terrain = await NamespaceTerrain.create(temporaryDirectory("proof"));
  const complaints: string[] = [];
  const hosts: Host[] = [];
  try {
    const [one, two] = [await Host.start(terrain, 1), await Host.start(terrain, 2)];
    hosts.push(one, two);
    for (const cut of ["none", "both", "hearing", "speaking", "none"] as const) {
      if (cut !== "none") await terrain.cut(1, cut);
      const left = [await two.hears(one), await one.hears(two)];
      if (String(left) !== String(LEFT[cut])) {
        complaints.push(`cut "${cut}": 2 hears 1, 1 hears 2: ${left}, not ${LEFT[cut]}`);
      }
      for (const { address } of hosts) {
        if (!(await accepts(address.port, address.host))) {
          complaints.push(`cut "${cut}": ${address.host} cannot be reached by its clients`);
        }
      }
      await terrain.heal();
    }
  } finally {
    for (const host of hosts) await host.stop();
    await terrain.close();
  }
  return complaints;
}

const DATAGRAMS = 500;

/** Resolves with what does not hold, in words: losses lose some and not all, doubling makes more of them. */
export async function proveLossy(doubles: boolean): Promise<readonly string[]> {
  const terrain = await NamespaceTerrain.create(temporaryDirectory("proof"));
  const complaints: string[] = [];
  const hosts: Host[] = [];
  try {
    const [one, two] = [await Host.start(terrain, 1), await Host.start(terrain, 2)];
    hosts.push(one, two);
    const share = async (lost: number, doubled: number): Promise<number> => {
      await terrain.disturb(1, lost, doubled);
      await terrain.disturb(2, lost, doubled);
      const heard = await two.hearsOf(one, DATAGRAMS);
      await terrain.heal();
      return heard / DATAGRAMS;
    };
    const [calm, lossy] = [await share(0, 0), await share(0.3, 0)];
    if (calm !== 1) complaints.push(`${calm} of all datagrams arrive where nothing is lost`);
    if (lossy < 0.5 || lossy > 0.9) complaints.push(`${lossy} of all datagrams arrive where 0.3 are lost`);
    const doubled = doubles ? await share(0, 0.3) : 2;
    if (doubled < 1.1) complaints.push(`${doubled} of all datagrams arrive where 0.3 are doubled`);
  } finally {
    for (const host of hosts) await host.stop();
    await terrain.close();
  }
  return complaints;
}

/** Writes a file in small steps; what is synced and what is not lie in one directory. */
function write(file: string, sync: boolean): void {
  const handle = openSync(file, "w");
  for (let at = 0; at < 100; at++) writeSync(handle, `line ${at}\n`);
  if (sync) fsyncSync(handle);
  closeSync(handle);
}

function readOrEmpty(file: string): string {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

/** Resolves with what does not hold, in words. */
export async function provePowerLoss(): Promise<readonly string[]> {
  const terrain = new PowerTerrain();
  const complaints: string[] = [];
  try {
    for (const id of [1, 2]) {
      const { dataDir } = await terrain.place(id);
      mkdirSync(dataDir);
      const [kept, lost] = [join(dataDir, "kept"), join(dataDir, "lost")];
      write(kept, true);
      const directory = openSync(dataDir, "r");
      fsyncSync(directory);
      closeSync(directory);
      write(lost, false);
      await terrain.cutPower([id]);
      await delay(10);
      await terrain.restorePower([id]);
      const lines = readOrEmpty(kept).split("\n").length - 1;
      if (lines !== 100) complaints.push(`disk ${id}: ${lines} of 100 synced lines are left`);
      if (readOrEmpty(lost) !== "") complaints.push(`disk ${id}: what was never synced is there`);
    }
  } finally {
    await terrain.close();
  }
  return complaints;
}
