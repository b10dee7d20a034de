/**
 * One life of a node, from its start to its crash or stop: the production code, wired as src/node.ts wires it, over simulated
 * ports. Nothing that it does after its end is heard of.
 */
import type { LogStore } from "../../cluster/log/log-store.js";
import { type CrashPoint, RaftNode } from "../../cluster/node.js";
import type { StateMachine } from "../../cluster/state-machine.js";
import type { Command } from "../../src/commands/command.js";
import { type Done, Submitter } from "../../src/commands/submit.js";
import { EventIds } from "../../src/replica/event-id.js";
import { Housekeeping } from "../../src/replica/housekeeping.js";
import { LocalBroker } from "../../src/replica/local-broker.js";
import { Replica } from "../../src/replica/replica.js";
import type { Effect } from "../../src/state-machine/effects.js";
import type { MessageStore } from "../../src/store/message-store.js";
import { TopicBrokers } from "../../src/topics/registry.js";
import type { Scope } from "./event-queue.js";
import type { History } from "./history.js";
import type { Ledger } from "./ledger.js";
import type { Profile } from "./profile.js";
import type { Proposals, Seams } from "./seams.js";
import type { SimClock } from "./sim-clock.js";
import type { SimDisk } from "./sim-disk.js";
import type { SimNetwork } from "./sim-network.js";
import { SimSnapshotStore } from "./sim-stores.js";
import { Crashed, type World } from "./world.js";

const GROUP = 0;
const POLL_MS = 2;
const DAY_MS = 86_400_000;
const RAFT_TICKS = { electionTicks: 10, heartbeatTicks: 1 } as const;
const SILENT = { observe: () => undefined };

/** What all lives of all nodes have in common. */
export interface Setting {
  readonly world: World;
  readonly profile: Profile;
  readonly seams: Seams;
  readonly network: SimNetwork;
  readonly history: History;
  readonly ledger: Ledger;
}

/** What a life knows of its node. */
export interface Host {
  readonly id: string;
  readonly setting: Setting;
  readonly scope: Scope;
  readonly clock: SimClock;
  readonly disk: SimDisk;
  readonly tag: (length: number) => string;
  readonly random: () => number;
  /** May end the life. */
  readonly onCrashPoint: (point: CrashPoint) => void;
}

