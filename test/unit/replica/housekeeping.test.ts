/** When retention has its rounds, and what they are told. */
import { expect, it } from "vitest";
import { Housekeeping, type SessionLoss } from "../../../src/replica/housekeeping.js";
import type { MessageStore, RetentionPolicy } from "../../../src/store/message-store.js";
import { ManualClock } from "../../support/manual-clock.js";
import { publishOf } from "../commands/arbitrary-command.js";
import { Driver } from "../state-machine/driver.js";
import { open, subscribe } from "../state-machine/session-script.js";

class Home {
  readonly clock = new ManualClock();
  readonly driver = new Driver();
  readonly rounds: RetentionPolicy[] = [];
  readonly losses: SessionLoss[] = [];
  readonly failures: Error[] = [];
  /** What a round does. */
  round: (policy: RetentionPolicy) => Promise<Awaited<ReturnType<MessageStore["retain"]>>> = async () => ({
    lostMessages: 0,
    lost: new Map(),
  });
  readonly housekeeping: Housekeeping;

  constructor() {
    const { driver } = this;
    const store: Pick<MessageStore, "retain"> = {
      retain: (policy) => {
        this.rounds.push(policy);
        return this.round(policy);
      },
    };
    this.housekeeping = new Housekeeping({
      replica: {
        get machine() {
          return driver.machine;
        },
        checkpoint: async () => undefined,
      },
      store,
      clock: this.clock,
      checkpointPeriodMs: 500,
      retentionPeriodMs: 10_000,
      retention: { ageMs: 60_000, bytes: 1_000, heldBytes: 2_000 },
      onSessionLoss: (loss) => this.losses.push(loss),
      onFailed: (error) => this.failures.push(error),
    });
  }

  /** Time passes, second by second, and whatever is under way comes to its end. */
  async pass(seconds: number): Promise<void> {
    for (let i = 0; i < seconds; i += 1) {
      this.clock.advance(1_000);
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    }
  }
}

it("retention has a round at the start and one every period; after a long one it rests ten times as long", async () => {
  const home = new Home();
  await home.housekeeping.start();
  expect(home.rounds).toHaveLength(1);
  await home.pass(30);
  expect(home.rounds).toHaveLength(4);
  home.round = async () => {
    home.clock.spend(3_000);
    return { lostMessages: 0, lost: new Map() };
  };
  await home.pass(10);
  expect(home.rounds).toHaveLength(5);
  await home.pass(29);
  expect(home.rounds).toHaveLength(5);
  await home.pass(10);
  expect(home.rounds).toHaveLength(6);
  await home.housekeeping.stop();
  expect(home.failures).toEqual([]);
});

it("nobody is asked what he needs when there is no session; a loss is told, with the sessions that have it", async () => {
  const home = new Home();
  await home.housekeeping.start();
  expect(home.rounds[0]).toMatchObject({ bytesMax: 1_000, heldBytesMax: 2_000 });
  expect(home.rounds[0]).not.toHaveProperty("holds");
  home.driver.apply(open("me"), open("other"), publishOf("a", "x"));
  home.driver.apply(subscribe(1, 1, { filter: "a" }));
  home.driver.apply(publishOf("a", "x"));
  home.round = async ({ holds }) => {
    const lost = new Map([[1, 2]]);
    const gathered = holds?.(lost);
    home.clock.turn();
    expect((await gathered)?.(1)).toBe(1);
    return { lostMessages: 7, lost };
  };
  await home.pass(10);
  expect(home.losses).toEqual([{ messages: 7, topics: 1, sessions: 1 }]);
  expect(home.failures).toEqual([]);
});
