/**
 * A member of a Raft group: brings log, snapshots and state machine back, joins the core to the peers, runs the loop. What it does
 * round by round stands in ready-loop.ts; who does what else is in the files that this one puts together.
 */
import { Acquaintances, type Refusal, removedError } from "./acquaintances.js";
import { Calls } from "./calls.js";
import type { CoreStatus } from "./core-types.js";
import { ClusterError } from "./errors.js";
import { GuardedCore } from "./guarded-core.js";
import { MemberChanges } from "./member-changes.js";
import { type MemberReport, MemberReports } from "./member-reports.js";
import { Membership } from "./membership.js";
import { neededFrom } from "./needed-log.js";
import { isTooEarly } from "./newcomers.js";
import type { NodeView, Origin, RaftNodeOptions } from "./node-options.js";
import { Proposals } from "./proposals.js";
import { RaftCore } from "./raft-core.js";
import { Reads } from "./reads.js";
import { ReadyLoop } from "./ready-loop.js";
import { type Restart, restart } from "./restart.js";
import { SnapshotKeeper } from "./snapshot-keeper.js";
import { SnapshotReceiver } from "./snapshot-receiver.js";
import { SnapshotSender } from "./snapshot-sender.js";
import { tagsInLog } from "./tags-in-log.js";
import type { PeerIdentity } from "./transport/handshake.js";
import type { PeerFrame, PeerView } from "./transport/transport.js";
import type { HardState, LogIndex, MembershipChange, NodeId, PeerMessage } from "./types.js";
import { WallClocks } from "./wall-clocks.js";
import { WarningGate } from "./warning-gate.js";

/** The leader's chores come every so many ticks. */
const CHORE_TICKS = 4;
/** Calls are numbered from a number of chance on. */
const FIRST_CALL_MAX = 2 ** 40;

export class RaftNode {
  readonly #options: RaftNodeOptions;
  readonly #membership = new Membership();
  readonly #core: GuardedCore;
  readonly #acquaintances: Acquaintances;
  readonly #calls: Calls;
  readonly #reads: Reads;
  readonly #changes: MemberChanges;
  readonly #proposals: Proposals;
  readonly #reports: MemberReports;
  readonly #clocks: WallClocks;
  readonly #sender: SnapshotSender;
  readonly #receiver: SnapshotReceiver;
  #keeper: SnapshotKeeper | null = null;
  #loop: ReadyLoop | null = null;
  #running: Promise<void> = Promise.resolve();
  #isStopping = false;
  #hasFailed = false;
  #stopTicks: () => void = () => undefined;
  #ticks = 0;
  #leaderId: NodeId | "" = "";

