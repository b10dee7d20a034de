/**
 * One life of a node, from its start to its crash or stop: the production code, wired as src/node.ts wires it, over simulated
 * ports. Nothing that it does after its end is heard of.
 */

import type { Duplex } from "node:stream";
import { ClusterError } from "../../cluster/errors.js";
import type { LogStore } from "../../cluster/log/log-store.js";
import type { RaftNode } from "../../cluster/node.js";
import type { Command } from "../../src/commands/command.js";
import type { LogClock } from "../../src/commands/log-clock.js";
import { type Done, Submitter } from "../../src/commands/submit.js";
import type { MqttEdge } from "../../src/edges/mqtt/server.js";
import { EventIds } from "../../src/replica/event-id.js";
import { Housekeeping } from "../../src/replica/housekeeping.js";
import { LocalBroker } from "../../src/replica/local-broker.js";
import type { Presence } from "../../src/replica/presence.js";
import { Replica } from "../../src/replica/replica.js";
import { SessionEvents } from "../../src/replica/session-events.js";
import type { Timekeeper } from "../../src/replica/timekeeper.js";
import { topicsOf } from "../../src/replica/topic-directory.js";
import { seededRandom } from "../../src/runtime/random.js";
import type { Effect } from "../../src/state-machine/effects.js";
import type { MessageStore } from "../../src/store/message-store.js";
import { TopicBrokers } from "../../src/topics/registry.js";
import type { Scope } from "./event-queue.js";
import { isAlone } from "./profile.js";
import type { Proposals } from "./seams.js";
import type { Host } from "./setting.js";
import type { SimClock } from "./sim-clock.js";
import type { SimDisk } from "./sim-disk.js";
import { createSimEdge } from "./sim-edge.js";
import { createSimPresence } from "./sim-presence.js";
import { createSimRaft, GROUP } from "./sim-raft.js";
import { createSimLogClock, createSimTimekeeper } from "./sim-time.js";
import { Crashed } from "./world.js";

const POLL_MS = 2;
const DAY_MS = 86_400_000;
const PLENTY = 1 << 30;
const NO_STATUS = { leaderId: "", term: 0, commitIndex: 0, appliedIndex: 0, members: [] } as const;
const SILENT = { observe: () => undefined };

/** A node that is told one of these stops, and says so. */
const EXPELLING: ReadonlySet<string> = new Set(["member_removed", "member_wiped"]);

export class Life {
  readonly scope: Scope;
  readonly clock: SimClock;
  readonly disk: SimDisk;
  readonly replica: Replica;
  readonly store: MessageStore;
  readonly raft: RaftNode;
  /** Its clients may use it. */
  isServing = false;
  /** Restores that began and restores that are over: odd while a snapshot replaces the state. */
  restores = 0;
  readonly broker: LocalBroker;
  readonly #host: Host;
  readonly #log: LogStore;
  readonly #brokers: TopicBrokers;
  readonly #housekeeping: Housekeeping;
  readonly #proposals: Proposals;
  readonly #submitter: Submitter;
  readonly #sessions: SessionEvents;
  readonly #presence: Presence;
  readonly #mqtt: MqttEdge;
  readonly #logClock: LogClock;
  readonly #timekeeper: Timekeeper;
  #isStopping = false;

