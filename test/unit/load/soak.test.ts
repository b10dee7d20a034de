/** The judges of the soak find what is planted: holes, repeats, changes of order, and what grows; and nothing where all is well. */
import { beforeEach, describe, expect, it } from "vitest";
import { type Sample, slopeWithin, trendOf } from "../../../load/soak/flatness.js";
import { payloadOf, RowReader, Rows } from "../../../load/soak/rows.js";

describe("rows", () => {
  let found: string[];
  let rows: Rows;
  let position: number;
  const take = (reader: RowReader, row: string, ...numbers: readonly number[]): void => {
    for (const number of numbers) {
      position += 1;
      reader.take(`id-${position}`, payloadOf(row, number, 50));
    }
  };
  const reader = (mayMiss = false): RowReader => new RowReader("one", rows, mayMiss);

  beforeEach(() => {
    found = [];
    position = 0;
    rows = new Rows((detail) => found.push(detail));
  });

  it("pass when each is whole, whoever else publishes in between", () => {
    const one = reader();
    take(one, "a", 0, 1);
    take(one, "b-1", 7, 8);
    take(one, "a", 2);
    rows.acknowledged("a", 2);
    rows.acknowledged("b-1", 8);
    expect([found, rows.lacking(one.last), one.taken, rows.acknowledgedCount]).toEqual([[], [], 5, 12]);
  });

  it.each<[string, readonly number[], string]>([
    ["a hole", [0, 1, 3], "one: a:3 comes after 1, and no gap was told"],
    ["a repeat", [0, 1, 1], "one: a:1 comes after 1"],
    ["another order", [0, 2, 1], "one: a:1 comes after 2"],
  ])("show %s", (_name, numbers, what) => {
    take(reader(), "a", ...numbers);
    expect(found).toContain(what);
  });

  it("show what is lacking at the end", () => {
    const one = reader();
    take(one, "a", 0, 1);
    rows.acknowledged("a", 3);
    rows.acknowledged("b", 0);
    expect(rows.lacking(one.last)).toEqual(["a: 1 of 3", "b: -1 of 0"]);
  });

  it("show another message under the same id, and one that nobody published", () => {
    reader().take("7", payloadOf("a", 0, 20));
    reader().take("7", payloadOf("a", 1, 20));
    reader().take("8", "something else");
    expect(found).toEqual([
      "one: id 7 is a:1, and was a:0 elsewhere",
      'one: nobody published "something else"',
    ]);
  });

  it("excuse a hole where a gap was told, once, and only for who may stand still", () => {
    const slow = reader(true);
    take(slow, "a", 0);
    slow.tellGap("told");
    take(slow, "a", 5);
    expect(found).toEqual([]);
    take(slow, "a", 9);
    expect(found).toHaveLength(1);
    reader().tellGap("told");
    expect(found).toHaveLength(2);
  });
});

describe("what nodes take", () => {
  const SECONDS = 3_600;
  /** One node that lasts, and one that is started every five minutes and takes more with its age, up to a level. */
  function samples(own: (atSeconds: number) => number): Sample[] {
    const all: Sample[] = [];
    for (let atSeconds = 0; atSeconds < SECONDS; atSeconds += 10) {
      const noise = (atSeconds * 7919) % 11;
      const young = atSeconds % 300;
      const level = 150 + own(atSeconds) + noise;
      all.push({ node: 1, atSeconds, ageSeconds: atSeconds, values: { "disk, MiB": level } });
      const grown = level - 80 + Math.min(80, young);
      all.push({ node: 2, atSeconds, ageSeconds: young, values: { "disk, MiB": grown } });
    }
    return all;
  }

  it("is flat where nodes only grow up after a restart", () => {
    const trend = trendOf(
      samples(() => 0),
      "disk, MiB",
      SECONDS,
    );
    expect(trend?.isFlat).toBe(true);
    expect(Math.abs(trend?.gain ?? 100)).toBeLessThan(2);
  });

  it("is not flat where a node leaks, from life to life or in one", () => {
    const trend = trendOf(
      samples((atSeconds) => atSeconds / 30),
      "disk, MiB",
      SECONDS,
    );
    expect(trend?.isFlat).toBe(false);
    expect(trend?.perHour).toBeCloseTo(120, -1);
    expect(trend?.gain).toBeCloseTo(60, -1);
  });

  it("may fall, and grow in the first half", () => {
    const falling = samples(
      (atSeconds) => Math.min(atSeconds, 1_800) / 10 - Math.max(0, atSeconds - 1_800) / 100,
    );
    expect(trendOf(falling, "disk, MiB", SECONDS)?.isFlat).toBe(true);
  });

  it("is unknown where there are too few samples", () => {
    expect(
      trendOf(
        samples(() => 0),
        "sockets",
        SECONDS,
      ),
    ).toBe(null);
    expect(slopeWithin([{ group: "a", x: 1, y: 1 }])).toBe(0);
  });

  it("is not tilted by a few samples that are far off", () => {
    const points = Array.from({ length: 60 }, (_, x) => ({ group: "a", x, y: x >= 55 ? 500 : x }));
    expect(slopeWithin(points)).toBeCloseTo(1, 0);
  });
});

