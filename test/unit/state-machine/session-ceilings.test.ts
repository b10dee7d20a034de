/** Everything that a client can make the replicated state hold has a ceiling. */
import { describe, expect, it } from "vitest";
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
