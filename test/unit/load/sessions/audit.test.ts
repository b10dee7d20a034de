/** The audit of the sessions campaign: it passes a right history and finds every kind of fault that is planted in it. */
import { beforeEach, describe, expect, it } from "vitest";
import { Audit, Ledger, type Violation, type ViolationKind } from "../../../../load/sessions/audit.js";

let ledger: Ledger;
let violations: Violation[];
const kinds = (): ViolationKind[] => violations.map(({ kind }) => kind);
const audit = (qos: 1 | 2): Audit => new Audit(ledger, "s", qos, (violation) => violations.push(violation));

beforeEach(() => {
  ledger = new Ledger();
  violations = [];
});

/** Publishes and acknowledges. */
function publish(sequence: number, qos: 1 | 2, publisher = "p"): string {
  const key = ledger.invoke(publisher, sequence, qos);
  ledger.settle(key, "acknowledged");
  return key;
}

describe("passes", () => {
  it("everything in each publisher's order, however they interleave", () => {
    const one = audit(2);
    const keys = [publish(0, 2), publish(0, 2, "q"), publish(1, 2), publish(1, 1, "q")];
    for (const key of [keys[1]!, keys[0]!, keys[3]!, keys[2]!]) one.deliver(key);
    one.close();
    expect(violations).toEqual([]);
    expect([one.delivered, one.again, one.missing]).toEqual([4, 0, 0]);
  });

  it.each<[string, 1 | 2, 1 | 2]>([
    ["published at QoS 1", 1, 2],
    ["subscribed at QoS 1", 2, 1],
  ])("a message that comes again, %s, and counts it", (_, published, subscribed) => {
    const one = audit(subscribed);
    const [first, second] = [publish(0, published), publish(1, published)];
    for (const key of [first, second, first, second]) one.deliver(key);
    one.close();
    expect(violations).toEqual([]);
    expect([one.delivered, one.again]).toEqual([2, 2]);
  });

  it("a message that is delivered before its publisher is told so, and one that is not known to be there", () => {
    const one = audit(1);
    one.deliver(ledger.invoke("p", 0, 1));
    ledger.invoke("p", 1, 1);
    one.close();
    expect(violations).toEqual([]);
    expect(ledger.unsettled).toEqual(["p:0", "p:1"]);
  });
});

describe("finds", () => {
  const planted: readonly (readonly [ViolationKind, () => void])[] = [
    [
      "lost",
      () => {
        const one = audit(1);
        one.deliver(publish(0, 1));
        publish(1, 1);
        one.close();
      },
    ],
    [
      "doubled",
      () => {
        const one = audit(2);
        const key = publish(0, 2);
        one.deliver(key);
        one.deliver(key);
      },
    ],
    [
      "disorder",
      () => {
        const one = audit(1);
        const [first, second] = [publish(0, 1), publish(1, 1)];
        one.deliver(second);
        one.deliver(first);
      },
    ],
    ["phantom", () => audit(1).deliver("p:7")],
    [
      "refused_delivered",
      () => {
        const key = ledger.invoke("p", 0, 1);
        ledger.settle(key, "refused");
        audit(1).deliver(key);
      },
    ],
  ];

  it.each(planted)("%s", (kind, plant) => {
    plant();
    expect(kinds()).toEqual([kind]);
  });

  it("what is missing as long as it is, and no more", () => {
    const one = audit(1);
    const keys = [publish(0, 1), publish(1, 1)];
    expect(one.missing).toBe(2);
    one.deliver(keys[0]!);
    expect(one.missing).toBe(1);
    one.deliver(keys[1]!);
    expect(one.missing).toBe(0);
    one.deliver(publish(2, 1));
    expect(one.missing).toBe(0);
  });
});
