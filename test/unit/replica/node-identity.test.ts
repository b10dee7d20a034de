/** node.json: what it says is what was written, or it is damaged; a flipped bit is neither a newer release nor another node. */
import { expect, it } from "vitest";
import { encodeIdentity, type Identity, parseIdentity } from "../../../src/replica/node-identity.js";

const IDENTITY: Identity = {
  version: 2,
  nodeId: "1",
  tag: "00ff00ff00ff00ff",
  incarnation: 1_700_000_000_000,
  ticket: { clusterId: "c", members: [{ id: "1", peer: "127.0.0.1:7001", role: "learner" }] },
  hasRun: true,
};

function reading(text: string): unknown {
  try {
    return parseIdentity("node.json", text);
  } catch (error) {
    return error instanceof Error && "code" in error ? error.code : error;
  }
}

it("with one flipped bit is damaged, or says what it said", () => {
  const original = Buffer.from(encodeIdentity(IDENTITY));
  const told = new Set<string>();
  for (let bit = 0; bit < 8 * original.length; bit += 1) {
    const bytes = Buffer.from(original);
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    told.add(JSON.stringify(reading(bytes.toString("utf8"))));
  }
  expect([...told].sort()).toEqual(['"store_corrupt"', JSON.stringify(IDENTITY)]);
});

it("of a release that wrote no checksum is read as it stands", () => {
  expect(reading(JSON.stringify(IDENTITY))).toEqual(IDENTITY);
  expect(reading(JSON.stringify({ ...IDENTITY, version: 3 }))).toBe("data_version");
});

it("of a newer format is told as that only when it is whole", () => {
  const newer = encodeIdentity({ ...IDENTITY, version: 3 });
  expect(reading(newer)).toBe("data_version");
  expect(reading(newer.replace('"nodeId":"1"', '"nodeId":"2"'))).toBe("store_corrupt");
});
