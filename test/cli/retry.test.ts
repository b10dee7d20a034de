/** Waiting: jitter fills its whole range, the node's own wish is kept, and only what is safe is done again. */
import { describe, expect, it, test } from "vitest";
import { ClientFailure } from "../../src/cli/failure.js";
import { fullJitterMs, waitMs, withRetries } from "../../src/cli/retry.js";
import type { Random } from "../../src/runtime/random.js";

const fixed = (unit: number): Random => ({ unit: () => unit, tag: () => "" });

describe("fullJitterMs", () => {
  test.each([
    [1, 500],
    [2, 1_000],
    [4, 4_000],
    [7, 30_000],
    [1_000, 30_000],
  ])("attempt %i waits below %i ms", (attempt, ceilingMs) => {
    expect(fullJitterMs(fixed(0), attempt)).toBe(0);
    expect(fullJitterMs(fixed(0.5), attempt)).toBe(ceilingMs / 2);
  });
});

describe("waitMs", () => {
  it("adds jitter to what the node asked for, which it believes up to 30 s", () => {
    const asked = (retryAfterMs: number): ClientFailure =>
      new ClientFailure("overloaded", "", { retryAfterMs });
    expect(waitMs(fixed(0.5), 1, asked(2_000))).toBe(2_250);
    expect(waitMs(fixed(0), 1, asked(3_600_000))).toBe(30_000);
    expect(waitMs(fixed(0.5), 1, new Error("other"))).toBe(250);
  });
});

describe("withRetries", () => {
  const failing = (error: Error) => {
    let calls = 0;
    const task = async (): Promise<never> => {
      calls += 1;
      throw error;
    };
    return { task, calls: () => calls };
  };

  it("repeats retryable failures up to five tries in all", async () => {
    const { task, calls } = failing(new ClientFailure("overloaded", "wait", { retryable: true }));
    await expect(withRetries(fixed(0), task)).rejects.toMatchObject({ code: "overloaded" });
    expect(calls()).toBe(5);
  });

  it.each([new ClientFailure("invalid_topic", "no"), new Error("a bug")])(
    "does not repeat %s",
    async (error) => {
      const { task, calls } = failing(error);
      await expect(withRetries(fixed(0), task)).rejects.toBe(error);
      expect(calls()).toBe(1);
    },
  );
});
