/** A cluster of real processes: founded, grown, shrunk, and watched from outside until all its nodes agree. */
import { ClusterNode, type ClusterStatus } from "./cluster-node.js";
import { type Answer, HttpConnection } from "./http-client.js";
import { delay, waitUntil } from "./support.js";
import type { Place, Terrain } from "./terrain.js";

export interface ClusterOptions {
  readonly size: number;
  readonly terrain: Terrain;
  /** More flags of every node. */
  readonly flags?: readonly string[];
  /** Options of Node itself. */
  readonly nodeArgs?: readonly string[];
}

const LEADER_TIMEOUT_MS = 30_000;
const CHANGE_TIMEOUT_MS = 60_000;
const CHANGE_RETRY_MS = 200;
const POLL_MS = 50;

export class Cluster {
  readonly terrain: Terrain;
  readonly #flags: readonly string[];
  readonly #nodeArgs: readonly string[];
  readonly #nodes = new Map<number, ClusterNode>();
  #nextId = 1;

  private constructor({ terrain, flags = [], nodeArgs = [] }: ClusterOptions) {
    this.terrain = terrain;
    this.#flags = flags;
    this.#nodeArgs = nodeArgs;
  }

  /** Founds a cluster: every node knows all the others from the beginning. Resolves when all are ready. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options);
    const places: [number, Place][] = [];
    for (let id = 1; id <= options.size; id++) places.push([id, await options.terrain.place(id)]);
    const founders = places
      .map(
        ([
          id,
          {
            advertised: { host, port },
          },
        ]) => `${id}=${host}:${port}`,
      )
      .join(",");
    for (const [id, place] of places) {
      const flags = ["--initial-cluster", founders, ...cluster.#flags];
      cluster.#nodes.set(id, new ClusterNode(id, place, flags, cluster.#nodeArgs));
    }
    cluster.#nextId = options.size + 1;
    try {
      await Promise.all(cluster.nodes.map((node) => node.start()));
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  /** All nodes that belong, running or not. */
  get nodes(): readonly ClusterNode[] {
    return [...this.#nodes.values()];
  }

  get running(): readonly ClusterNode[] {
    return this.nodes.filter((node) => node.running);
  }

  /** Throws for one that does not belong. */
  node(id: number): ClusterNode {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  /** The node that a majority of the answering ones, itself included, calls leader. */
  async leader(): Promise<ClusterNode> {
    let found: ClusterNode | undefined;
    const reached = await waitUntil(
      async () => {
        found = this.#agreedLeader(await this.statuses());
        return found !== undefined;
      },
      LEADER_TIMEOUT_MS,
      POLL_MS,
    );
    if (!reached || found === undefined) throw new Error(`no leader in ${LEADER_TIMEOUT_MS} ms`);
    return found;
  }

  #agreedLeader(statuses: readonly ClusterStatus[]): ClusterNode | undefined {
    const term = Math.max(...statuses.map((status) => status.term));
    const current = statuses.filter((status) => status.term === term && status.leaderId !== "");
    const leading = current.find(({ nodeId, leaderId }) => nodeId === leaderId);
    if (leading === undefined || current.length * 2 <= this.running.length) return undefined;
    return this.#nodes.get(Number(leading.nodeId));
  }

  /** A running node that does not lead; the one with the lowest id. */
  async follower(): Promise<ClusterNode> {
    const leader = await this.leader();
    const other = this.running.find((node) => node !== leader);
    if (other === undefined) throw new Error("the leader is alone");
    return other;
  }

  /** The local view of every node that answers. */
  async statuses(): Promise<readonly ClusterStatus[]> {
    const asked = await Promise.all(this.running.map((node) => node.status()));
    return asked.filter((status) => status !== null);
  }

  /** A new node that joins by way of a running one; resolves when it is ready. */
  async add({ learner = false } = {}): Promise<ClusterNode> {
    const id = this.#nextId;
    this.#nextId += 1;
    const { host, port } = (await this.leader()).http;
    const place = await this.terrain.place(id);
    const flags = ["--join", `http://${host}:${port}`, ...(learner ? ["--learner"] : []), ...this.#flags];
    const node = new ClusterNode(id, place, flags, this.#nodeArgs);
    await node.start();
    this.#nodes.set(id, node);
    await this.waitForRole(id, learner ? ["learner"] : ["voter", "leader"]);
    return node;
  }

  /** Takes a node out through the interface and waits until it has stopped by itself; resolves with its exit code, null for one that a signal ended. */
  async remove(id: number): Promise<number | null> {
    const node = this.node(id);
    // Not known any more is as good as removed: an earlier attempt got through without an answer.
    const isDone = (status: number): boolean => status < 300 || status === 404;
    await this.command(`remove node ${id}`, "DELETE", `/cluster/members/${id}`, isDone);
    this.#nodes.delete(id);
    const stopped = await waitUntil(() => !node.running, CHANGE_TIMEOUT_MS, POLL_MS);
    if (stopped) return node.exitCode();
    await node.kill();
    throw new Error(`node ${id} was removed and went on running`);
  }

  /** A node belongs no more, and whoever asked for that sees to it that it stops. */
  forget(id: number): void {
    this.#nodes.delete(id);
  }

  /** Waits until the leader gives this member one of these roles. */
  async waitForRole(id: number, roles: readonly string[]): Promise<void> {
    const hasRole = async (): Promise<boolean> => {
      const status = await (await this.leader()).status();
      const member = status?.members.find((one) => one.id === String(id));
      return member !== undefined && roles.includes(member.role);
    };
    if (!(await waitUntil(hasRole, CHANGE_TIMEOUT_MS, POLL_MS))) {
      throw new Error(`node ${id} did not become ${roles.join(" or ")}`);
    }
  }

  /** Asks a running node to change the cluster, again and again while it answers that it cannot now. */
  async command(
    what: string,
    method: "POST" | "DELETE",
    path: string,
    isDone: (status: number) => boolean,
  ): Promise<Answer> {
    const end = performance.now() + CHANGE_TIMEOUT_MS;
    let last = "nobody answered";
    for (let at = 0; performance.now() < end; at++) {
      const node = this.running[at % this.running.length];
      if (node === undefined) break;
      const connection = new HttpConnection(node.http);
      try {
        const answer = await connection.ask(method, path);
        if (isDone(answer.status)) return answer;
        last = `node ${node.id} answered ${answer.status} ${answer.body}`;
      } catch (error) {
        last = error instanceof Error ? error.message : String(error);
      } finally {
        connection.close();
      }
      await delay(CHANGE_RETRY_MS);
    }
    throw new Error(`${what}: ${last}`);
  }

  /** Waits until every node runs and has applied all that any has committed; says in words what is behind otherwise. */
  async waitUntilEqual(timeoutMs: number): Promise<string | null> {
    let seen: readonly ClusterStatus[] = [];
    const equal = await waitUntil(
      async () => {
        seen = await this.statuses();
        if (seen.length < this.nodes.length) return false;
        const committed = Math.max(...seen.map((status) => status.commitIndex));
        return seen.every(({ appliedIndex, leaderId }) => appliedIndex === committed && leaderId !== "");
      },
      timeoutMs,
      POLL_MS,
    );
    if (equal) return null;
    const shown = seen.map(
      ({ nodeId, leaderId, term, commitIndex, appliedIndex }) =>
        `node ${nodeId} (leader ${leaderId}, term ${term}) applied ${appliedIndex} of ${commitIndex}`,
    );
    return `after ${timeoutMs} ms, ${seen.length} of ${this.nodes.length} nodes answer: ${shown.join("; ")}`;
  }

  /** Ends all nodes; the terrain is its owner's. */
  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
  }
}
