/** Drives a machine as replication would: one origin, sequences and indexes in order, a clock that tests move by hand. */
import type { Command } from "../../../src/commands/command.js";
import type { Applied, CommandResult, StoredMessage } from "../../../src/state-machine/effects.js";
import { Machine, type MachineOptions, type StateRecord } from "../../../src/state-machine/machine.js";
import { keepChanges, recordsOf } from "../../support/kept-records.js";

export const START_MS = 1_790_000_000_000;

export class Driver {
  machine: Machine;
  timeMs = START_MS;
  #index = 0;
  /** By node: its incarnation and its last sequence. */
  readonly #origins = new Map<string, { incarnation: number; sequence: number }>();
  readonly #records = new Map<string, Uint8Array>();
  readonly #options: MachineOptions;

  constructor(options: MachineOptions = {}) {
    this.#options = options;
    this.machine = new Machine(options);
  }

  /** Applies one envelope of these commands. */
  apply(...commands: Command[]): Applied {
    return this.applyFrom("1", ...commands);
  }

  /** Applies one envelope that this node proposed. */
  applyFrom(node: string, ...commands: Command[]): Applied {
    this.#index += 1;
    const origin = this.#origin(node);
    origin.sequence += 1;
    const { timeMs } = this;
    return this.machine.apply({ origin: node, ...origin, timeMs, commands }, this.#index);
  }

  /** What this node proposes from now on, it proposes after another start. */
  startAgain(node: string): void {
    const origin = this.#origin(node);
    origin.incarnation += 1;
    origin.sequence = 0;
  }

  /** The node's present start. */
  incarnationOf(node: string): number {
    return this.#origin(node).incarnation;
  }

  /** The result of one command, applied in an envelope of its own. */
  result(command: Command): CommandResult {
    return this.apply(command).results[0]!;
  }

  /** Moves what changed into the records, as a checkpoint does. Returns the keys, deleted ones with a minus. */
  checkpoint(): string[] {
    return keepChanges(this.machine, this.#records);
  }

  /** What the checkpoints left, ordered by key. */
  records(): StateRecord[] {
    return recordsOf(this.#records).sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Goes on with a machine loaded from the last checkpoint. */
  restart(options = this.#options): void {
    this.machine = Machine.load(this.records(), options);
  }

  #origin(node: string): { incarnation: number; sequence: number } {
    const known = this.#origins.get(node) ?? { incarnation: 1, sequence: 0 };
    this.#origins.set(node, known);
    return known;
  }
}

/** The messages of all append effects, in order. */
export function appended(applied: Applied): StoredMessage[] {
  return applied.effects.flatMap((effect) => (effect.kind === "append" ? effect.messages : []));
}

/** The effects in short: "+a" created, "-a" deleted, "a@3" a message of topic a at position 3. */
export function story(applied: Applied): string {
  const parts = applied.effects.map((effect) => {
    if (effect.kind === "topic-created") return `+${effect.topic.name}`;
    if (effect.kind === "topic-deleted") return `-${effect.topic.name}`;
    if (effect.kind !== "append") return `${effect.kind} ${effect.session}`;
    return `[${effect.messages.map(({ topic, position }) => `${topic.name}@${position}`).join(" ")}]`;
  });
  return parts.join(" ");
}
