/** Everything that a client can make the replicated state hold has a ceiling. */
import { describe, expect, it } from "vitest";
import { limits } from "../../../src/limits.js";
import { publishOf } from "../commands/arbitrary-command.js";
import { Driver } from "./driver.js";
import { close, open, willOf } from "./session-script.js";

describe("the ceiling of the bytes of wills", () => {
  it("counts their properties as well, which may be larger than the payload", () => {
    const driver = new Driver({ willBytesMax: 10 });
    const will = (payload: number, properties: number) => ({
      will: willOf("w", {
        payload: Buffer.alloc(payload),
        properties: Buffer.alloc(properties),
        delaySeconds: 9,
      }),
    });
    expect(driver.result(open("a", will(4, 4)))).toMatchObject({ kind: "opened" });
    expect(driver.result(open("b", will(1, 2)))).toMatchObject({ code: "too_many_sessions" });
    expect(driver.result(open("b", will(1, 1)))).toMatchObject({ kind: "opened" });
    driver.checkpoint();
    driver.restart();
    expect(driver.result(open("c", will(0, 1)))).toMatchObject({ code: "too_many_sessions" });
    driver.apply(close(1, 1));
    expect(driver.result(open("c", will(0, 8)))).toMatchObject({ kind: "opened" });
  });
});

describe("the ceiling of QoS 2 packet identifiers that are not released", () => {
  it("refuses another one, but not what came before, and takes it when one is released", () => {
    const driver = new Driver();
    driver.apply(open("a"));
    const publish = (packetId: number) =>
      publishOf("t", "x", { publisher: 1, receipt: { epoch: 1, packetId } });
    driver.apply(...Array.from({ length: limits.unreleasedMax }, (_, at) => publish(at + 1)));
    const { head } = driver.machine;
    expect(driver.result(publish(limits.unreleasedMax + 1))).toEqual({ kind: "failed", code: "overloaded" });
    expect(driver.result(publish(7))).toEqual({ kind: "done" });
    expect(driver.machine.head).toBe(head);
    driver.apply({ kind: "release", session: 1, epoch: 1, packetId: 7 });
    expect(driver.result(publish(limits.unreleasedMax + 1))).toMatchObject({ kind: "published" });
  });
});
