/**
 * Nodes as hosts of their own: each in a network namespace on one bridge, cut off by firewall rules in its namespace. The
 * bridge is in a namespace too; this process has a leg in it, and its packets are never dropped.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { isRoot, missingPrograms, runCommand, UndoList } from "../lib/commands.js";
import type { Cut, Place, Terrain } from "../lib/terrain.js";

const PORTS = { http: 8080, mqtt: 1883, peer: 7000 } as const;
/** Nodes are .1 to .127 of a /24, this process is .254: one rule names all nodes and not us. */
const OUR_HOST = 254;
const NODES_PREFIX_BITS = 25;
const ID_MAX = 127;

/** What is missing here, in words; null when namespaces can be made. */
export function namespacesUnavailable(): string | null {
  if (!isRoot()) return "network namespaces need root";
  const missing = missingPrograms("ip", "iptables");
  return missing.length === 0 ? null : `not installed: ${missing.join(", ")} (packages iproute2, iptables)`;
}

export class NamespaceTerrain implements Terrain {
  /** Begins the names of all namespaces and links; the kernel allows 15 characters. */
  readonly #name = `jf${process.pid}`;
  /** The first three numbers of all addresses. */
  readonly #net: string;
  readonly #directory: string;
  readonly #secretFile: string;
  readonly #undo = new UndoList();
  readonly #ids = new Set<number>();

  private constructor(directory: string, net: string) {
    this.#directory = directory;
    this.#net = net;
    this.#secretFile = join(directory, "cluster-secret");
  }

  /** Makes the bridge and our leg in it. Data directories and the cluster's secret are made in `directory`. */
  static async create(directory: string): Promise<NamespaceTerrain> {
    const terrain = new NamespaceTerrain(directory, await freeNet());
    const secret = "a secret of the fault campaign, long enough\n";
    writeFileSync(terrain.#secretFile, secret, { mode: 0o600 });
    try {
      await terrain.#makeBridge();
    } catch (error) {
      await terrain.close();
      throw error;
    }
    return terrain;
  }

  get #switch(): string {
    return `${this.#name}sw`;
  }

  async #makeBridge(): Promise<void> {
    const leg = `${this.#name}us`;
    await this.#makeNamespace(this.#switch);
    await runCommand("ip", "-n", this.#switch, "link", "add", "br0", "type", "bridge");
    await runCommand("ip", "-n", this.#switch, "link", "set", "br0", "up");
    await runCommand("ip", "link", "add", leg, "type", "veth", "peer", "name", "us", "netns", this.#switch);
    this.#undo.push("ip", "link", "del", leg);
    await this.#plugIn("us");
    await runCommand("ip", "addr", "add", `${this.#net}.${OUR_HOST}/24`, "dev", leg);
    await runCommand("ip", "link", "set", leg, "up");
  }

  async #makeNamespace(name: string): Promise<void> {
    await runCommand("ip", "netns", "add", name);
    this.#undo.push("ip", "netns", "del", name);
  }

  async #plugIn(link: string): Promise<void> {
    await runCommand("ip", "-n", this.#switch, "link", "set", link, "master", "br0", "up");
  }

  namespaceOf(id: number): string {
    return `${this.#name}n${id}`;
  }

  addressOf(id: number): string {
    return `${this.#net}.${id}`;
  }

  async place(id: number): Promise<Place> {
    if (id > ID_MAX) throw new Error(`ids end at ${ID_MAX} here`);
    const namespace = this.namespaceOf(id);
    const inside = ["-n", namespace];
    await this.#makeNamespace(namespace);
    this.#ids.add(id);
    const ends = ["eth0", "type", "veth", "peer", "name", `n${id}`, "netns", this.#switch];
    await runCommand("ip", ...inside, "link", "add", ...ends);
    await this.#plugIn(`n${id}`);
    await runCommand("ip", ...inside, "addr", "add", `${this.addressOf(id)}/24`, "dev", "eth0");
    await runCommand("ip", ...inside, "link", "set", "lo", "up");
    await runCommand("ip", ...inside, "link", "set", "eth0", "up");
    const host = this.addressOf(id);
    const peer = { host, port: PORTS.peer };
    return {
      http: { host, port: PORTS.http },
      mqtt: { host, port: PORTS.mqtt },
      peer,
      advertised: peer,
      dataDir: join(this.#directory, `node-${id}`),
      logFile: join(this.#directory, `node-${id}.log`),
      launcher: ["ip", "netns", "exec", namespace],
      flags: ["--host", host, "--allow-anonymous", "--cluster-secret-file", this.#secretFile],
    };
  }

  async cut(id: number, cut: Cut): Promise<void> {
    const nodes = `${this.#net}.0/${NODES_PREFIX_BITS}`;
    const drop = (...match: readonly string[]): Promise<string> =>
      this.#filter(id, "-A", ...match, "-j", "DROP");
    if (cut !== "speaking") await drop("INPUT", "-i", "eth0", "-s", nodes);
    if (cut !== "hearing") await drop("OUTPUT", "-o", "eth0", "-d", nodes);
  }

  /** So much of what comes from peers is lost, and of what is not so much comes twice, which TCP has to make good: late and in bursts. */
  async disturb(id: number, lost: number, doubled: number): Promise<void> {
    const nodes = `${this.#net}.0/${NODES_PREFIX_BITS}`;
    const some = (share: number): readonly string[] => [
      ...["-m", "statistic", "--mode", "random", "--probability", String(share)],
    ];
    await this.#filter(id, "-A", "INPUT", "-i", "eth0", "-s", nodes, ...some(lost), "-j", "DROP");
    if (doubled === 0) return;
    for (const other of this.#ids) {
      if (other === id) continue;
      const to = this.addressOf(other);
      const out = ["-t", "mangle", "-A", "POSTROUTING", "-o", "eth0", "-d", to];
      await this.#filter(id, ...out, ...some(doubled), "-j", "TEE", "--gateway", to);
    }
  }

  async heal(): Promise<void> {
    for (const id of this.#ids) {
      await this.#filter(id, "-F");
      await this.#filter(id, "-t", "mangle", "-F");
    }
  }

  #filter(id: number, ...args: readonly string[]): Promise<string> {
    return runCommand("ip", "netns", "exec", this.namespaceOf(id), "iptables", "-w", ...args);
  }

  async close(): Promise<void> {
    await this.#undo.run();
  }
}

/** The first three numbers of a /24 that this machine has no route to. */
async function freeNet(): Promise<string> {
  const routes = await runCommand("ip", "route", "show", "table", "all");
  for (let tries = 0; tries < 250; tries++) {
    const net = `10.${100 + (process.pid % 100)}.${(Math.floor(process.pid / 100) + tries) % 250}`;
    if (!routes.includes(`${net}.`)) return net;
  }
  throw new Error("found no free network for the namespaces");
}
