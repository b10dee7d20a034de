/**
 * A snapshot on its way between two nodes, against a peer that lists, sends and asks anything. The receiver ends, keeps only what is whole by the
 * list's own checksums, and asks for nothing without end; the sender answers every question once, in our own codes.
 */
import { Calls } from "../../../cluster/calls.js";
import { ClusterError } from "../../../cluster/errors.js";
import { MemorySnapshotStore } from "../../../cluster/log/memory-snapshot-store.js";
import { SnapshotReceiver } from "../../../cluster/snapshot-receiver.js";
import { SNAPSHOT_METHODS, SnapshotSender } from "../../../cluster/snapshot-sender.js";
import { parseFacts } from "../../../cluster/transport/frame-codec.js";
import type {
  CallParams,
  PeerFrame,
  RequestFrame,
  ResponseFrame,
} from "../../../cluster/transport/transport.js";
import { EMPTY_CONF_STATE, type PeerMessage, type SnapshotMeta } from "../../../cluster/types.js";
import { must, type Target } from "../target.js";

const META: SnapshotMeta = { index: 50, term: 2, confState: { ...EMPTY_CONF_STATE, voters: ["1", "2"] } };
const OFFER: PeerMessage = {
  kind: 7,
  to: "2",
  from: "1",
  term: 2,
  logTerm: 0,
  index: 0,
  entries: [],
  commit: 0,
  snapshot: META,
  reject: false,
  rejectHint: 0,
  context: "",
};
/** CRC-32 of "hello" and of "world!". */
const FILES = [
  { name: "state.bin", bytes: 5, crc: 907_060_870 },
  { name: "00000001.seg", bytes: 6, crc: 1_904_515_304 },
];
const TURNS_MAX = 2_000;

/** Runs at once what was to be run later, so that no waiting is left behind. */
function soon(_delayMs: number, task: () => void): () => void {
  let isCancelled = false;
  setImmediate(() => {
    if (!isCancelled) task();
  });
  return () => {
    isCancelled = true;
  };
}

const never = (): (() => void) => () => undefined;

/** The list (JSON, u16 length in front), then pieces (u8 length in front), in the order in which they are asked for. */
class Script {
  readonly listing: CallParams;
  #rest: Buffer;

  constructor(input: Buffer) {
    const end = Math.min(input.length, 2 + (input.length < 2 ? 0 : input.readUInt16LE(0)));
    this.listing = parseFacts(input.toString("utf8", 2, end));
    this.#rest = input.subarray(end);
  }

