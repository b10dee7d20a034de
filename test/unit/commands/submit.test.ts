/** The proposer: batches while one is in flight, answers in order, refuses what is too much. */
import { beforeEach, describe, expect, test } from "vitest";
import { decodeEnvelope } from "../../../src/commands/codec.js";
import type { Command } from "../../../src/commands/command.js";
import { Submitter, type SubmitterOptions } from "../../../src/commands/submit.js";
import type { ErrorCode } from "../../../src/errors.js";
import type { Clock } from "../../../src/runtime/clock.js";
import { Machine } from "../../../src/state-machine/machine.js";

/** Tasks wait until the script lets them run. */
class ScriptedClock implements Clock {
  tasks: (() => void)[] = [];
  nowMs = (): number => 1_000;
  monotonicMs = (): number => 0;
  after = (_delayMs: number, task: () => void): (() => void) => this.soon(task);
  every = (): (() => void) => () => undefined;

  soon(task: () => void): () => void {
    this.tasks.push(task);
    return () => {
      this.tasks = this.tasks.filter((each) => each !== task);
    };
  }

  run(): void {
    const tasks = this.tasks;
    this.tasks = [];
    for (const task of tasks) task();
  }
}

function publish(text: string, topic = "t"): Command {
  const payload = Buffer.from(text);
  return {
    kind: "publish",
    topic,
    autoCreate: true,
    idempotency: null,
    publisher: 0,
    receipt: null,
    messages: [
      { payload, contentType: "", qos: 1, retain: false, expiresAtMs: 0, properties: new Uint8Array(0) },
    ],
  };
}

