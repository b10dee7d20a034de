/**
 * The MQTT edge as a stranger sees it. The first byte says in which pieces he sends, the second how he is connected already, the third after how much of the
 * rest others publish; `IDS` stands for an identifier of what he was sent then. Nothing is logged as an error, what is answered are packets, and when he is
 * gone nothing of him is left.
 */
import { connectPacket as connect4, publishPacket, subscribePacket } from "../../mqtt/support/raw-client.js";
import { connectPacket as connect5, KEPT, subscribePacket as subscribe5 } from "../../mqtt/support/v5.js";
import { GOOD_PACKETS } from "../../unit/mqtt/packets/good-packets.js";
import { leave, mustHaveLoggedNothing, NodeForInputs, publishToAll, say, untilGone } from "../edges.js";
import { must, type Target } from "../target.js";

const CONNACK = 2;
const PUBLISH = 3;
/** Types that servers send (MQTT 5.0, 2.1.2). */
const SENT_TYPES: ReadonlySet<number> = new Set([2, 3, 4, 5, 6, 7, 9, 11, 13, 14, 15]);
const TURNS = 4;
/** In the second byte: nobody publishes, which saves half of the time where nobody would get it. */
const SILENT = 0x80;
/** Followed by a number: the identifier of that delivery. */
const IDS = 0xfa;

const GREETINGS: readonly Buffer[] = [
  Buffer.alloc(0),
  connect4("fuzz"),
  connect5("fuzz"),
  connect5("kept", KEPT),
  connect5("small", { properties: "21 00 01 27 00 00 00 40 22 00 02" }),
  connect5("will", { flags: 0x2e, rest: "00 00 01 'a' 00 01 'w'" }),
];

const nodes = new NodeForInputs({ hasHttp: false });

interface Answer {
  readonly type: number;
  /** 0 for none. */
  readonly packetId: number;
}

/** The packets that were answered. Throws for bytes that are none. */
function answersOf(bytes: Buffer): Answer[] {
  const found: Answer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at] ?? 0;
    const type = first >> 4;
    must(SENT_TYPES.has(type), `a packet of type ${type}`);
    let length = 0;
    let digits = 0;
    for (let unit = 1; ; unit *= 128) {
      const digit = bytes[at + 1 + digits] ?? 0;
      digits += 1;
      length += (digit & 127) * unit;
      if (digit < 128) break;
      must(digits < 4, "a remaining length of more than four bytes");
    }
    const body = at + 1 + digits;
    must(body + length <= bytes.length, "a packet that is cut short");
    const hasId = type === PUBLISH && (first & 6) !== 0;
    found.push({ type, packetId: hasId ? bytes.readUInt16BE(body + 2 + bytes.readUInt16BE(body)) : 0 });
    at = body + length;
  }
  return found;
}

function withIds(bytes: Buffer, answers: readonly Answer[]): Buffer {
  const ids = answers.flatMap(({ packetId }) => (packetId === 0 ? [] : [packetId]));
  const filled = Buffer.from(bytes);
  for (let at = filled.indexOf(IDS); at !== -1 && at + 1 < filled.length; at = filled.indexOf(IDS, at + 2)) {
    const id = ids[(filled[at + 1] ?? 0) % ids.length];
    if (id !== undefined) filled.writeUInt16BE(id, at);
  }
  return filled;
}

async function run(input: Buffer): Promise<void> {
  const [pieces = 0, before = 0, share = 0] = input;
  const script = input.subarray(3);
  const node = await nodes.next();
  try {
    const socket = node.connect();
    const greeting = GREETINGS[(before & ~SILENT) % GREETINGS.length] ?? Buffer.alloc(0);
    if (greeting.length > 0) await say(socket, greeting, greeting.length, 3);
    const cut = Math.min(script.length, share * 2);
    await say(socket, script.subarray(0, cut), 1 + pieces * 4, TURNS);
    if ((before & SILENT) === 0) await publishToAll(node);
    await say(socket, withIds(script.subarray(cut), answersOf(socket.received)), 1 + pieces * 4, TURNS);
    const answers = answersOf(socket.received);
    must((answers[0]?.type ?? CONNACK) === CONNACK, "something else came before CONNACK");
    must(answers.filter(({ type }) => type === CONNACK).length <= 1, "two CONNACKs");
    await leave(socket);
    await untilGone(node);
    mustHaveLoggedNothing(node);
  } catch (error) {
    nodes.forget();
    throw error;
  }
}

const ack = (first: number, nth: number): Buffer => Buffer.from([first, 2, IDS, nth]);

/** What is said before others publish, an even number of bytes, and what after it. */
function scene(greeting: number, before: readonly Buffer[], after: readonly Buffer[] = []): Buffer {
  const first = Buffer.concat(before);
  const share = Math.floor(first.length / 2);
  // A last odd byte is said with what comes after.
  return Buffer.concat([Buffer.from([255, greeting, share]), first, ...after]);
}

const PING = Buffer.from([0xc0, 0]);

function seeds(): Buffer[] {
  const all = ([4, 5] as const).flatMap((level) =>
    GOOD_PACKETS[level].map((packet) => scene(level - 3, [packet])),
  );
  const opening = [...GOOD_PACKETS[4], ...GOOD_PACKETS[5]].filter((packet) => packet[0] === 0x10);
  const talk = [subscribePacket(1, 1, "a"), publishPacket("a", "x"), publishPacket("b", "y")];
  const taken = [ack(0x50, 0), ack(0x70, 0), ack(0x40, 1), PING];
  const unsubscribe = Buffer.from([0xa2, 6, 0, 9, 0, 2, 0x61, 0x23]);
  return [
    ...all,
    ...opening.map((packet) => scene(SILENT, [packet])),
    scene(1, talk),
    scene(1, [subscribePacket(1, 2, "a", "a/#", "+/b")], taken),
    scene(
      2,
      [
        subscribe5(
          1,
          [
            ["a", 2],
            ["a/#", 1],
          ],
          "0b 05",
        ),
      ],
      taken,
    ),
    scene(3, [subscribe5(1, [["#", 2]])], [ack(0x50, 0), ack(0x70, 0), unsubscribe]),
    scene(
      4,
      [
        subscribe5(1, [
          ["a", 0x2c | 2],
          ["a/b", 1],
        ]),
      ],
      taken,
    ),
    scene(
      5,
      [
        subscribe5(1, [
          ["$share/g/a", 2],
          ["$share/g/a/b", 1],
        ]),
      ],
      taken,
    ),
    scene(
      1,
      [publishPacket("a", "x", 7, 4), publishPacket("a", "x", 7, 12)],
      [Buffer.from([0x62, 2, 0, 7]), Buffer.from([0x62, 2, 0, 7])],
    ),
  ];
}

export const target: Target = {
  name: "mqtt-connection",
  inputBytesMax: 384,
  seeds,
  dictionary: [
    "MQTT",
    "a",
    "a/b",
    "a/#",
    "+",
    "$share/g/a",
    "$SYS/#",
    Buffer.from([0x62, 2, 0, 7]),
    Buffer.from([0xe0, 0]),
    Buffer.from([0x23, 0, 1]),
    ack(0x40, 0),
    ack(0x50, 0),
    ack(0x70, 0),
    ack(0x50, 1),
    PING,
  ],
  run,
};
