/** Batches on their way to whoever leads. */
import { beforeEach, expect, test } from "vitest";
import type { CoreStatus } from "../../../cluster/core-types.js";
import { Proposals } from "../../../cluster/proposals.js";
import type { PeerFrame } from "../../../cluster/transport/transport.js";

let status: CoreStatus;
let appended: string[][];
let isTaken: boolean;
let sent: { readonly to: string; readonly frame: PeerFrame }[];
let warned: string[];
let proposals: Proposals;

const as = (role: CoreStatus["role"], leaderId: string): CoreStatus => ({
  role,
  leaderId,
  term: 1,
  commit: 0,
  applied: 0,
  progress: new Map(),
  isTransferring: false,
});

beforeEach(() => {
  status = as("leader", "1");
  appended = [];
  sent = [];
  isTaken = true;
  warned = [];
  proposals = new Proposals({
    group: 0,
    status: () => status,
    append: (payloads) => {
      if (isTaken) appended.push(payloads.map((payload) => Buffer.from(payload).toString()));
      return isTaken;
    },
    send: (to, frame) => sent.push({ to, frame }),
    canRead: (payload) => Buffer.from(payload).toString() !== "?",
    warnings: { warn: ({ peer }) => warned.push(String(peer)) },
  });
});

test("a leader appends at once, and says when it cannot", () => {
  expect(proposals.propose(Buffer.from("a"))).toBe(true);
  isTaken = false;
  expect(proposals.propose(Buffer.from("b"))).toBe(false);
  expect([appended, sent]).toEqual([[["a"]], []]);
});

test("a follower sends to its leader, and without one says so", () => {
  status = as("follower", "3");
  const payload = Buffer.from("a");
  expect(proposals.propose(payload)).toBe(true);
  status = as("candidate", "");
  expect(proposals.propose(payload)).toBe(false);
  expect([appended, sent]).toEqual([[], [{ to: "3", frame: { kind: "proposal", group: 0, payload } }]]);
});

test("what came from peers goes in together, in order, and in pieces that the core can take", () => {
  for (let nth = 0; nth < 2_500; nth += 1) proposals.received("2", Buffer.from(`${nth}`));
  expect(appended).toEqual([]);
  proposals.flush();
  expect(appended.map(({ length }) => length)).toEqual([1_000, 1_000, 500]);
  expect(appended.flat()).toEqual(Array.from({ length: 2_500 }, (_, nth) => `${nth}`));
  proposals.flush();
  expect(appended).toHaveLength(3);
});

test("what comes to a node that does not lead is left to be sent again", () => {
  status = as("follower", "3");
  proposals.received("2", Buffer.from("a"));
  status = as("leader", "1");
  proposals.flush();
  expect(appended).toEqual([]);
});

test("while nothing is flushed, as a disk stands still, no more is kept than so many bytes", () => {
  const large = Buffer.alloc(1024 * 1024);
  for (let nth = 0; nth < 200; nth += 1) proposals.received("2", large);
  proposals.flush();
  expect(appended.flat().length).toBe(64);
  proposals.received("2", large);
  proposals.flush();
  expect(appended.flat().length).toBe(65);
});

test("what cannot be read is left out, wherever it stands, and its sender is told of", () => {
  for (const text of ["?", "a", "?", "b"]) proposals.received(text === "b" ? "3" : "2", Buffer.from(text));
  proposals.flush();
  expect(appended).toEqual([["a", "b"]]);
  expect(warned).toEqual(["2", "2"]);
});
