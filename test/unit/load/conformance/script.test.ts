/** The language of the packet sequences. */
import { describe, expect, it } from "vitest";
import { packetOf } from "../../../../load/conformance/sequences/script.js";

describe("a packet is written as", () => {
  it.each([
    ["hex", "82 0B01", "820b01"],
    ["numbers of a width", "i255 H258 k10 m1 s3 L65536", "ff 0102 000a 0001 0003 00010000"],
    ["a remaining length", "r0 r127 r128 r321 v2", "00 7f 8001 c102 02"],
    ["one that is too long for the standard", "r268435456", "8080808001"],
    ["text, with spaces in it", "s5 'to pa' 01", "0005 746f207061 01"],
    ["text that is hex or a number elsewhere", "'r10' '00'", "723130 3030"],
    ["more than one space between", "E0  r1   82", "e0 01 82"],
  ])("%s", (_, script, hex) => {
    expect(packetOf(script).toString("hex")).toBe(hex.replaceAll(" ", ""));
  });

  it.each(["zz", "12 3", "rx", "s-1"])("and never as %s", (script) => {
    expect(() => packetOf(script)).toThrow(/neither|not a number/);
  });
});
