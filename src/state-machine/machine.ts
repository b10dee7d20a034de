/**
 * The replicated state machine: envelopes in log order go in, results and effects come out, the same on every node. It reads
 * no clock, no random number and nothing outside; it performs nothing. The host keeps what `takeChanges` gives.
 */
import type { Command, Envelope, GenesisCommand } from "../commands/command.js";
import { assertInvariant } from "../errors.js";
import { EffectList } from "./effect-list.js";
import type { Applied, CommandResult, SessionOwner, StoredMessage } from "./effects.js";
import { RecordSetHash } from "./hash.js";
import { loadState } from "./load-state.js";
import { applyNodeDown, applyNodeUp } from "./node-commands.js";
import type { NodeUp } from "./nodes.js";
import { applyProgress, applyRelease } from "./progress-commands.js";
import { applyPublish } from "./publish.js";
import { RecordBatch, type StateChange } from "./record-batch.js";
import { encodeMeta, META_KEY, type StateRecord } from "./records.js";
import { applyClose, applyDisplace, applyOpen } from "./session-commands.js";
import { runDue } from "./session-lifecycle.js";
import type { Session } from "./session-view.js";
import { type MachineOptions, State } from "./state.js";
import { applySubscribe, applyUnsubscribe } from "./subscription-commands.js";
import { applyCreate, applyDelete, applyUpdate, DONE } from "./topic-commands.js";
import type { Topic } from "./topics.js";

export type { NodeUp } from "./nodes.js";
export type { StateChange } from "./record-batch.js";
export type { StateRecord } from "./records.js";
export type { MachineOptions } from "./state.js";
export type { Topic } from "./topics.js";

/** Records are hashed in portions of about this many bytes, so that a large state is never encoded at once. */
const HASH_CHUNK_BYTES = 1024 * 1024;
const STREAM_TAG = /^[a-z0-9]{4}$/;
const NOTHING: readonly never[] = Object.freeze([]);

/** For whoever shows numbers. */
export interface SessionCounts {
  readonly sessions: number;
  readonly connected: number;
  readonly subscriptions: number;
  readonly willsPublished: number;
  /** Wills that could not be published: a ceiling was reached, or the topic is none. */
  readonly willsDropped: number;
}

/** Shared subscriptions, for whoever shows numbers. */
export interface SharedCounts {
  readonly shares: number;
  /** Messages that members have not acknowledged, and those that wait for a member with room. */
  readonly held: number;
  readonly waiting: number;
  /** QoS 1 and 2: no room was left; or the session or the last subscription that they were for ended. */
  readonly lost: number;
  readonly ended: number;
  /** QoS 0, or nobody subscribed with more: nobody was there with room. */
  readonly unheard: number;
}

export class Machine {
  readonly #state: State;
  #appliedIndex = 0;
  /** The applied index of the last `takeChanges`. */
  #takenIndex = 0;

  constructor(options: MachineOptions = {}) {
    this.#state = new State(options);
  }

  /**
   * The machine as its records say (none: a new one). Keys that are not the machine's are passed over; values are copied.
   * Throws `FatalError` `store_corrupt`, or `store_version` when a newer release wrote them.
   */
  static load(records: Iterable<StateRecord>, options: MachineOptions = {}): Machine {
    const machine = new Machine(options);
    machine.#appliedIndex = loadState(machine.#state, records);
    machine.#takenIndex = machine.#appliedIndex;
    return machine;
  }

  /** Index of the last log entry that was applied or skipped; 0 before the first. */
  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  /** The log's time, milliseconds since 1970: the latest that any applied envelope brought. */
  get timeMs(): number {
    return this.#state.timeMs;
  }

  /** The stream's identity; "" before genesis. */
  get streamTag(): string {
    return this.#state.streamTag;
  }

  /** Position of the newest message; 0 before the first. */
  get head(): number {
    return this.#state.nextPosition - 1;
  }

  get topicCount(): number {
    return this.#state.topics.size;
  }

  /** Retained messages and their payload bytes, expired ones counted. */
  get retainedCount(): number {
    return this.#state.retained.count;
  }

  get retainedBytes(): number {
    return this.#state.retained.bytes;
  }