  constructor(options: RaftNodeOptions) {
    this.#options = options;
    const { id, group, transport, snapshots, ticker, limits, onWarning } = options;
    const after = (delayMs: number, task: () => void): (() => void) => ticker.after(delayMs, task);
    const monotonicMs = (): number => ticker.monotonicMs();
    this.#core = new GuardedCore({
      onBroken: (error) => this.#fail(error),
      onUsed: () => this.#loop?.kick(),
    });
    const status = (): CoreStatus => this.#core.status();
    const isAlive = (member: NodeId): boolean => this.#isAlive(member);
    const send = (to: NodeId, frame: PeerFrame): void => transport.send(to, frame);
    this.#acquaintances = new Acquaintances(() => this.#membership.roster);
    this.#calls = new Calls({ group, send, after, lastCall: Math.floor(options.random() * FIRST_CALL_MAX) });
    this.#reads = new Reads({
      id,
      calls: this.#calls,
      status,
      readIndex: (context) => this.#core.use((core) => core.readIndex(context)),
      after,
      monotonicMs,
    });
    this.#changes = new MemberChanges({
      id,
      calls: this.#calls,
      membership: this.#membership,
      status,
      lastIndex: () => options.log.lastIndex(),
      propose: (change) => this.#core.proposeChange(change),
      transferLeader: (to) => this.#core.use((core) => core.transferLeader(to)),
      met: (member) => this.#acquaintances.get(member),
      isAlive,
      after,
      monotonicMs,
    });
    this.#reports = new MemberReports({ calls: this.#calls, status, isAlive });
    this.#clocks = new WallClocks(id, this.#calls, ticker, () => this.#membership.current.voters);
    this.#proposals = new Proposals({
      group,
      status,
      append: (payloads) => this.#core.append(payloads),
      send,
      canRead: (payload) => options.machine.canRead(payload),
      warnings: new WarningGate(ticker, onWarning),
    });
    this.#sender = new SnapshotSender({
      calls: this.#calls,
      snapshots,
      bytesPerSecondMax: limits.snapshotBytesPerSecondMax,
      after,
      monotonicMs,
      onFailed: (member) => this.#core.use((core) => core.reportSnapshot(member, "failed")),
      onInstalled: (member) => this.#core.use((core) => core.reportSnapshot(member, "installed")),
      onDamaged: (error) => this.#keeper?.renew(error),
    });
    this.#receiver = new SnapshotReceiver({
      calls: this.#calls,
      snapshots,
      idle: async () => {
        await this.#loop?.settled();
        await this.#keeper?.idle();
      },
      onReady: (offer) => this.#loop?.offer(offer),
      after,
      onWarning,
    });
    transport.onFrame((from, frame) => this.#receive(from, frame));
    transport.onUnreachable((member) => this.#unreachable(member));
  }

  /** Listens for peers and dials them. Before `start`, which may need to say where that is. */
  async listen(): Promise<void> {
    await this.#options.transport.start();
  }

  /**
   * Opens the log and the snapshots, brings the state machine back, begins the loop. Resolves when everything that was known to
   * be committed is applied. Rejects with `log_corrupt`, `log_version`, `snapshot_corrupt`, `disk_failed`.
   */
  async start({ peer, founding, contacts }: Origin): Promise<void> {
    const { id, tag, limits, ticker } = this.#options;
    this.#acquaintances.expect(contacts);
    this.#acquaintances.meet({ id, tag, clusterId: "", address: peer });
    const { hardState, from, offer } = await restart(this.#options, founding, this.#membership);
    this.#assertBelongs();
    this.#core.expect(hardState);
    for (const [member, { tag: told, peer: address }] of tagsInLog(
      this.#options.log,
      from,
      this.#membership.roster,
    )) {
      if (member !== id) this.#acquaintances.meet({ id: member, tag: told, clusterId: "", address });
    }
    const core = this.#createCore(hardState, from);
    if (offer !== null) core.offerSnapshot(offer);
    this.#keeper = this.#createKeeper();
    this.#loop = this.#createLoop(core, this.#keeper, { hardState, from });
    await this.#loop.replay(hardState.commit);
    this.#reads.applied(core.status().applied);
    this.#assertBelongs();
    if (this.#isStopping) return;
    // From here on frames reach the core: not where it was told to stop meanwhile.
    this.#core.open(core);
    this.#dialPeers();
    if (this.#membership.isOnlyVoter(id)) core.campaign();
    this.#stopTicks = ticker.every(limits.tickMs, () => this.#tick());
    this.#running = this.#loop.run().catch((error: unknown) => this.#fail(error));
  }

  /** Sends a batch on its way into the log: see `Proposals.propose`. It comes back through `StateMachine.apply`, or is lost. */
  propose(payload: Uint8Array): boolean {
    return !this.#isStopping && this.#proposals.propose(payload);
  }

  /** See `Reads.barrier`. */
  barrier(): Promise<void> {
    return this.#reads.barrier();
  }

  get changes(): MemberChanges {
    return this.#changes;
  }

  /** For the transport: why a peer is turned away, `null` when it is let in. */
  refusalOf(hello: PeerIdentity): Refusal | null {
    return this.#acquaintances.refusalOf(hello);
  }

  meet(hello: PeerIdentity): void {
    this.#acquaintances.meet(hello);
    if (this.#core.isOpen && !this.#membership.includes(hello.id)) this.#dialPeers();
  }

  /** For the transport: a peer turned this node away for good. */
  expelled(code: "member_removed" | "member_wiped", text: string): void {
    this.#fail(new ClusterError(code, text));
  }

  status(): NodeView {
    const { voters, learners } = this.#membership.current;
    return { ...this.#core.status(), voters, learners, roster: this.#membership.roster };
  }

  peers(): readonly PeerView[] {
    return this.#options.transport.peers();
  }

  /** How far each member is, and whether it is heard of, as the leader knows. Rejects with `no_leader`. */
  matches(): Promise<ReadonlyMap<NodeId, MemberReport>> {
    return this.#reports.ask();
  }

  /** The latest time that a majority of the voters' wall clocks have reached; `null` when no majority answers. */
  agreedMs(): Promise<number | null> {
    return this.#clocks.agreedMs();
  }

  /** Before a stop: another voter takes over, if one can. */
  async handOver(): Promise<void> {
    const { role, voters } = this.status();
    if (role === "leader" && voters.length > 1) await this.#changes.transfer("").catch(() => undefined);
  }

  /** Lets the round that is under way finish, then closes nothing: the stores belong to the caller. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#core.stop();
    this.#stopTicks();
    const received = this.#receiver.stop();
    this.#calls.stop();
    this.#sender.stop();
    this.#loop?.stop();
    await this.#options.transport.stop();
    await received;
    await this.#running;
    await this.#keeper?.stop();
  }

  #createCore(hardState: HardState, applied: LogIndex): RaftCore {
    const { id, log, random, limits, onWarning } = this.#options;
    return new RaftCore({
      id,
      log,
      hardState,
      confState: this.#membership.current,
      applied,
      random,
      onWarning: (text) => onWarning({}, text),
      ...limits,
    });
  }

  #createKeeper(): SnapshotKeeper {
    const { id, log, snapshots, machine, limits, onWarning, onSnapshot, crashPoint } = this.#options;
    return new SnapshotKeeper({
      log,
      snapshots,
      machine,
      membership: this.#membership,
      snapshotLogBytes: limits.snapshotLogBytes,
      neededFrom: () =>
        neededFrom({
          id,
          status: this.#core.status(),
          isAlive: (member) => this.#isAlive(member),
          ofTransfers: this.#sender.neededFrom(),
        }),
      isAlone: () => this.#membership.isOnlyVoter(id) && this.#membership.current.learners.length === 0,
      isReceiving: () => this.#receiver.isReceiving,
      onTaken: (meta) => {
        this.#core.use((core) => core.offerSnapshot(meta));
        onSnapshot?.(meta.index);
      },
      onWarning,
      onBeyondRepair: (error) => this.#fail(error),
      crashPoint: (point) => crashPoint?.(point),
    });
  }

  #createLoop(core: RaftCore, keeper: SnapshotKeeper, begun: Pick<Restart, "hardState" | "from">): ReadyLoop {
    const { log, snapshots, machine, ticker, onAppended, crashPoint } = this.#options;
    return new ReadyLoop({
      core,
      log,
      snapshots,
      machine,
      membership: this.#membership,
      keeper,
      ...begun,
      send: (message) => this.#send(message),
      gather: () => {
        this.#proposals.flush();
        this.#tellLeader();
      },
      onRead: (context, index) => this.#reads.confirmed(context, index),
      onApplied: (index) => {
        this.#changes.applied(index, null);
        this.#reads.applied(index);
      },
      onMembership: (index, change) => this.#membershipChanged(index, change),
      onAppended: (milliseconds) => onAppended?.(milliseconds / 1000),
      monotonicMs: () => ticker.monotonicMs(),
      crashPoint: (point) => crashPoint?.(point),
    });
  }

  #send(message: PeerMessage): void {
    const { transport, group, snapshots } = this.#options;
    if (message.snapshot !== null) {
      // Of a group that has just begun there is none on disk yet.
      this.#keeper?.want(message.snapshot.index);
      this.#sender.offered(message.to, message.snapshot.index);
    }
    if (isTooEarly(message, this.#membership, snapshots.latest()?.meta.index ?? 0)) return;
    transport.send(message.to, { kind: "raft", group, message });
  }

  #receive(from: NodeId, frame: PeerFrame): void {
    if (frame.group !== this.#options.group || !this.#core.isOpen) return;
    switch (frame.kind) {
      case "raft":
        this.#step(frame.message);
        return;
      case "proposal":
        this.#proposals.received(from, frame.payload);
        this.#loop?.kick();
        return;
      default:
        this.#calls.receive(from, frame);
    }
  }

  #unreachable(member: NodeId): void {
    this.#core.use((core) => core.reportUnreachable(member));
    this.#sender.unreachable(member);
  }

  /** The offer of a snapshot waits until its bytes are here; everything else is stepped as it comes. */
  #step(message: PeerMessage): void {
    const { snapshot } = message;
    if (snapshot === null) this.#core.use((core) => core.step(message));
    else if (snapshot.index <= this.#core.status().commit) this.#loop?.offer(message);
    else this.#receiver.offered(message);
  }

  #membershipChanged(index: LogIndex, change: MembershipChange | null): void {
    if (change === null) this.#options.onInstalled?.(index);
    else this.#changes.applied(index, change);
    this.#dialPeers();
    if (
      this.#loop !== null &&
      !this.#isStopping &&
      change?.kind === "remove" &&
      change.id === this.#options.id
    ) {
      this.#fail(removedError(this.#options.id));
    }
  }

  /** A removed node that is started again finds it in its own log. */
  #assertBelongs(): void {
    if (this.#membership.roster.removed.includes(this.#options.id)) throw removedError(this.#options.id);
  }

  #dialPeers(): void {
    this.#options.transport.setPeers(this.#acquaintances.reachable(this.#membership.addresses()));
  }

  #isAlive(id: NodeId): boolean {
    return id === this.#options.id || this.peers().some((peer) => peer.id === id && peer.isAlive);
  }

  #tick(): void {
    this.#core.use((core) => core.tick());
    this.#ticks += 1;
    if (this.#ticks % CHORE_TICKS !== 0 || this.#isStopping) return;
    this.#changes.chore();
    const { progress } = this.#core.status();
    this.#sender.settle((peer) => progress.get(peer)?.awaitsSnapshot === true);
  }

  #tellLeader(): void {
    const { leaderId } = this.#core.status();
    if (leaderId === this.#leaderId) return;
    this.#leaderId = leaderId;
    this.#options.onLeader?.(leaderId);
  }

  #fail(error: unknown): void {
    this.#isStopping = true;
    this.#core.stop();
    this.#stopTicks();
    this.#loop?.stop();
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#options.onFailed(error instanceof Error ? error : new Error(String(error)));
  }
}
