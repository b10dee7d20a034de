/**
 * The state machine as replication sees it: decodes a committed entry, applies it to the pure machine, appends its messages to
 * the store and passes its effects on. Every half second what is applied becomes durable by itself (a checkpoint), so that
 * a restart replays little and the log can be compacted.
 */
import { ClusterError } from "../../cluster/errors.js";
import type { SnapshotSource } from "../../cluster/log/snapshot-store.js";
import type { CommittedEntry, PinnedState, StateMachine } from "../../cluster/state-machine.js";
import { decodeEnvelope } from "../commands/codec.js";
import { asError, assertInvariant, FatalError } from "../errors.js";
import type { Applied, Effect } from "../state-machine/effects.js";
import { Machine } from "../state-machine/machine.js";
import type { MessageStore, StoreMark } from "../store/message-store.js";
import type { StateStore } from "../store/state-store.js";
import { readStateFile, STATE_FILE, writeStateFile } from "./state-file.js";

export interface ReplicaOptions {
  readonly stateStore: StateStore;
  readonly messageStore: MessageStore;
  /** Called in log order, synchronously, before `onApplied` of the same entry. */
  readonly onEffect: (effect: Effect) => void;
  readonly onApplied: (applied: Applied) => void;
  /** A snapshot replaced the whole state, which was `before`: what lies between the two came by no effect. */
  readonly onRestored?: (before: Machine) => void;
  /** A checkpoint could not be written: the node must stop. Called once. */
  readonly onBroken: (error: Error) => void;
}

/** The store's mark lives beside the machine's records; no record of the machine has this key. */
const MARK_KEY = "mark";
const EMPTY_MARK: StoreMark = { segment: 0, bytes: 0, position: 0 };
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

export class Replica implements StateMachine {
  readonly #options: ReplicaOptions;
  #machine: Machine;
  #durableIndex = 0;
  #mark = EMPTY_MARK;
  /** Applied since the last checkpoint began. */
  #dirty = false;
  /** A checkpoint failed: its changes are not on disk, so no later one may pretend they are. */
  #broken: Error | null = null;
  /** Checkpoints and pins come one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.#machine = Machine.load([]);
  }

  /** Loads what the last checkpoint left. Throws `directory_locked`, `store_corrupt`, `store_version`. */
  async open(): Promise<void> {
    await this.#options.stateStore.open();
    this.#load();
    await this.#openMessages();
  }

  /** The state for queries. Another object after a snapshot was installed: do not keep it. */
  get machine(): Machine {
    return this.#machine;
  }

  get durableIndex(): number {
    return this.#durableIndex;
  }

  get appliedIndex(): number {
    return this.#machine.appliedIndex;
  }

  apply(entries: readonly CommittedEntry[]): void {
    const machine = this.#machine;
    for (const { index, data } of entries) {
      if (data.byteLength === 0) {
        machine.skip(index);
        continue;
      }
      const applied = machine.apply(decodeEnvelope(data), index);
      for (const effect of applied.effects) this.#perform(effect);
      this.#options.onApplied(applied);
    }
    this.#dirty = true;
  }

  canRead(data: Uint8Array): boolean {
    // No command at all is the leader's own entry, and never a proposal.
    if (data.byteLength === 0) return false;
    try {
      decodeEnvelope(data);
      return true;
    } catch (error) {
      if (error instanceof FatalError) return false;
      throw error;
    }
  }

  /** Makes what is applied now durable; does nothing when nothing was applied since the last time. */
  checkpoint(): Promise<void> {
    return this.#inTurn(() => this.#checkpoint());
  }

  pin(): Promise<PinnedState> {
    return this.#inTurn(async () => {
      await this.#checkpoint();
      const { stateStore, messageStore } = this.#options;
      const view = stateStore.view();
      const letGo = messageStore.hold();
      const files = messageStore.files(this.#mark);
      return {
        index: this.#durableIndex,
        async write(sink) {
          await writeStateFile(view, sink);
          for (const { name, path, bytes } of files) {
            const from = await sink.link(name, path, bytes);
            // After the checksum of the snapshot was made: no damage comes between the two.
            await messageStore.check({ name, path, from, bytes });
          }
        },
        release() {
          view.release();
          letGo();
        },
      };
    });
  }

  restore(source: SnapshotSource): Promise<void> {
    return this.#inTurn(async () => {
      const { stateStore, messageStore } = this.#options;
      const before = this.#machine;
      const files = source.files.filter((file) => file.name !== STATE_FILE);
      await messageStore.replace(
        files,
        (name, offset, length) => source.read(name, offset, length),
        (name, path) => source.linkTo(name, path),
      );
      await stateStore.replace(readStateFile(source));
      this.#load();
      if (this.#durableIndex !== source.meta.index) {
        throw new ClusterError(
          "snapshot_corrupt",
          `the snapshot says entry ${source.meta.index}, its state says ${this.#durableIndex}`,
        );
      }
      await this.#openMessages();
      this.#dirty = false;
      this.#options.onRestored?.(before);
    });
  }

  /** A last checkpoint, then the stores are closed. */
  async close(): Promise<void> {
    await this.checkpoint();
    await this.abort();
  }

  /** Closes the stores as they are (the node has failed: nothing may be made durable any more). */
  async abort(): Promise<void> {
    await this.#options.messageStore.close();
    await this.#options.stateStore.close();
  }

  #load(): void {
    const records: { readonly key: string; readonly value: Uint8Array }[] = [];
    this.#mark = EMPTY_MARK;
    for (const record of this.#options.stateStore.load()) {
      if (record.key === MARK_KEY) this.#mark = JSON.parse(DECODER.decode(record.value));
      else records.push(record);
    }
    this.#machine = Machine.load(records);
    this.#durableIndex = this.#machine.appliedIndex;
  }

  /** Cut back to the mark, the store ends where the state says that the stream ends. */
  async #openMessages(): Promise<void> {
    const { messageStore } = this.#options;
    await messageStore.open(this.#mark, (id) => this.#machine.topicById(id)?.ref);
    assertInvariant(
      messageStore.lastPosition === this.#machine.head,
      "the store ends elsewhere than the state",
    );
  }

  #perform(effect: Effect): void {
    const { messageStore, onEffect } = this.#options;
    if (effect.kind === "append") messageStore.append(effect.messages);
    if (effect.kind === "topic-deleted") messageStore.forget(effect.topic.id);
    onEffect(effect);
  }

  #inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /**
   * The changes and the mark are taken in the same breath, so that both stand at the same entry; the messages are on disk
   * before the transaction that says so.
   */
  async #checkpoint(): Promise<void> {
    if (this.#broken !== null) throw this.#broken;
    if (!this.#dirty) return;
    try {
      await this.#writeCheckpoint();
    } catch (error) {
      this.#broken = asError(error);
      this.#options.onBroken(this.#broken);
      throw this.#broken;
    }
  }

  async #writeCheckpoint(): Promise<void> {
    this.#dirty = false;
    const { stateStore, messageStore } = this.#options;
    const index = this.#machine.appliedIndex;
    const changes = this.#machine.takeChanges();
    const mark = await messageStore.sync();
    assertInvariant(mark.position <= messageStore.lastPosition, "the store's mark is beyond its messages");
    await stateStore.commit([...changes, { key: MARK_KEY, value: ENCODER.encode(JSON.stringify(mark)) }]);
    this.#mark = mark;
    this.#durableIndex = index;
  }
}
