/** The group in a test's hand: remembers what was asked of it, lags behind and refuses when told to. */
import type { Broker, NodeStatus } from "../../src/broker.js";
import type { ClusterControl, JoinTicket, NewMember } from "../../src/cluster-control.js";
import { type ErrorCode, JangadaError } from "../../src/errors.js";

export class FakeCluster implements ClusterControl {
  /** Every call, in order, with its arguments. */
  readonly calls: (readonly [string, ...unknown[]])[] = [];
  /** What every call is refused with. */
  refusal: ErrorCode | null = null;
  /** Runs while somebody waits for the barrier: what arrives meanwhile. */
  onBarrier: () => void | Promise<void> = () => undefined;
  leaderId = "1";
  readonly #broker: Pick<Broker, "status">;

  constructor(broker: Pick<Broker, "status">) {
    this.#broker = broker;
  }

  async readBarrier(): Promise<void> {
    this.#called("readBarrier");
    await this.onBarrier();
  }

  async status(local: boolean): Promise<NodeStatus> {
    this.#called("status", local);
    return this.#broker.status();
  }

  async addMember(member: NewMember): Promise<JoinTicket> {
    this.#called("addMember", member);
    const { id, peer } = member;
    return { clusterId: "c1", members: [{ id, peer, role: "learner" }] };
  }

  async promoteMember(id: string): Promise<void> {
    this.#called("promoteMember", id);
  }

  async removeMember(id: string): Promise<void> {
    this.#called("removeMember", id);
  }

  async transferLeadership(to: string | null): Promise<string> {
    this.#called("transferLeadership", to);
    if (to !== null) this.leaderId = to;
    return this.leaderId;
  }

  #called(name: string, ...args: readonly unknown[]): void {
    this.calls.push([name, ...args]);
    if (this.refusal !== null) throw new JangadaError(this.refusal);
  }
}
