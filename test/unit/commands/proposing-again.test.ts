/** The proposer when proposals get lost: on the way to a leader, with a leader, or behind a snapshot. Whatever happens, once each. */
import { beforeEach, describe, expect, test } from "vitest";
import { decodeEnvelope } from "../../../src/commands/codec.js";
import { Submitter } from "../../../src/commands/submit.js";
import { Machine } from "../../../src/state-machine/machine.js";
import { ManualClock } from "../../support/manual-clock.js";

describe("A proposer whose proposals get lost", () => {
  let clock: ManualClock;
  let machine: Machine;
  /** On their way to the leader: what is not committed by the test is lost. */
  let sent: Uint8Array[];
  let hasLeader: boolean;
  let answers: string[];
  let index: number;
  let submitter: Submitter;

  beforeEach(() => {
    clock = new ManualClock();
    machine = new Machine();
    sent = [];
    hasLeader = true;
    answers = [];
    index = 1;
    submitter = createSubmitter(1);
  });

  /** Batches are closed when they have so many bytes: with one byte every command is a batch of its own. */
  function createSubmitter(proposalBytesTarget: number): Submitter {
    return new Submitter({
      origin: "1",
      incarnation: () => 7,
      propose: (payload) => {
        if (hasLeader) sent.push(payload);
        return hasLeader;
      },
      refusal: () => null,
      clock,
      publishSeconds: { observe: () => undefined },
      limits: {
        proposalBytesTarget,
        proposalsInFlightMax: 3,
        submitBytesMax: 10_000,
        submitCommandsMax: 1_000,
        submitPatienceMs: 3_000,
      },
    });
  }

  function submit(text: string): void {
    const message = {
      payload: Buffer.from(text),
      contentType: "",
      qos: 1,
      retain: false,
      expiresAtMs: 0,
      properties: new Uint8Array(0),
    } as const;
    submitter.submit(
      {
        kind: "publish",
        topic: "t",
        autoCreate: true,
        idempotency: null,
        publisher: 0,
        receipt: null,
        messages: [message],
      },
      (result) => {
        if (result.kind === "published") answers.push(`${text}@${result.firstOffset}`);
        else if (result.kind === "failed") answers.push(`${text}:${result.code}`);
      },
    );
  }

  /** Commits some of what was sent, by place, and loses the rest. */
  function commit(...places: number[]): void {
    const taken = sent;
    sent = [];
    for (const place of places) {
      const payload = taken[place];
      if (payload === undefined) throw new Error(`nothing was sent at ${place}`);
      index += 1;
      submitter.applied(machine.apply(decodeEnvelope(payload), index));
    }
  }

  const sequences = (): number[] => sent.map((payload) => decodeEnvelope(payload).sequence);

  test("proposes everything in flight again when another node leads, in order, and the rest after it", () => {
    for (const text of ["a", "b", "c", "d"]) submit(text);
    expect(sequences()).toEqual([1, 2, 3]);
    sent = [];
    submitter.proposeAgain();
    expect(sequences()).toEqual([1, 2, 3]);
    commit(0, 1, 2);
    expect(sequences()).toEqual([4]);
    commit(0);
    expect(answers).toEqual(["a@0", "b@1", "c@2", "d@3"]);
  });

  test("what was committed before and comes again is answered once", () => {
    submit("a");
    submit("b");
    submitter.proposeAgain();
    expect(sequences()).toEqual([1, 2, 1, 2]);
    commit(0, 2, 1, 3);
    expect(answers).toEqual(["a@0", "b@1"]);
    expect(submitter.pendingCommands).toBe(0);
  });

  test("one that is lost ahead of others is noticed by them, and all come again once", () => {
    for (const text of ["a", "b", "c"]) submit(text);
    clock.advance(50);
    commit(1, 2);
    expect(answers).toEqual([]);
    expect(sequences()).toEqual([1, 2, 3]);
    commit(0, 1, 2);
    expect(answers).toEqual(["a@0", "b@1", "c@2"]);
  });

  test("silence is taken for loss, more patiently each time", () => {
    submit("a");
    sent = [];
    const timesMs: number[] = [];
    for (let ms = 0; ms < 2_900; ms += 50) {
      clock.advance(50);
      if (sent.length > 0) timesMs.push(clock.monotonicMs());
      sent = [];
    }
    expect(timesMs).toEqual([500, 1_500]);
  });

  test("while there is no leader nothing is lost: it goes when there is one", () => {
    hasLeader = false;
    submit("a");
    submit("b");
    clock.advance(400);
    expect(sent).toEqual([]);
    hasLeader = true;
    clock.advance(50);
    expect(sequences()).toEqual([1, 2]);
    commit(0, 1);
    expect(answers).toEqual(["a@0", "b@1"]);
  });

  test("a caller who has waited too long is told that the outcome is not known; the batch goes on without it", () => {
    submit("a");
    sent = [];
    clock.advance(3_500);
    expect(answers).toEqual(["a:outcome_unknown"]);
    expect(submitter.pendingCommands).toBe(1);
    submit("b");
    sent = [];
    submitter.proposeAgain();
    expect(sequences()).toEqual([1, 2]);
    commit(0, 1);
    expect(answers).toEqual(["a:outcome_unknown", "b@1"]);
    expect(submitter.pendingCommands).toBe(0);
  });

  test("nor does a caller wait longer whose command waits for those ahead of it", () => {
    submitter = createSubmitter(1_000);
    submit("a");
    clock.turn();
    expect(sequences()).toEqual([1]);
    hasLeader = false;
    submit("b");
    clock.advance(3_500);
    expect(answers).toEqual(["a:outcome_unknown", "b:outcome_unknown"]);
    submit("c");
    hasLeader = true;
    sent = [];
    submitter.proposeAgain();
    commit(0, 1, 2);
    expect(answers.slice(2)).toEqual(["c@2"]);
    expect(submitter.pendingCommands).toBe(0);
  });

  test("what a snapshot brought was applied, with an outcome that is not known here", () => {
    for (const text of ["a", "b", "c"]) submit(text);
    submitter.restored(7, 2);
    expect(answers).toEqual(["a:outcome_unknown", "b:outcome_unknown"]);
    expect(submitter.pendingCommands).toBe(1);
    for (const payload of sent.slice(0, 2)) {
      index += 1;
      machine.apply(decodeEnvelope(payload), index);
    }
    commit(2);
    expect(answers.at(-1)).toBe("c@2");
  });

  test("a snapshot that knows this node only from an earlier start concerns nothing here", () => {
    submit("a");
    submitter.restored(6, 100);
    expect(answers).toEqual([]);
    commit(0);
    expect(answers).toEqual(["a@0"]);
  });
});
