/** How the members are, as their leader knows: any node can ask for it. */
import type { Calls } from "./calls.js";
import type { CoreStatus } from "./core-types.js";
import { ClusterError } from "./errors.js";
import { fieldsOf, isCount } from "./log/snapshot-meta.js";
import type { LogIndex, NodeId } from "./types.js";

/** One member. */
export interface MemberReport {
  /** Highest entry known to be on its disk. */
  readonly matchIndex: LogIndex;
  /** The leader hears from it. */
  readonly alive: boolean;
}

export interface MemberReportsOptions {
  readonly calls: Calls;
  readonly status: () => CoreStatus;
  readonly isAlive: (id: NodeId) => boolean;
}

const METHOD = "member-reports";
const TIMEOUT_MS = 1_000;

export class MemberReports {
  readonly #options: MemberReportsOptions;

  constructor(options: MemberReportsOptions) {
    this.#options = options;
    options.calls.handle(METHOD, async () => ({ params: this.#own() }));
  }

  /** By member. Rejects with `no_leader`, `call_timeout`. */
  async ask(): Promise<ReadonlyMap<NodeId, MemberReport>> {
    const { status, calls } = this.#options;
    const { role, leaderId } = status();
    if (role !== "leader" && leaderId === "") throw noLeader();
    const params =
      role === "leader"
        ? this.#own()
        : (await calls.call(leaderId, METHOD, {}, { timeoutMs: TIMEOUT_MS })).params;
    const reports = new Map<NodeId, MemberReport>();
    for (const [id, report] of Object.entries(params)) {
      const { matchIndex, alive } = fieldsOf(report);
      if (isCount(matchIndex)) reports.set(id, { matchIndex, alive: alive === true });
    }
    return reports;
  }

  #own(): Record<NodeId, MemberReport> {
    const { role, progress } = this.#options.status();
    if (role !== "leader") throw noLeader();
    const reports: Record<NodeId, MemberReport> = {};
    for (const [id, { match }] of progress)
      reports[id] = { matchIndex: match, alive: this.#options.isAlive(id) };
    return reports;
  }
}

function noLeader(): ClusterError {
  return new ClusterError("no_leader", "the group has no leader now; retry, or ask for ?consistency=local");
}