  get idempotencyKeyCount(): number {
    return this.#state.idempotency.size;
  }

  /**
   * Applies one committed envelope. A proposal that was applied before, or whose predecessor was not, changes nothing but the
   * applied index. Messages in the effects hold views of the envelope's payloads.
   */
  apply(envelope: Envelope, index: number): Applied {
    this.skip(index);
    const { origin, incarnation, sequence } = envelope;
    const state = this.#state;
    const outcome = state.origins.admit(origin, incarnation, sequence);
    if (outcome !== "applied") {
      return { origin, incarnation, sequence, outcome, results: NOTHING, effects: NOTHING };
    }
    if (envelope.timeMs > state.timeMs) state.timeMs = envelope.timeMs;
    state.idempotency.expire(state.timeMs);
    state.nodes.heard(origin, incarnation);
    const effects = new EffectList();
    runDue(state, effects);
    const results: CommandResult[] = [];
    for (const command of envelope.commands) results.push(applyCommand(state, command, envelope, effects));
    state.shares.settle(state.head, effects);
    return { origin, incarnation, sequence, outcome, results, effects: effects.finish() };
  }

  /** Takes note of a log entry without an envelope (a new leader's, a change of membership). */
  skip(index: number): void {
    assertInvariant(index > this.#appliedIndex, `entry ${index} comes after entry ${this.#appliedIndex}`);
    this.#appliedIndex = index;
  }

  topicByName(name: string): Topic | undefined {
    return this.#state.topics.byName(name);
  }

  topicById(id: number): Topic | undefined {
    return this.#state.topics.byId(id);
  }

  /** Every topic, in no particular order. */
  allTopics(): Iterable<Topic> {
    return this.#state.topics.all();
  }

  session(number: number): Session | undefined {
    return this.#state.sessions.byNumber(number);
  }

  sessionOf(clientId: string): Session | undefined {
    return this.#state.sessions.byClientId(clientId);
  }

  /** At most `limit` sessions whose number comes after `after`, in the order of their numbers. */
  sessions(after: number, limit: number): readonly Session[] {
    return this.#state.sessions.page(after, limit);
  }

  /** The sessions that are connected to this process, in no particular order. */
  sessionsAt({ node, incarnation }: SessionOwner): readonly Session[] {
    const known = this.#state.nodes.get(node);
    return known === undefined || known.owner.incarnation !== incarnation ? [] : [...known.sessions];
  }

  /** When the next will or the next end of a session is due; 0 for none. What is due happens with the next envelope. */
  nextDueMs(): number {
    return this.#state.sessions.nextDueMs();
  }

  /** The nodes that count as up, by name. */
  nodesUp(): readonly NodeUp[] {
    return this.#state.nodes.up();
  }

  /** Sessions, those that have a connection, subscriptions that stand; wills since this machine was made. */
  sessionCounts(): SessionCounts {
    const { sessions, counters } = this.#state;
    const { size, connected, subscriptions } = sessions;
    return { sessions: size, connected, subscriptions, ...counters };
  }

  /** Shared subscriptions: how many there are, messages that members hold and that wait; what was lost since this machine was made. */
  sharedCounts(): SharedCounts {
    const { shares } = this.#state;
    return { shares: shares.size, ...shares.counts };
  }

  /** What a node has to keep for shared subscriptions: everything that matches the filter, from the position on. */
  sharedHolds(): Iterable<{ readonly filter: string; readonly position: number }> {
    return this.#state.shares.holds();
  }

  /** The last proposal of a node that was applied; zeros when there is none. */
  lastProposalOf(origin: string): { readonly incarnation: number; readonly sequence: number } {
    return this.#state.origins.lastOf(origin);
  }

  /**
   * At most `limit` topics whose name starts with `prefix` and comes after the name `after`, in the order of UTF-16 code units.
   */
  listTopics(prefix: string, after: string | null, limit: number): readonly Topic[] {
    return this.#state.topics.page(prefix, after, limit);
  }

  /** The retained message of one topic; `undefined` when there is none or it is expired at `nowMs`. */
  retained(topicName: string, nowMs: number): StoredMessage | undefined {
    const topic = this.#state.topics.byName(topicName);
    return topic === undefined ? undefined : this.#state.retained.get(topic.id, nowMs);
  }

  /** The retained messages whose topic name passes, in position order; those expired at `nowMs` are left out. */
  retainedMatching(accepts: (topicName: string) => boolean, nowMs: number): StoredMessage[] {
    return this.#state.retained.matching(accepts, nowMs);
  }

  /**
   * What changed since the last call, one change a key, to be kept in one transaction; none when nothing was applied. Each
   * change is given once: a host that cannot keep it has to stop, or to keep it with the next.
   */
  takeChanges(): readonly StateChange[] {
    if (this.#takenIndex === this.#appliedIndex) return NOTHING;
    this.#takenIndex = this.#appliedIndex;
    const out = new RecordBatch();
    const { topics, retained, idempotency, origins, sessions, nodes, shares } = this.#state;
    this.#writeMeta(out, this.#appliedIndex);
    topics.writeChanges(out);
    retained.writeChanges(out);
    idempotency.writeChanges(out);
    origins.writeChanges(out);
    sessions.writeChanges(out);
    nodes.writeChanges(out);
    shares.writeChanges(out);
    return out.take();
  }

  /**
   * Sixteen hexadecimal digits that are the same for the same state, however it came about. The applied index is not part of
   * it: entries that change nothing do not change the hash. Walks the whole state.
   */
  stateHash(): string {
    const hash = new RecordSetHash();
    const addAll = (changes: readonly StateChange[]): void => {
      for (const { key, value } of changes) if (value !== null) hash.add(key, value);
    };
    const out = new RecordBatch(HASH_CHUNK_BYTES, addAll);
    const { topics, retained, idempotency, origins, sessions, nodes, shares } = this.#state;
    this.#writeMeta(out, 0);
    topics.writeAll(out);
    retained.writeAll(out);
    idempotency.writeAll(out);
    origins.writeAll(out);
    sessions.writeAll(out);
    nodes.writeAll(out);
    shares.writeAll(out);
    addAll(out.take());
    return hash.digest();
  }

  #writeMeta(out: RecordBatch, appliedIndex: number): void {
    const { timeMs, nextPosition, streamTag, topics, idempotency, sessions, nextSource } = this.#state;
    encodeMeta(out.writer, {
      appliedIndex,
      timeMs,
      nextPosition,
      nextTopicId: topics.nextId,
      nextIdempotencyNumber: idempotency.nextNumber,
      streamTag,
      nextSessionNumber: sessions.nextNumber,
      nextSource,
    });
    out.put(META_KEY);
  }
}

/** One command on the state. What it cannot do is a result. */
function applyCommand(
  state: State,
  command: Command,
  envelope: Envelope,
  effects: EffectList,
): CommandResult {
  switch (command.kind) {
    case "publish":
      return applyPublish(state, command, effects);
    case "create-topic":
      return applyCreate(state, command, effects);
    case "update-topic":
      return applyUpdate(state, command);
    case "delete-topic":
      return applyDelete(state, command, effects);
    case "genesis":
      return applyGenesis(state, command);
    case "open-session":
      return applyOpen(state, command, envelope, effects);
    case "close-session":
      return applyClose(state, command, effects);
    case "displace-session":
      return applyDisplace(state, command, effects);
    case "subscribe":
      return applySubscribe(state, command);
    case "unsubscribe":
      return applyUnsubscribe(state, command);
    case "release":
      return applyRelease(state, command);
    case "progress":
      return applyProgress(state, command);
    case "node-up":
      return applyNodeUp(state, command, envelope, effects);
    case "node-down":
      return applyNodeDown(state, command, effects);
    case "tick":
      return DONE;
  }
}

/** The first genesis gives the stream its identity, for ever. */
function applyGenesis(state: State, command: GenesisCommand): CommandResult {
  if (!STREAM_TAG.test(command.streamTag)) {
    return { kind: "failed", code: "invalid_request", detail: "a stream tag is four of a-z and 0-9" };
  }
  if (state.streamTag === "") state.streamTag = command.streamTag;
  return DONE;
}
