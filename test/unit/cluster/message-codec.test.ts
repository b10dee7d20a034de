/** Raft messages as bytes: what goes in comes out, and nothing else gets through. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ClusterError } from "../../../cluster/errors.js";
import { decodeMessage, encodeMessage } from "../../../cluster/transport/message-codec.js";
import { EntryKind, PEER_MESSAGE_KINDS, type PeerMessage } from "../../../cluster/types.js";

const integer = fc.maxSafeNat();
const id = fc.stringMatching(/^[1-9][0-9]{0,5}$/);
const changeData = fc.record({ id, tag: fc.string() }).map((member) => change(member.id, member.tag));
const entry = fc.oneof(
  fc.record({
    term: integer,
    index: integer,
    kind: fc.constant(EntryKind.Command),
    data: fc.uint8Array({ maxLength: 64 }),
  }),
  fc.record({ term: integer, index: integer, kind: fc.constant(EntryKind.ConfChange), data: changeData }),
);

/** A change of membership as the adapter writes it. */
function change(of: string, tag: string): Uint8Array {
  const member = { peer: "a:1", tag, wantsVote: true };
  const context = JSON.stringify({ kind: "add-learner", id: of, member });
  return Buffer.from(JSON.stringify({ transition: 0, changes: [{ type: 3, nodeId: of }], context }));
}
const confState = fc.record({
  voters: fc.array(id, { maxLength: 5 }),
  learners: fc.array(id, { maxLength: 3 }),
  votersOutgoing: fc.array(id, { maxLength: 3 }),
  learnersNext: fc.array(id, { maxLength: 3 }),
  autoLeave: fc.boolean(),
});
const message: fc.Arbitrary<PeerMessage> = fc.record({
  kind: fc.constantFrom(...PEER_MESSAGE_KINDS),
  to: id,
  from: id,
  term: integer,
  logTerm: integer,
  index: integer,
  entries: fc.array(entry, { maxLength: 5 }),
  commit: integer,
  snapshot: fc.option(fc.record({ index: integer, term: integer, confState }), { nil: null }),
  reject: fc.boolean(),
  rejectHint: integer,
  context: fc.string({ unit: "binary", maxLength: 20 }),
});

/** Entry data compared by content: views and copies are both fine. */
function plain(value: PeerMessage): unknown {
  return { ...value, entries: value.entries.map((each) => ({ ...each, data: [...each.data] })) };
}

function refusal(bytes: Uint8Array): unknown {
  try {
    decodeMessage(bytes);
    return null;
  } catch (error) {
    return error;
  }
}

describe("Raft messages between peers", () => {
  const plainest: PeerMessage = {
    kind: 3,
    to: "2",
    from: "1",
    term: 1,
    logTerm: 1,
    index: 1,
    entries: [],
    commit: 1,
    snapshot: null,
    reject: false,
    rejectHint: 0,
    context: "",
  };
  const withChange = (data: string): PeerMessage => ({
    ...plainest,
    entries: [{ term: 1, index: 2, kind: EntryKind.ConfChange, data: Buffer.from(data) }],
  });

  test.each([
    ["the engine's own", '{"transition":0,"changes":[],"context":null}', null],
    ["no JSON", "{", "peer_frame"],
    ["nothing", "", "peer_frame"],
    ["no object", "null", "peer_frame"],
    ["no list of changes", '{"changes":5}', "peer_frame"],
    ["of a kind that there is not", '{"changes":[{"type":4,"nodeId":"1"}]}', "peer_frame"],
    ["of a node without an id", '{"changes":[{"type":0,"nodeId":"constructor"}]}', "peer_frame"],
    ["with a context that is no JSON", '{"changes":[],"context":"{"}', "peer_frame"],
    [
      "with a member that is none",
      '{"changes":[],"context":"{\\"kind\\":\\"update\\",\\"id\\":\\"1\\",\\"member\\":5}"}',
      "peer_frame",
    ],
  ])("a change of membership, %s", (_what, data, code) => {
    const error = refusal(encodeMessage(withChange(data)));
    if (code === null) expect(error).toBeNull();
    else expect(error).toHaveProperty("code", code);
  });

  test("decode what was encoded, whatever it was", () => {
    fc.assert(
      fc.property(message, (value) => {
        expect(plain(decodeMessage(encodeMessage(value)))).toEqual(plain(value));
      }),
      { numRuns: 500 },
    );
  });

  test("every shorter frame is refused as malformed", () => {
    fc.assert(
      fc.property(message, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (value, part) => {
        const bytes = encodeMessage(value);
        const error = refusal(bytes.subarray(0, Math.floor(bytes.byteLength * part)));
        expect(error).toBeInstanceOf(ClusterError);
        expect(error).toHaveProperty("code", "peer_frame");
      }),
      { numRuns: 300 },
    );
  });

  test("bytes of a stranger give a peer_frame error or a message, never another error", () => {
    const mutated = fc.tuple(message, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }));
    fc.assert(
      fc.property(mutated, ([value, flips]) => {
        const bytes = encodeMessage(value);
        for (const [at, flip] of flips) bytes[at % bytes.byteLength] = flip;
        const error = refusal(bytes);
        if (error !== null) expect(error).toHaveProperty("code", "peer_frame");
      }),
      { numRuns: 1000 },
    );
  });

  test.each([
    ["an order to stand for election", 0],
    ["an order to send heartbeats", 1],
    ["a proposal, which has a frame of its own and is read before it is appended", 2],
    ["news of an unreachable peer", 10],
    ["news of a snapshot", 11],
    ["an order to count the members that answer", 12],
    ["an order to hand over", 13],
    ["a question for a read index", 15],
    ["the answer to one", 16],
    ["a kind that there is not", 19],
  ])("%s is no peer's to send", (_what, kind) => {
    expect(refusal(encodeMessage({ ...plainest, kind }))).toHaveProperty("code", "peer_frame");
  });

  test("a newer version is refused", () => {
    const bytes = encodeMessage(plainest);
    bytes[0] = 2;
    expect(refusal(bytes)).toHaveProperty("message", expect.stringContaining("version 2"));
  });
});
