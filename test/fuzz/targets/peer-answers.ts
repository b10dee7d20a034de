/**
 * What a peer answers when it is asked: a line of JSON an answer. Whatever it says, the question ends, with something that can be used or in
 * our own codes; a read is never answered by what is no index, and nobody leads who is no node.
 */
import { Calls } from "../../../cluster/calls.js";
import type { CoreStatus } from "../../../cluster/core-types.js";
import { ClusterError } from "../../../cluster/errors.js";
import { MemberChanges } from "../../../cluster/member-changes.js";
import { MemberReports } from "../../../cluster/member-reports.js";
import { Membership } from "../../../cluster/membership.js";
import { Reads } from "../../../cluster/reads.js";
import {
  decodeFrame,
  encodeFrame,
  FrameDecoder,
  parseFacts,
} from "../../../cluster/transport/frame-codec.js";
import type { CallParams, ResponseFrame } from "../../../cluster/transport/transport.js";
import { EMPTY_CONF_STATE, isNodeId } from "../../../cluster/types.js";
import { WallClocks } from "../../../cluster/wall-clocks.js";
import { must, type Target } from "../target.js";

const ANSWERS_MAX = 8;
const TIMERS_MAX = 2_000;
/** From the last thing that happened to whatever follows from it. */
const TURNS = 12;
const BODY_BYTES_MAX = 1024 * 1024;
const APPLIED = 9;
/** What a peer may say of itself, and what is found out here. */
const CODES: ReadonlySet<string> = new Set([
  ...["no_leader", "call_timeout", "call_failed", "transfer_failed", "change_pending", "quorum_at_risk"],
  ...["member_exists", "member_unknown", "member_removed", "snapshot_corrupt"],
]);

const STATUS: CoreStatus = {
  role: "follower",
  leaderId: "1",
  term: 2,
  commit: APPLIED,
  applied: APPLIED,
  progress: new Map(),
  isTransferring: false,
};

/** Time passes when nothing else is left to happen. */
class Timers {
  nowMs = 0;
  #waiting: { readonly dueMs: number; readonly task: () => void }[] = [];

  after(delayMs: number, task: () => void): () => void {
    const timer = { dueMs: this.nowMs + delayMs, task };
    this.#waiting.push(timer);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== timer);
    };
  }

  /** Runs the one that is due first. */
  runNext(): void {
    const first = this.#waiting.toSorted((a, b) => a.dueMs - b.dueMs)[0];
    if (first === undefined) return;
    this.#waiting = this.#waiting.filter((other) => other !== first);
    this.nowMs = Math.max(this.nowMs, first.dueMs);
    first.task();
  }
}

/** Answers in the order in which they were asked for; behind the last one there is silence. */
class Script {
  readonly given: CallParams[] = [];
  readonly #lines: string[];

  constructor(text: string) {
    this.#lines = text.split("\n").slice(0, ANSWERS_MAX);
  }