describe("what the lasting node holds", () => {
  type Curve = readonly (readonly [atSeconds: number, heapMiB: number])[];
  /** The second half of ten minutes, as recorded: the heap after collections moves by 3 MiB and does not grow. */
  const SOUND: Curve = [
    [306, 65.5],
    [317, 64.5],
    [327, 65.0],
    [338, 64.2],
    [349, 63.6],
    [359, 63.9],
    [370, 64.6],
    [381, 64.4],
    [392, 65.1],
    [402, 64.9],
    [413, 65.7],
    [424, 65.7],
    [434, 66.0],
    [445, 66.1],
    [456, 66.3],
    [466, 66.2],
    [477, 66.1],
    [488, 66.1],
    [499, 66.3],
    [510, 66.2],
    [520, 66.1],
    [531, 65.7],
    [542, 64.6],
    [553, 63.2],
    [563, 62.9],
    [574, 63.5],
    [585, 63.8],
    [596, 64.0],
  ];
  /** The second half of five minutes in which each publish kept an object of five fields in an array: 74 bytes. */
  const LEAKING: Curve = [
    [157, 75.0],
    [168, 74.9],
    [179, 75.1],
    [190, 75.5],
    [201, 76.7],
    [212, 77.1],
    [223, 77.5],
    [235, 78.0],
    [246, 78.4],
    [257, 78.8],
    [269, 79.5],
    [290, 78.2],
  ];
  const heapTrend = (curve: Curve, seconds: number): ReturnType<typeof trendOf> => {
    const samples = curve.map(
      ([atSeconds, heapMiB]): Sample => ({
        ...{ node: 1, atSeconds, ageSeconds: atSeconds },
        values: { "live heap, MiB": heapMiB },
      }),
    );
    return trendOf(samples, "live heap, MiB", seconds);
  };

  it("is flat in a sound run", () => {
    expect(heapTrend(SOUND, 600)?.isFlat).toBe(true);
  });

  it("is not flat in a run with a planted leak", () => {
    const trend = heapTrend(LEAKING, 300);
    expect(trend?.isFlat).toBe(false);
    // 58,573 publishes, 74 bytes each, are 4.1 MiB; the rest is the noise.
    expect(trend?.gain).toBeGreaterThan(4);
  });

  it.each([
    [0, true],
    [10, false],
    [64, false],
  ])("after an hour of 200 publishes a second that leave %d bytes each: flat is %s", (bytes, isFlat) => {
    const SECONDS = 3_600;
    const curve = Array.from({ length: SECONDS / 10 }, (_, at) => {
      const [, noise = 0] = SOUND[at % SOUND.length] ?? [];
      return [at * 10, noise + (at * 10 * 200 * bytes) / 1024 / 1024] as const;
    });
    expect(heapTrend(curve, SECONDS)?.isFlat).toBe(isFlat);
  });
});
