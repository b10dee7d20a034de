/**
 * Calls of a peer that change the membership, to a leader: a line of JSON each. Every call is answered once and in our own codes; what is proposed
 * names nodes by ids, and everything that was proposed can be applied.
 */
import { Calls } from "../../../cluster/calls.js";
import type { CoreStatus } from "../../../cluster/core-types.js";
import { ClusterError } from "../../../cluster/errors.js";
import { MemberChanges } from "../../../cluster/member-changes.js";
import { MemberReports } from "../../../cluster/member-reports.js";
import { Membership, rosterAfter } from "../../../cluster/membership.js";
import {
  decodeFrame,
  encodeFrame,
  FrameDecoder,
  parseFacts,
} from "../../../cluster/transport/frame-codec.js";
import type { PeerFrame, ResponseFrame } from "../../../cluster/transport/transport.js";
import { EMPTY_CONF_STATE, isNodeId, type MembershipChange } from "../../../cluster/types.js";
import { must, type Target } from "../target.js";

const CALLS_MAX = 8;
const TURNS_MAX = 60;
const BODY_BYTES_MAX = 1024 * 1024;

const MEMBERS = {
  "1": { peer: "a:1", tag: "t1", wantsVote: true },
  "2": { peer: "b:2", tag: "t2", wantsVote: true },
  "3": { peer: "c:3", tag: "t3", wantsVote: true },
  "4": { peer: "d:4", tag: "", wantsVote: false },
};
const progress = { match: 9, awaitsSnapshot: false };
const STATUS: CoreStatus = {
  role: "leader",
  leaderId: "1",
  term: 2,
  commit: 9,
  applied: 9,
  progress: new Map([
    ["1", progress],
    ["2", progress],
  ]),
  isTransferring: false,
};

function membership(): Membership {
  const found = new Membership();
  const roster = { clusterId: "c", members: MEMBERS, removed: ["9"] };
  found.reset(1, { ...EMPTY_CONF_STATE, voters: ["1", "2", "3"], learners: ["4"], roster });
  return found;
}

function checkChange(change: MembershipChange, members: Membership): void {
  must(isNodeId(change.id), `a change of ${JSON.stringify(change.id)}`);
  const { member } = change;
  const isPlain = member === null || (typeof member.peer === "string" && typeof member.tag === "string");
  must(isPlain && (member === null || typeof member.wantsVote === "boolean"), "a member that is none");
  const after = rosterAfter(members.roster, change);
  must(
    JSON.stringify(JSON.parse(JSON.stringify(after))) === JSON.stringify(after),
    "a roster that JSON does not keep",
  );
}

/** As it would come over the wire. */
function sent(frame: PeerFrame): PeerFrame | null {
  const stream = new FrameDecoder(BODY_BYTES_MAX);
  stream.push(Buffer.concat(encodeFrame(frame).parts));
  const wire = stream.next();
  return wire === null ? null : decodeFrame(wire);
}

async function run(input: Buffer): Promise<void> {
  const answers: ResponseFrame[] = [];
  const members = membership();
  let index = 9;
  let clockMs = 0;
  const soon = (_delayMs: number, task: () => void): (() => void) => {
    clockMs += 1_000;
    queueMicrotask(task);
    return () => undefined;
  };
  const calls = new Calls({
    group: 0,
    lastCall: 0,
    send: (_to, frame) => {
      if (frame.kind === "response") answers.push(frame);
    },
    after: soon,
  });
  const proposed: MembershipChange[] = [];
  const changes = new MemberChanges({
    id: "1",
    calls,
    membership: members,
    status: () => STATUS,
    lastIndex: () => index,
    propose: (change) => {
      proposed.push(change);
      index += 1;
      queueMicrotask(() => changes.applied(index, change));
      return index;
    },
    transferLeader: () => undefined,
    met: () => undefined,
    isAlive: (id) => id !== "3",
    after: soon,
    monotonicMs: () => clockMs,
  });
  new MemberReports({ calls, status: () => STATUS, isAlive: () => true });
  let [asked, removals] = [0, 0];
  for (const line of input.toString("utf8").split("\n").slice(0, CALLS_MAX)) {
    const { method, params } = factsOf(line);
    if (typeof method !== "string" || method.length > 128 || typeof params !== "object" || params === null)
      continue;
    const frame = sent({
      kind: "request",
      group: 0,
      call: asked + 1,
      method,
      params: { ...params },
      isBulk: false,
    });
    if (frame?.kind !== "request") continue;
    asked += 1;
    if (method === "member-remove") removals += 1;
    calls.receive("2", frame);
    for (let turn = 0; answers.length < asked && turn < TURNS_MAX; turn += 1) await null;
  }
  must(answers.length === asked, "a call without an answer");
  // A removal is followed by what confirms it.
  must(proposed.length <= asked + removals, "more changes than were asked for");
  // Not where it is proposed: what is thrown there is an answer.
  for (const change of proposed) checkChange(change, members);
  for (const { error } of answers) {
    must(
      error === null || !/undefined|not a function|Cannot /.test(error.text),
      `a call failed inside: ${error?.text}`,
    );
  }
}

function factsOf(line: string): Readonly<Record<string, unknown>> {
  try {
    return parseFacts(line);
  } catch (error) {
    if (error instanceof ClusterError && error.code === "peer_frame") return {};
    throw error;
  }
}

const call = (method: string, params: object): string => JSON.stringify({ method, params });

export const target: Target = {
  name: "peer-calls",
  inputBytesMax: 768,
  seeds: () =>
    [
      call("member-add", { id: "5", peer: "e:5", tag: "t5", wantsVote: true }),
      call("member-add", { id: "9", peer: "e:5", tag: "", wantsVote: false }),
      call("member-add", { id: "4", peer: "d:4", tag: "", wantsVote: false }),
      call("member-promote", { id: "4" }),
      call("member-remove", { id: "2" }),
      call("member-remove", { id: "1" }),
      call("transfer", { id: "2" }),
      `${call("transfer", { id: "" })}\n${call("transfer", { id: "1" })}`,
      call("member-reports", {}),
      call("nothing", {}),
    ].map((text) => Buffer.from(text)),
  dictionary: [
    '"id":"constructor"',
    '"id":"__proto__"',
    '"id":"toString"',
    '"id":5',
    '"id":null',
    '"id":[]',
    '"id":{}',
    '"peer":{}',
    '"wantsVote":1',
    '"tag":[1]',
    "member-promote",
    "member-remove",
    "member-add",
    "transfer",
    "\n",
  ],
  run,
};