  /** As it comes over the wire; `null` for what does not come. */
  next(call: number): ResponseFrame | null {
    const said = factsOf(this.#lines.shift() ?? "");
    const { params, error } = said;
    if (typeof params !== "object" || params === null) return null;
    const frame = { kind: "response", group: 0, call, isBulk: false, bytes: new Uint8Array(0) } as const;
    const stream = new FrameDecoder(BODY_BYTES_MAX);
    const sent = { ...frame, params: { ...params }, error: failureOf(error) };
    stream.push(Buffer.concat(encodeFrame(sent).parts));
    const wire = stream.next();
    const came = wire === null ? null : decodeFrame(wire);
    if (came?.kind !== "response") return null;
    if (came.error === null) this.given.push(came.params);
    return came;
  }
}

function failureOf(error: unknown): ResponseFrame["error"] {
  return typeof error === "string" ? { code: error.slice(0, 64), text: "said by a peer" } : null;
}

function factsOf(line: string): CallParams {
  try {
    return parseFacts(line);
  } catch (error) {
    if (error instanceof ClusterError && error.code === "peer_frame") return {};
    throw error;
  }
}

/** A node that asks, and what it was given so far. */
interface Asker {
  readonly calls: Calls;
  readonly timers: Timers;
  readonly given: readonly CallParams[];
}

const status = (): CoreStatus => STATUS;
const isIndex = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;

async function read({ calls, timers, given }: Asker): Promise<void> {
  const after = timers.after.bind(timers);
  const monotonicMs = (): number => timers.nowMs;
  const reads = new Reads({ id: "2", calls, status, readIndex: () => undefined, after, monotonicMs });
  reads.applied(APPLIED);
  await reads.barrier();
  const { index } = given.at(-1) ?? {};
  must(isIndex(index) && Number(index) <= APPLIED, `a read at ${JSON.stringify(index)}`);
}

async function agree({ calls, timers }: Asker): Promise<void> {
  const own = { nowMs: () => 5_000 + timers.nowMs, monotonicMs: () => timers.nowMs };
  const agreedMs = await new WallClocks("2", calls, own, () => ["1", "2", "3"]).agreedMs();
  must(agreedMs === null || (Number.isFinite(agreedMs) && agreedMs >= 0), `it is ${agreedMs}`);
}

async function report({ calls }: Asker): Promise<void> {
  const reports = await new MemberReports({ calls, status, isAlive: () => true }).ask();
  for (const [id, { matchIndex, alive }] of reports)
    must(isIndex(matchIndex) && typeof alive === "boolean", `node ${id} has ${matchIndex}, ${alive}`);
}

async function change({ calls, timers, given }: Asker, choice: number): Promise<void> {
  const membership = new Membership();
  membership.reset(1, { ...EMPTY_CONF_STATE, voters: ["1", "2", "3"] });
  const changes = new MemberChanges({
    ...{ id: "2", calls, membership, status, lastIndex: () => APPLIED },
    ...{ propose: () => null, transferLeader: () => undefined, met: () => undefined, isAlive: () => true },
    after: timers.after.bind(timers),
    monotonicMs: () => timers.nowMs,
  });
  if (choice === 0) {
    const leaderId = await changes.transfer("3");
    must(isNodeId(leaderId) && leaderId === given.at(-1)?.["leaderId"], `${leaderId} leads`);
  } else if (choice === 1) await changes.add("5", { peer: "e:5", tag: "t5", wantsVote: true });
  else if (choice === 2) await changes.promote("4");
  else await changes.remove("3");
}

/** All that a node asks of peers but snapshots, which have a target of their own. Each throws when something does not hold. */
const QUESTIONS: readonly ((asker: Asker) => Promise<void>)[] = [
  read,
  agree,
  report,
  ...[0, 1, 2, 3].map((choice) => (asker: Asker) => change(asker, choice)),
];

async function run(input: Buffer): Promise<void> {
  const timers = new Timers();
  const script = new Script(input.toString("utf8", 1));
  const calls = new Calls({
    group: 0,
    lastCall: 0,
    send: (to, frame) => {
      if (frame.kind !== "request") return;
      const answer = script.next(frame.call);
      if (answer !== null) queueMicrotask(() => calls.receive(to, answer));
    },
    after: timers.after.bind(timers),
  });
  const ask = QUESTIONS[(input[0] ?? 0) % QUESTIONS.length] ?? read;
  let outcome: { readonly error: unknown } | null = null;
  ask({ calls, timers, given: script.given }).then(
    () => {
      outcome = { error: null };
    },
    (error: unknown) => {
      outcome = { error };
    },
  );
  for (let timer = 0; outcome === null; timer += 1) {
    must(timer < TIMERS_MAX, "a question has no end");
    for (let turn = 0; turn < TURNS && outcome === null; turn += 1) await null;
    if (outcome === null) timers.runNext();
  }
  const { error } = outcome as { readonly error: unknown };
  if (error !== null && !(error instanceof ClusterError && CODES.has(error.code))) throw error;
}

const script = (question: number, ...answers: object[]): Buffer =>
  Buffer.concat([Buffer.from([question]), Buffer.from(answers.map((one) => JSON.stringify(one)).join("\n"))]);

export const target: Target = {
  name: "peer-answers",
  inputBytesMax: 512,
  seeds: () => [
    script(0, { params: { index: 4 } }),
    script(0, { params: {}, error: "no_leader" }, { params: { index: 10 } }),
    script(1, { params: { wallMs: 5_100 } }, { params: { wallMs: 9_000_000 } }),
    script(2, { params: { "1": { matchIndex: 9, alive: true }, "2": { matchIndex: 7, alive: false } } }),
    script(3, { params: { leaderId: "3" } }),
    script(3, { params: {}, error: "transfer_failed" }),
    ...[4, 5, 6].map((question) => script(question, { params: {}, error: "change_pending" }, { params: {} })),
  ],
  dictionary: [
    ...['"index":-1', '"index":0', '"index":1.5', '"index":9007199254740992', '"index":1e308', '"wallMs":-1'],
    ...['"leaderId":{}', '"leaderId":"0"', '"leaderId":"__proto__"', '"__proto__":{"matchIndex":1}'],
    ...['"toString":1', '"matchIndex":-1', '"alive":1', '"params":[]', "null", "\n"],
    ...["no_leader", "call_timeout", "member_unknown", "shutdown"].map((code) => `"error":"${code}"`),
  ],
  run,
};
