/** When what clients acknowledged is proposed, and with whom. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Command, SessionProgress } from "../../../../src/commands/command.js";
import {
  ProgressGatherer,
  type ProgressReporter,
} from "../../../../src/edges/mqtt/delivery/progress-gatherer.js";
import { limits } from "../../../../src/limits.js";
import type { CommandResult } from "../../../../src/state-machine/effects.js";
import { ManualClock } from "../../../support/manual-clock.js";

let clock: ManualClock;
let gatherer: ProgressGatherer;
/** What was submitted and not answered. */
let underWay: { sessions: number[]; done: (result: CommandResult) => void }[];

beforeEach(() => {
  clock = new ManualClock();
  underWay = [];
  gatherer = new ProgressGatherer({
    clock,
    broker: {
      submit(command: Command, done) {
        if (command.kind !== "progress") throw new Error(command.kind);
        underWay.push({ sessions: command.entries.map(({ session }) => session), done });
      },
    },
  });
});

/** Has so many entries to tell, and writes down what became of them. */
class Reporter implements ProgressReporter {
  readonly log: string[] = [];
  readonly #number: number;
  news = 0;

  constructor(number: number, news = 1) {
    this.#number = number;
    this.news = news;
  }

  takeProgress(): readonly SessionProgress[] {
    const entry = {
      session: this.#number,
      epoch: 1,
      source: 0,
      through: 1,
      sentThrough: 0,
      received: [],
      done: [],
    };
    return Array.from({ length: this.news }, () => entry).slice(0, this.#take());
  }

  progressApplied(): void {
    this.log.push("applied");
  }

  progressRefused(): void {
    this.log.push("refused");
    this.news = 1;
  }

  #take(): number {
    const { news } = this;
    this.news = 0;
    return news;
  }
}

function answer(index: number, result: CommandResult = { kind: "done" }): void {
  underWay.splice(index, 1)[0]?.done(result);
}

const sessions = (): number[][] => underWay.map((each) => each.sessions);

describe("when", () => {
  test("what a client waits for goes at the end of the turn, and takes along what could wait", () => {
    gatherer.later(new Reporter(1));
    gatherer.soon(new Reporter(2));
    expect(sessions()).toEqual([]);
    clock.turn();
    expect(sessions()).toEqual([[1, 2]]);
  });

  test("what can wait goes with all that came within a while", () => {
    gatherer.later(new Reporter(1));
    clock.advance(limits.progressPeriodMs - 1);
    gatherer.later(new Reporter(2));
    expect(sessions()).toEqual([]);
    clock.advance(1);
    expect(sessions()).toEqual([[1, 2]]);
  });

  test("members are asked now and then, until they leave", () => {
    const [stays, leaves] = [new Reporter(1), new Reporter(2, 0)];
    gatherer.join(stays);
    gatherer.join(leaves);
    gatherer.leave(leaves);
    clock.advance(limits.cursorPeriodMs);
    expect(sessions()).toEqual([[1]]);
    gatherer.leave(stays);
    expect(clock.nextTimerMs).toBeNull();
  });

  test("nothing to tell makes no command", () => {
    gatherer.soon(new Reporter(1, 0));
    clock.turn();
    expect(sessions()).toEqual([]);
  });
});

describe("one report of a client at a time", () => {
  test("more news wait for the answer, and go at once when the client waits for them", () => {
    const reporter = new Reporter(1);
    gatherer.soon(reporter);
    clock.turn();
    reporter.news = 1;
    gatherer.soon(reporter);
    clock.turn();
    expect(sessions()).toEqual([[1]]);
    answer(0);
    expect(reporter.log).toEqual(["applied"]);
    clock.turn();
    expect(sessions()).toEqual([[1]]);
  });

  test("or after a while when it does not", () => {
    const reporter = new Reporter(1);
    gatherer.soon(reporter);
    clock.turn();
    reporter.news = 1;
    gatherer.later(reporter);
    answer(0);
    clock.turn();
    expect(sessions()).toEqual([]);
    clock.advance(limits.progressPeriodMs);
    expect(sessions()).toEqual([[1]]);
  });

  test("a few commands of all clients at a time", () => {
    for (let session = 1; session <= 6; session += 1) {
      gatherer.soon(new Reporter(session));
      clock.turn();
    }
    expect(sessions()).toEqual([[1], [2], [3], [4]]);
    answer(0);
    clock.turn();
    expect(sessions()).toEqual([[2], [3], [4], [5, 6]]);
  });

  test("a command has a bounded size", () => {
    for (let session = 1; session <= 3; session += 1) gatherer.soon(new Reporter(session, 600));
    clock.turn();
    expect(sessions().map((each) => each.length)).toEqual([1_200, 600]);
  });
});

describe("refused", () => {
  test("it is asked for again, not at once", () => {
    const reporter = new Reporter(1);
    gatherer.soon(reporter);
    clock.turn();
    answer(0, { kind: "failed", code: "not_ready" });
    expect(reporter.log).toEqual(["refused"]);
    gatherer.soon(new Reporter(2));
    clock.advance(limits.progressPeriodMs);
    expect(sessions()).toEqual([]);
    clock.advance(1_000);
    expect(sessions()).toEqual([[1, 2]]);
  });

  test("within the call of submit", () => {
    const refusing = new ProgressGatherer({
      clock,
      broker: { submit: (_, done) => done({ kind: "failed", code: "overloaded" }) },
    });
    const reporter = new Reporter(1);
    refusing.soon(reporter);
    clock.turn();
    clock.advance(1_000);
    expect(reporter.log.length).toBeGreaterThan(2);
    expect(new Set(reporter.log)).toEqual(new Set(["refused"]));
  });
});

describe("leaving", () => {
  test("what was on its way is told again, at once: nobody will hear of the answer", () => {
    const reporter = new Reporter(1);
    gatherer.soon(reporter);
    clock.turn();
    gatherer.leave(reporter);
    expect(reporter.log).toEqual(["refused"]);
    expect(sessions()).toEqual([[1], [1]]);
    answer(1);
    answer(0);
    expect(reporter.log).toEqual(["refused"]);
  });

  test("with nothing to tell makes no command", () => {
    const reporter = new Reporter(1, 0);
    gatherer.join(reporter);
    gatherer.leave(reporter);
    expect(sessions()).toEqual([]);
  });
});
