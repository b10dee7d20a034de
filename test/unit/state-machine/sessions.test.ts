/** Sessions and their connections, by clause of the standard: what a CONNECT finds, what an end leaves. */
import { describe, expect, it } from "vitest";
import { Driver } from "./driver.js";
import { close, open } from "./session-script.js";

const opened = (session: number, epoch: number, present: boolean) => ({
  kind: "opened",
  session,
  epoch,
  present,
});

describe("a CONNECT (MQTT 5.0, 3.1.2.4 and 3.2.2.1.1)", () => {
  it("makes a session, and goes on with it later", () => {
    const driver = new Driver();
    expect(driver.result(open("a"))).toEqual(opened(1, 1, false));
    expect(driver.result(close(1, 1))).toEqual({ kind: "done" });
    expect(driver.result(open("a"))).toEqual(opened(1, 2, true));
    expect(driver.machine.sessionOf("a")).toMatchObject({ number: 1, epoch: 2, isKept: true });
  });
});
