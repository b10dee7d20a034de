/**
 * The MQTT edge as a stranger sees it: bytes into a connection, in pieces as the first byte says, behind a good CONNECT or not as the second says.
 * Nothing is logged as an error, no refusal is one of ours, what is answered are packets, and when he is gone nothing of him is left.
 */
import { connectPacket as connect4, publishPacket, subscribePacket } from "../../mqtt/support/raw-client.js";
import { connectPacket as connect5 } from "../../mqtt/support/v5.js";
import { GOOD_PACKETS } from "../../unit/mqtt/packets/good-packets.js";
import { leave, mustHaveLoggedNothing, NodeForInputs, say, untilGone } from "../edges.js";
import { must, type Target } from "../target.js";

const CONNACK = 0x20;
/** Types that servers send (MQTT 5.0, 2.1.2). */
const SENT_TYPES: ReadonlySet<number> = new Set([2, 3, 4, 5, 6, 7, 9, 11, 13, 14, 15]);
const TURNS = 6;

const nodes = new NodeForInputs();

/** The types of the packets that were answered. Throws for bytes that are none. */
function typesOf(answered: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at < answered.length; ) {
    const type = (answered[at] ?? 0) >> 4;
    must(SENT_TYPES.has(type), `a packet of type ${type}`);
    let length = 0;
    let digits = 0;
    for (let shift = 1; ; shift *= 128) {
      const digit = answered[at + 1 + digits] ?? 0;
      digits += 1;
      length += (digit & 127) * shift;
      if (digit < 128) break;
      must(digits < 4, "a remaining length of more than four bytes");
    }
    types.push(type);
    at += 1 + digits + length;
    must(at <= answered.length, "a packet that is cut short");
  }
  return types;
}

async function run(input: Buffer): Promise<void> {
  const [pieces = 0, before = 0] = input;
  const node = await nodes.next();
  try {
    const socket = node.connectMqtt();
    const greeting =
      [Buffer.alloc(0), connect4("fuzz"), connect5("fuzz"), connect5("other")][before % 4] ?? Buffer.alloc(0);
    if (greeting.length > 0) await say(socket, greeting, greeting.length, 3);
    await say(socket, input.subarray(2), 1 + pieces * 4, TURNS);
    const answered = socket.received;
    const types = typesOf(answered);
    must(types.length === 0 || answered[0] === CONNACK, "something else came before CONNACK");
    must(types.filter((type) => type === 2).length <= 1, "two CONNACKs");
    await leave(socket);
    await untilGone(node);
    mustHaveLoggedNothing(node);
  } catch (error) {
    nodes.forget();
    throw error;
  }
}

function seeds(): Buffer[] {
  const all = ([4, 5] as const).flatMap((level) =>
    GOOD_PACKETS[level].map((packet) => Buffer.concat([Buffer.from([255, level === 4 ? 1 : 2]), packet])),
  );
  const own = [...GOOD_PACKETS[4], ...GOOD_PACKETS[5]].filter((packet) => packet[0] === 0x10);
  const opening = own.map((packet) => Buffer.concat([Buffer.from([255, 0]), packet]));
  const talk = Buffer.concat([
    Buffer.from([255, 1]),
    subscribePacket(1, 1, "a"),
    publishPacket("a", "x"),
    publishPacket("b", "y"),
  ]);
  const both = ([4, 5] as const).map((level) =>
    Buffer.concat([Buffer.from([3, level - 3]), ...GOOD_PACKETS[level].slice(1)]),
  );
  return [...all, ...opening, talk, ...both];
}

export const target: Target = {
  name: "mqtt-connection",
  inputBytesMax: 512,
  seeds,
  dictionary: [
    "MQTT",
    "a",
    "b/#",
    "+",
    "$share/g/a",
    "$SYS/#",
    Buffer.from([0x62, 2, 0, 1]),
    Buffer.from([0xe0, 0]),
    Buffer.from([0x23, 0, 1]),
  ],
  run,
};