describe("Submitter", () => {
  let clock: ScriptedClock;
  let machine: Machine;
  let proposed: Uint8Array[];
  let takes: boolean;
  let refusal: ErrorCode | null;
  let answers: string[];
  let index: number;

  beforeEach(() => {
    clock = new ScriptedClock();
    machine = new Machine();
    proposed = [];
    takes = true;
    refusal = null;
    answers = [];
    index = 1;
  });

  function create(limits: Partial<SubmitterOptions["limits"]> = {}): Submitter {
    return new Submitter({
      origin: "1",
      incarnation: () => 7,
      propose: (payload) => {
        if (takes) proposed.push(payload);
        return takes;
      },
      refusal: () => refusal,
      clock,
      publishSeconds: { observe: () => undefined },
      limits: {
        proposalBytesTarget: 1_000,
        proposalsInFlightMax: 2,
        submitBytesMax: 10_000,
        submitCommandsMax: 1_000,
        submitPatienceMs: 10_000,
        ...limits,
      },
    });
  }

  function submit(submitter: Submitter, text: string): void {
    submitter.submit(publish(text), (result) => {
      answers.push(
        result.kind === "published" ? `${text}@${result.firstOffset}` : `${text}:${describeFailure(result)}`,
      );
    });
  }

  function describeFailure(result: { kind: string; code?: string }): string {
    return result.code ?? result.kind;
  }

  /** The oldest proposal commits and is applied here. */
  function commit(submitter: Submitter): void {
    const payload = proposed.shift();
    if (payload === undefined) throw new Error("nothing was proposed");
    index += 1;
    submitter.applied(machine.apply(decodeEnvelope(payload), index));
  }

  const payloadsOf = (bytes: Uint8Array | undefined): string[] =>
    decodeEnvelope(bytes ?? new Uint8Array()).commands.flatMap((command) =>
      command.kind === "publish"
        ? command.messages.map(({ payload }) => Buffer.from(payload).toString())
        : [],
    );

  test("commands that arrive together are proposed together, after what is readable was read", () => {
    const submitter = create();
    submit(submitter, "a");
    submit(submitter, "b");
    expect(proposed).toEqual([]);
    clock.run();
    expect(proposed).toHaveLength(1);
    expect(payloadsOf(proposed[0])).toEqual(["a", "b"]);
  });

  test("answers come only when the batch is applied, in the order of submission", () => {
    const submitter = create();
    submit(submitter, "a");
    submit(submitter, "b");
    clock.run();
    expect(answers).toEqual([]);
    commit(submitter);
    expect(answers).toEqual(["a@0", "b@1"]);
  });

  test("while a batch is in flight the next one fills, and leaves when the first is applied", () => {
    const submitter = create();
    submit(submitter, "a");
    clock.run();
    submit(submitter, "b");
    submit(submitter, "c");
    clock.run();
    expect(proposed).toHaveLength(1);
    commit(submitter);
    expect(payloadsOf(proposed[0])).toEqual(["b", "c"]);
  });

  test("a batch that has grown to the target leaves at once, up to the number in flight", () => {
    const submitter = create({ proposalBytesTarget: 100 });
    for (const letter of ["a", "b", "c"]) submit(submitter, letter.repeat(100));
    expect(proposed).toHaveLength(2);
    commit(submitter);
    expect(proposed).toHaveLength(2);
    commit(submitter);
    commit(submitter);
    expect(answers.map((answer) => answer.slice(-2))).toEqual(["@0", "@1", "@2"]);
  });

  test("each batch carries the origin, the incarnation and the next sequence", () => {
    const submitter = create();
    for (const letter of ["a", "b"]) {
      submit(submitter, letter);
      clock.run();
      const { origin, incarnation, sequence, timeMs } = decodeEnvelope(proposed[0] ?? new Uint8Array());
      expect([origin, incarnation, sequence, timeMs]).toEqual(["1", 7, letter === "a" ? 1 : 2, 1_000]);
      commit(submitter);
    }
  });

  test("a proposal that Raft does not take is tried again, unchanged and in order", () => {
    const submitter = create();
    takes = false;
    submit(submitter, "a");
    clock.run();
    submit(submitter, "b");
    expect(proposed).toEqual([]);
    takes = true;
    clock.run();
    expect(proposed.flatMap(payloadsOf)).toEqual(["a", "b"]);
    while (proposed.length > 0) commit(submitter);
    expect(answers).toEqual(["a@0", "b@1"]);
  });

  test("past half of what may wait it is saturated, and tells once when it is not any more", () => {
    const submitter = create({ submitCommandsMax: 4 });
    let told = 0;
    for (const letter of ["a", "b", "c"]) submit(submitter, letter);
    expect(submitter.saturated).toBe(true);
    submitter.onceDrained(() => {
      told += 1;
    });
    clock.run();
    commit(submitter);
    expect(submitter.saturated).toBe(false);
    expect(told).toBe(1);
    expect(submitter.pendingCommands).toBe(0);
  });

  test("at the ceiling a command is refused as overloaded and nothing of it is proposed", () => {
    const submitter = create({ submitCommandsMax: 2 });
    for (const letter of ["a", "b", "c"]) submit(submitter, letter);
    expect(answers).toEqual(["c:overloaded"]);
    clock.run();
    expect(payloadsOf(proposed[0])).toEqual(["a", "b"]);
  });

  test("bytes that wait return to zero when all is applied", () => {
    const submitter = create({ submitBytesMax: 400, proposalBytesTarget: 100 });
    for (let round = 0; round < 20; round += 1) {
      submit(submitter, "x".repeat(150));
      while (proposed.length > 0) commit(submitter);
    }
    expect(answers.filter((answer) => answer.includes("overloaded"))).toEqual([]);
    expect(submitter.saturated).toBe(false);
  });

  test.each(["disk_full", "not_ready"] as const)("refuses with %s when the node says so", (code) => {
    const submitter = create();
    refusal = code;
    submit(submitter, "a");
    expect(answers).toEqual([`a:${code}`]);
  });

  test("abandon tells everybody who waits, in flight or not", () => {
    const submitter = create();
    submit(submitter, "a");
    clock.run();
    submit(submitter, "b");
    submitter.abandon("shutting_down");
    expect(answers).toEqual(["a:shutting_down", "b:shutting_down"]);
    expect(submitter.pendingCommands).toBe(0);
  });

  test("entries of another node or of an earlier start are nobody's answer here", () => {
    const submitter = create();
    submit(submitter, "a");
    clock.run();
    const theirs = {
      origin: "2",
      incarnation: 7,
      sequence: 1,
      outcome: "applied",
      results: [],
      effects: [],
    } as const;
    submitter.applied(theirs);
    submitter.applied({ ...theirs, origin: "1", incarnation: 6 });
    expect(answers).toEqual([]);
    commit(submitter);
    expect(answers).toEqual(["a@0"]);
  });
});