  piece(): Buffer {
    const end = 1 + (this.#rest[0] ?? 0);
    const piece = this.#rest.subarray(1, end);
    this.#rest = this.#rest.subarray(end);
    return piece;
  }
}

async function receive(input: Buffer): Promise<void> {
  const script = new Script(input);
  let asked = 0;
  let failures = 0;
  const answer = ({ call, method }: RequestFrame): void => {
    asked += 1;
    const params = method === SNAPSHOT_METHODS.open ? script.listing : {};
    const bytes = method === SNAPSHOT_METHODS.read ? script.piece() : Buffer.alloc(0);
    calls.receive("1", { kind: "response", group: 0, call, isBulk: false, params, error: null, bytes });
  };
  const send = (_to: string, frame: PeerFrame): void => {
    if (frame.kind === "request") queueMicrotask(() => answer(frame));
  };
  const calls = new Calls({ group: 0, lastCall: 0, send, after: never });
  const snapshots = new MemorySnapshotStore();
  const ready: PeerMessage[] = [];
  const receiver = new SnapshotReceiver({
    calls,
    snapshots,
    idle: async () => undefined,
    onReady: (offer) => ready.push(offer),
    after: soon,
    onWarning: () => {
      failures += 1;
    },
  });
  receiver.offered(OFFER);
  await settled(receiver);
  must(ready.length + failures === 1, "a transfer ended without an outcome, or with two");
  must(asked < 20 + input.length, "more was asked for than came");
  await snapshots.latest()?.verify();
  must(
    ready.length === 0 || (snapshots.latest()?.meta.index ?? 0) >= META.index,
    "an older snapshot was taken for the offered one",
  );
}

async function settled(receiver: SnapshotReceiver): Promise<void> {
  for (let turn = 0; receiver.isReceiving; turn += 1) {
    must(turn < TURNS_MAX, "a transfer has no end");
    await null;
  }
}

const KNOWN_CODES = /^[a-z_]+$/;

/** Questions to the sender: JSON a line. */
async function send(input: Buffer): Promise<void> {
  const answers: ResponseFrame[] = [];
  const calls = new Calls({
    group: 0,
    lastCall: 0,
    send: (_to, frame) => {
      if (frame.kind === "response") answers.push(frame);
    },
    after: never,
  });
  const snapshots = new MemorySnapshotStore();
  await snapshots.create(META, async (sink) => sink.write("state.bin", Buffer.from("hello")));
  const sender = new SnapshotSender({
    calls,
    snapshots,
    bytesPerSecondMax: 1e9,
    after: soon,
    monotonicMs: () => 0,
    onFailed: () => undefined,
    onInstalled: () => undefined,
    onDamaged: () => undefined,
  });
  sender.offered("2", META.index);
  let questions = 0;
  for (const line of input.toString("utf8").split("\n").slice(0, 16)) {
    const { method, params } = parseFacts(line);
    if (typeof method !== "string" || typeof params !== "object" || params === null) continue;
    questions += 1;
    calls.receive("2", {
      kind: "request",
      group: 0,
      call: questions,
      method,
      params: { ...params },
      isBulk: false,
    });
    for (let turn = 0; answers.length < questions && turn < 50; turn += 1) await null;
  }
  for (let turn = 0; answers.length < questions && turn < 3; turn += 1)
    await new Promise((resolve) => setImmediate(resolve));
  must(answers.length === questions, "a question without an answer");
  for (const { error, bytes } of answers) {
    must(error === null || KNOWN_CODES.test(error.code), "an answer with a code that is none");
    must(bytes.length <= 5, "more bytes than there are");
  }
  must(
    sender.neededFrom() === null || sender.neededFrom() === META.index + 1,
    "the log is held at a place that nobody needs",
  );
  sender.stop();
}

function script(listing: object, ...pieces: string[]): Buffer {
  const json = Buffer.from(JSON.stringify(listing));
  const head = Buffer.from([0, json.length & 255, json.length >> 8]);
  return Buffer.concat([
    head,
    json,
    ...pieces.map((piece) => Buffer.concat([Buffer.from([piece.length]), Buffer.from(piece)])),
  ]);
}

const question = (method: string, params: object): string => JSON.stringify({ method, params });

export const target: Target = {
  name: "peer-snapshot",
  inputBytesMax: 1_024,
  seeds: () => [
    script({ meta: META, files: FILES.slice(0, 1), pieceBytes: 5 }, "hello"),
    script({ meta: META, files: FILES.slice(0, 1), pieceBytes: 2 }, "he", "ll", "o"),
    script({ meta: META, files: FILES, pieceBytes: 3 }, "hel", "lo", "wor", "ld!"),
    script({ meta: { ...META, index: 60 }, files: [], pieceBytes: 1 }),
    Buffer.from(
      `\x01${[question("snapshot-open", {}), question("snapshot-read", { index: 50, name: "state.bin", offset: 1 }), question("snapshot-close", { isComplete: true }), question("snapshot-close", { isComplete: true, isInstalled: true })].join("\n")}`,
    ),
    Buffer.from(`\x01${question("snapshot-close", {})}`),
  ],
  dictionary: [
    '"name":"manifest.json"',
    '"name":"../x"',
    '"bytes":0',
    '"crc":0',
    "state.bin",
    '"offset":-1',
    "9007199254740991",
    "\n",
  ],
  run: async (input) => {
    const [choice = 0] = input;
    try {
      if ((choice & 1) === 0) await receive(input.subarray(1));
      else await send(input.subarray(1));
    } catch (error) {
      // Of the script itself: what is no JSON object is not said.
      if (!(error instanceof ClusterError) || error.code !== "peer_frame") throw error;
    }
  },
};