  constructor(host: Host) {
    this.#host = host;
    this.scope = host.scope;
    this.clock = host.clock;
    this.disk = host.disk;
    const { seams, profile } = host.setting;
    this.#proposals = seams.proposals();
    this.store = seams.messageStore(host.disk);
    this.replica = new Replica({
      stateStore: seams.stateStore(host.disk),
      messageStore: this.store,
      onEffect: (effect) => this.#onEffect(effect),
      onApplied: (applied) => {
        const heard = this.#proposals.applied(applied);
        if (heard !== null) this.#submitter.applied(heard);
      },
      onRestored: (before) => {
        const { incarnation, sequence } = this.replica.machine.lastProposalOf(host.id);
        this.#submitter.restored(incarnation, sequence);
        this.#brokers.restored(topicsOf(() => before));
        this.#sessions.restored(before, this.replica.machine);
      },
      onBroken: (error) => this.#fail(error),
    });
    this.#logClock = createSimLogClock(host.clock, this.replica);
    this.#brokers = this.#createBrokers();
    const { log, machine } = seams.consensus(seams.log(host.disk), this.replica);
    this.#log = log;
    this.raft = createSimRaft(host, {
      log,
      machine,
      onFailed: (error) => this.#fail(error),
      onRestore: () => {
        this.restores += 1;
      },
      onLeader: () => this.#submitter.proposeAgain(),
    });
    this.#housekeeping = new Housekeeping({
      replica: this.replica,
      store: this.store,
      clock: this.#logClock,
      checkpointPeriodMs: profile.checkpointPeriodMs,
      retentionPeriodMs: profile.retentionPeriodMs,
      retention: { ageMs: DAY_MS, bytes: profile.retentionBytes, heldBytes: PLENTY },
      onSessionLoss: (loss) => host.setting.world.fail(`sessions lose ${JSON.stringify(loss)}`),
      onFailed: (error) => this.#fail(error),
    });
    this.#submitter = this.#createSubmitter();
    this.#sessions = new SessionEvents(host.id, () => host.incarnation);
    this.#presence = createSimPresence({
      nodeId: host.id,
      replica: this.replica,
      raft: this.raft,
      submitter: this.#submitter,
      goneAfterMs: profile.goneAfterMs,
      clock: this.#logClock,
    });
    this.#timekeeper = createSimTimekeeper(this.#logClock, this.replica, this.raft, this.#submitter);
    this.broker = this.#createBroker();
    this.#mqtt = createSimEdge({
      broker: this.broker,
      clock: this.clock,
      random: seededRandom(Math.floor(host.random() * 2 ** 31)),
      onError: (text, error) => {
        if (!host.explains(error)) host.setting.world.fail(`node ${host.id}: ${text}`);
      },
    });
  }

  get isAlone(): boolean {
    return isAlone(this.#host.setting.profile);
  }

  get commandsWaiting(): number {
    return this.#submitter.pendingCommands;
  }

  /** Resolves when it serves; rejects as the production code does. */
  async start(): Promise<void> {
    const { listensFirst, origin } = this.#host;
    await this.replica.open();
    if (listensFirst) await this.raft.listen();
    await this.raft.start(await origin());
    if (!listensFirst) await this.raft.listen();
    await this.#untilServing();
    await this.#housekeeping.start();
    await this.#mqtt.start();
    this.isServing = true;
  }

  get id(): string {
    return this.#host.id;
  }

  /** Whether what was done to its node's disk is why something failed. */
  explains(error: unknown): boolean {
    return this.#host.explains(error);
  }

  /** A client of MQTT connects. */
  attach(stream: Duplex): void {
    this.#mqtt.attach(stream, "client");
  }

  submit(command: Command, done: Done): void {
    this.broker.submit(command, (result) => {
      if (this.scope.alive) done(result);
    });
  }

  /** See `RaftNode.barrier`. */
  barrier(): Promise<void> {
    return this.#host.setting.seams.barrier(this.raft);
  }

  /** As a SIGTERM does it: another one leads first, what waits for commit is answered first, then everything is closed in order. */
  async stop(): Promise<void> {
    this.isServing = false;
    this.#mqtt.stopAccepting();
    await this.raft.handOver();
    await this.#committed();
    this.#brokers.flushNow();
    await this.#mqtt.stop();
    this.#isStopping = true;
    await this.#committed();
    this.#presence.stop();
    this.#timekeeper.stop();
    await this.#housekeeping.stop();
    await this.raft.stop();
    this.#submitter.abandon("shutting_down");
    this.#brokers.stop();
    await this.replica.close();
    await this.#log.close();
  }

  async #committed(): Promise<void> {
    for (let waits = 0; waits < 50 && this.commandsWaiting > 0; waits += 1) await this.clock.sleep(POLL_MS);
  }

  #fail(error: Error): void {
    if (!this.scope.alive || error instanceof Crashed) return;
    if (error instanceof ClusterError && EXPELLING.has(error.code)) {
      this.#host.onExpelled(error.code);
      return;
    }
    if (this.#host.explains(error)) {
      this.#host.onDiskFailed(error);
      return;
    }
    this.#host.setting.world.fail(`node ${this.#host.id} stopped by itself: ${error.message}`);
  }

  #onEffect(effect: Effect): void {
    if (!this.scope.alive) throw new Crashed();
    const { ledger } = this.#host.setting;
    const who = `node ${this.#host.id}`;
    if (effect.kind === "append") {
      for (const message of effect.messages) ledger.observe(who, message);
      this.#brokers.publish(effect.messages);
    } else if (effect.kind === "topic-created") this.#brokers.topicCreated(effect.topic);
    else if (effect.kind === "topic-deleted") {
      ledger.deleted(effect.topic);
      this.#brokers.topicDeleted(effect.topic);
    } else this.#sessions.happened(effect);
  }

  #createBrokers(): TopicBrokers {
    const { replica, store } = this;
    return new TopicBrokers({
      store,
      topics: topicsOf(() => replica.machine),
      clock: this.clock,
      head: () => store.lastPosition,
      metrics: { deliverySeconds: SILENT },
      onError: (error) => {
        // A read that fails costs the subscriber its stream, not the node its life.
        if (!this.#host.explains(error))
          this.#fail(error instanceof Error ? error : new Error(String(error)));
      },
      limits: this.#host.setting.profile.fanout,
    });
  }

  #createSubmitter(): Submitter {
    const { id, setting } = this.#host;
    return new Submitter({
      origin: id,
      incarnation: () => this.#host.incarnation,
      propose: (payload) => this.#proposals.propose(payload, (bytes) => this.raft.propose(bytes)),
      refusal: () => (this.#isStopping ? "shutting_down" : null),
      clock: this.#logClock,
      publishSeconds: SILENT,
      limits: setting.profile.submit,
    });
  }

  #createBroker(): LocalBroker {
    let eventIds: EventIds | null = null;
    return new LocalBroker({
      replica: this.replica,
      store: this.store,
      brokers: this.#brokers,
      submitter: this.#submitter,
      sessions: this.#sessions,
      presence: this.#presence,
      eventIds: () => {
        eventIds ??= new EventIds(GROUP, this.replica.machine.streamTag);
        return eventIds;
      },
      readiness: () => ({ ready: true }),
      status: () => ({ ...NO_STATUS, nodeId: this.#host.id }),
      nowMs: () => this.#logClock.nowMs(),
      historyBytesMax: 1 << 20,
      topicsMax: 1_000,
    });
  }

  async #untilServing(): Promise<void> {
    const { raft, replica } = this;
    while (replica.machine.streamTag === "") {
      if (raft.changes.isFounded) await this.#genesis();
      else await this.clock.sleep(this.#host.setting.profile.tickMs / 5);
    }
    while (!(await this.#isCaughtUp()));
    await this.#timekeeper.start();
    await this.#presence.announce("");
    this.#presence.start();
  }

  async #isCaughtUp(): Promise<boolean> {
    try {
      await this.raft.barrier();
      return true;
    } catch (error) {
      if (error instanceof ClusterError && error.code === "no_leader") return false;
      throw error;
    }
  }

  #genesis(): Promise<void> {
    const command = { kind: "genesis", streamTag: this.#host.streamTag() } as const;
    return new Promise((resolve) => this.#submitter.submit(command, () => resolve()));
  }
}