export class Life {
  readonly scope: Scope;
  readonly clock: SimClock;
  readonly disk: SimDisk;
  readonly replica: Replica;
  readonly store: MessageStore;
  readonly raft: RaftNode;
  /** Its clients may use it. */
  isServing = false;
  broker: LocalBroker;
  readonly #host: Host;
  readonly #log: LogStore;
  readonly #brokers: TopicBrokers;
  readonly #housekeeping: Housekeeping;
  readonly #proposals: Proposals;
  #submitter: Submitter;
  /** The term for which this submitter was made; a lone voter keeps its first. */
  #submitterTerm = 0;
  #incarnation = 0;
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
        if (heard !== null && (this.isAlone || this.#submitterTerm > 0)) this.#submitter.applied(heard);
      },
      onBroken: (error) => this.#fail(error),
    });
    this.#brokers = this.#createBrokers();
    const { log, machine } = seams.consensus(seams.log(host.disk), this.replica);
    this.#log = log;
    this.raft = this.#createRaft(log, machine);
    this.#housekeeping = new Housekeeping({
      replica: this.replica,
      store: this.store,
      clock: host.clock,
      checkpointPeriodMs: profile.checkpointPeriodMs,
      retentionPeriodMs: profile.retentionPeriodMs,
      retention: { ageMs: DAY_MS, bytes: profile.retentionBytes },
      onFailed: (error) => this.#fail(error),
    });
    this.#submitter = this.#createSubmitter();
    this.broker = this.#createBroker();
  }

  get isAlone(): boolean {
    return this.#host.setting.profile.voters.length === 1;
  }

  /** Whether commands may be given to it. */
  get takesCommands(): boolean {
    return this.isServing && (this.isAlone || this.#submitterTerm > 0);
  }

  get commandsWaiting(): number {
    return this.#submitter.pendingCommands;
  }

  /** Resolves when it serves; rejects as the production code does. */
  async start(): Promise<void> {
    await this.replica.open();
    await this.raft.start();
    if (this.isAlone) await this.#untilServing();
    else this.clock.every(this.#host.setting.profile.tickMs, () => this.#watchLeadership());
    await this.#housekeeping.start();
    this.isServing = true;
  }

  submit(command: Command, done: Done): void {
    this.broker.submit(command, (result) => {
      if (this.scope.alive) done(result);
    });
  }

  /** As a SIGTERM does it: what waits for commit is answered first, then everything is closed in order. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (let waits = 0; waits < 50 && this.commandsWaiting > 0; waits += 1) await this.clock.sleep(POLL_MS);
    this.#brokers.flushNow();
    this.isServing = false;
    await this.#housekeeping.stop();
    await this.raft.stop();
    this.#submitter.abandon("shutting_down");
    this.#brokers.stop();
    await this.replica.close();
    await this.#log.close();
  }

  #fail(error: Error): void {
    if (!this.scope.alive || error instanceof Crashed) return;
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
    else {
      ledger.deleted(effect.topic);
      this.#brokers.topicDeleted(effect.topic);
    }
  }

  #createBrokers(): TopicBrokers {
    const { replica, store } = this;
    return new TopicBrokers({
      store,
      topics: {
        byName: (name) => replica.machine.topicByName(name)?.ref,
        byId: (id) => replica.machine.topicById(id)?.ref,
        all: () => replica.machine.allTopics(),
      },
      clock: this.clock,
      head: () => store.lastPosition,
      metrics: { deliverySeconds: SILENT },
      onError: (error) => this.#fail(error instanceof Error ? error : new Error(String(error))),
      limits: this.#host.setting.profile.fanout,
    });
  }

  #createRaft(log: LogStore, machine: StateMachine): RaftNode {
    const { id, setting, scope, disk, random, onCrashPoint } = this.#host;
    const { world, profile, history, network } = setting;
    return new RaftNode({
      id,
      initialVoters: profile.voters,
      log,
      snapshots: new SimSnapshotStore(disk),
      machine: recorded(machine, (entry) => {
        if (!scope.alive) throw new Crashed();
        history.applied(id, entry);
      }),
      transport: network.join(id, scope),
      group: GROUP,
      ticker: this.clock,
      random,
      limits: {
        ...RAFT_TICKS,
        tickMs: profile.tickMs,
        messageBytesMax: profile.messageBytesMax,
        applyBytesMax: profile.applyBytesMax,
        uncommittedBytesMax: 1 << 26,
        inflightMessagesMax: 16,
        snapshotLogBytes: profile.snapshotLogBytes,
      },
      onWarning: (facts, text) => {
        if (!scope.alive) return;
        world.tell(`n${id}`, text);
        if ("error" in facts) world.fail(`node ${id} warned: ${text}: ${String(facts.error)}`);
      },
      onFailed: (error) => this.#fail(error),
      onSnapshot: (index) => {
        world.counts.snapshots += 1;
        world.tell(`n${id}`, `snapshot at entry ${index}`);
      },
      crashPoint: onCrashPoint,
    });
  }

  #createSubmitter(): Submitter {
    const { id, setting } = this.#host;
    return new Submitter({
      origin: id,
      incarnation: () => {
        const known = this.replica.machine.incarnationOf(id);
        this.#incarnation = Math.max(this.clock.nowMs(), known + 1, this.#incarnation + 1);
        return this.#incarnation;
      },
      propose: (payload) => this.#proposals.propose(payload, (bytes) => this.raft.propose([bytes])),
      refusal: () => (this.#isStopping ? "shutting_down" : null),
      clock: this.clock,
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
      eventIds: () => {
        eventIds ??= new EventIds(GROUP, this.replica.machine.streamTag);
        return eventIds;
      },
      readiness: () => ({ ready: true }),
      status: () => {
        throw new Error("nobody asks");
      },
      nowMs: () => this.clock.nowMs(),
      historyBytesMax: 1 << 20,
      topicsMax: 1_000,
    });
  }

  async #untilServing(): Promise<void> {
    const { raft, replica } = this;
    while (raft.status().role !== "leader" || raft.status().applied < raft.status().commit) {
      await this.clock.sleep(POLL_MS);
    }
    while (replica.machine.streamTag === "") await this.#genesis();
  }

  #genesis(): Promise<void> {
    const command = { kind: "genesis", streamTag: this.#host.tag(4) } as const;
    return new Promise((resolve) => this.#submitter.submit(command, () => resolve()));
  }

  /**
   * With several voters a submitter lives as long as one leadership: what a lost leader had proposed is unknown. A new one begins
   * when everything before it is applied, so that its incarnation is above all earlier ones.
   */
  #watchLeadership(): void {
    const { role, term, applied, commit } = this.raft.status();
    const leads = role === "leader" && applied === commit && this.#log.term(applied) === term;
    if (this.#submitterTerm > 0 && (role !== "leader" || term !== this.#submitterTerm)) {
      this.#submitterTerm = 0;
      this.#submitter.abandon("shutting_down");
    }
    if (!leads || this.#submitterTerm > 0 || this.#isStopping) return;
    this.#submitter = this.#createSubmitter();
    this.broker = this.#createBroker();
    this.#submitterTerm = term;
    if (this.replica.machine.streamTag === "") void this.#genesis();
  }
}

/** The machine, with everything that is applied told to the history first. */
function recorded(
  machine: StateMachine,
  tell: (entry: Parameters<StateMachine["apply"]>[0][number]) => void,
): StateMachine {
  return {
    get durableIndex() {
      return machine.durableIndex;
    },
    apply(entries) {
      for (const entry of entries) tell(entry);
      machine.apply(entries);
    },
    pin: () => machine.pin(),
    restore: (source) => machine.restore(source),
  };
}
