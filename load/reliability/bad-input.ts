/**
 * Classes of input that real brokers fell to: which tests send it, protocol by protocol. Where a class has no test it says why: there is
 * no such thing in the protocol, or none yet in the product.
 */

/** A test: its file, and words that stand in it. */
export interface Tried {
  readonly file: string;
  readonly words: string;
}

export interface BadInput {
  readonly input: string;
  /** Tests by protocol, or why there are none. */
  readonly mqtt: readonly Tried[] | string;
  readonly webSocket: readonly Tried[] | string;
  readonly http: readonly Tried[] | string;
}

export interface PeerInput {
  readonly input: string;
  readonly tried: readonly Tried[];
}

const tried =
  (file: string) =>
  (...words: string[]): readonly Tried[] =>
    words.map((one) => ({ file, words: one }));

const malformed = tried("test/mqtt/malformed.test.ts");
const connect = tried("test/unit/mqtt/packets/connect.test.ts");
const inTime = tried("test/mqtt/time.test.ts");
const qos2 = tried("test/mqtt/publish-qos-2.test.ts");
const packetsInside = tried("test/bad-input/packets-in-websockets.test.ts");
const frames = tried("test/http/websocket.test.ts");
const opening = tried("test/http/websocket-handshake.test.ts");
const slow = tried("test/bad-input/slow-strangers.test.ts");
const names = tried("test/bad-input/names.test.ts");
const numbers = tried("test/bad-input/numbers.test.ts");
const json = tried("test/bad-input/json-bodies.test.ts");
const lineEnds = tried("test/bad-input/line-ends.test.ts");
const http = tried("test/http/bad-input.test.ts");
const publish = tried("test/http/publish.test.ts");
const peers = tried("test/unit/cluster/transport/strangers.test.ts");
const handshake = tried("test/unit/cluster/transport/handshake.test.ts");

const NO_ACCESS = "not there: no authentication and no access control yet";
const NO_TOKENS = "not there: no tokens yet";
const AS_MQTT = "the packets of MQTT: its tests";
const NO_QOS = "no such thing: a publish is one request";

export const BAD_INPUT: readonly BadInput[] = [
  {
    input: "a huge remaining length, or a CONNECT that never ends",
    mqtt: [
      ...malformed(
        "a CONNECT of 256 MiB, refused by its header alone",
        "a huge PUBLISH, refused by its header alone",
      ),
      ...inTime("a CONNECT that trickles in is cut off at the same time"),
    ],
    webSocket: [
      ...packetsInside("a CONNECT of 256 MiB, refused by its header alone"),
      ...frames("a message without an end"),
      ...slow("a CONNECT of a byte a message"),
    ],
    http: [...http("a length beyond numbers"), ...publish("that comes in chunks without end is cut off")],
  },
  {
    input: "slowloris, abuse of keep-alive",
    mqtt: inTime("a stranger that says nothing is closed", "bytes that make no packet do not count as life"),
    webSocket: slow(
      "a WebSocket handshake whose headers never end",
      "pings alone",
      "fragments of one message",
    ),
    http: [
      ...http("a byte now and then buys no time (slowloris)"),
      ...slow(
        "a body in chunks of one byte without an end",
        "a connection that is kept alive gets no more time for its next request than a new one",
        "hundreds of them are gone together, and who comes meanwhile is answered",
      ),
      ...tried("test/http/pipelining.test.ts")(
        "more than may wait are refused, and the connection ends behind the answers",
      ),
      ...tried("test/http/unread-answers.test.ts")("pages that nobody reads"),
    ],
  },
  {
    input: "an empty topic, a very deep one, NUL, bad UTF-8",
    mqtt: malformed(
      "PUBLISH with an empty topic (MQTT-4.7.3-1)",
      "PUBLISH at QoS 1 to a topic that is too deep",
      "PUBLISH to a topic with NUL (MQTT-1.5.3-2)",
      "PUBLISH to a topic that is not UTF-8 (MQTT-1.5.3-1)",
    ),
    webSocket: packetsInside(
      "PUBLISH with an empty topic",
      "PUBLISH at QoS 1 to a topic that is too deep",
      "PUBLISH to a topic with NUL",
      "PUBLISH to a topic that is not UTF-8",
    ),
    http: [
      ...publish("an empty topic is no topic", "NUL"),
      ...tried("test/http/topics.test.ts")("too deep a name"),
      ...http("/topics/%c0%80/messages"),
      ...json("a name that is not UTF-8"),
    ],
  },
  {
    input: "packets in the wrong direction, reserved bits, packet id 0, QoS 3",
    mqtt: malformed(
      "CONNACK, which servers send (2.2.1)",
      "PINGREQ with reserved flags (MQTT-2.2.2-2)",
      "PUBLISH with packet id 0 (MQTT-2.3.1-1)",
      "PUBLISH at QoS 3 (MQTT-3.3.1-4)",
    ),
    webSocket: [
      ...packetsInside("CONNACK, which servers send", "PUBLISH with packet id 0", "PUBLISH at QoS 3"),
      ...frames("a reserved opcode", "a frame that is not masked"),
    ],
    http: publish("QoS 3, which is none"),
  },
  {
    input: "QoS 2 identifiers again and again without PUBREL",
    mqtt: qos2(
      "the same identifier before PUBREL is the same message, with DUP or without (MQTT-4.3.3-10)",
      "Receive Maximum (MQTT-3.3.4-9)",
    ),
    webSocket: AS_MQTT,
    http: NO_QOS,
  },
  {
    input: "bad will properties",
    mqtt: [
      ...malformed(
        "will QoS 3 (MQTT-3.1.2-14)",
        "a will topic with a wildcard",
        "a will topic of the broker's own",
      ),
      ...connect(
        "a payload of the will that is said to be UTF-8 and is not (3.1.3.2.3)",
        "no properties of the will",
        "holds the ceilings of a will's properties",
      ),
      ...tried("test/unit/mqtt/packets/properties.test.ts")("an empty response topic of a will"),
    ],
    webSocket: packetsInside("will QoS 3", "a will topic of the broker's own"),
    http: "no such thing: no wills",
  },
  {
    input: "`#`, `+` or `/` in client ids and user names",
    mqtt: names(
      "as client id and user name is that of one client, listed, and disconnected by it alone",
      "opens nothing that is closed, and gets nobody else's messages",
    ),
    webSocket: AS_MQTT,
    http: names("as client id and user name is that of one client, listed, and disconnected by it alone"),
  },
  {
    input: "`$` topics",
    mqtt: [
      ...malformed("PUBLISH to a $ topic is acknowledged, dropped and counted (MQTT-3.3.5-2)"),
      ...tried("test/unit/topics/topic-name.test.ts")("$SYS/broker/load"),
    ],
    webSocket: AS_MQTT,
    http: [
      ...publish("a topic of the broker's own"),
      ...tried("test/sse/resuming.test.ts")("/topics/%24SYS%2Fx/stream"),
    ],
  },
  {
    input: "hijack of a client id",
    mqtt: names("a client id that is in use goes to who comes last, and the first is closed"),
    webSocket: tried("test/mqtt/websocket.test.ts")(
      "a client is listed with its address, disconnected by its id, and taken over from TCP",
    ),
    http: names(
      "%s is the id of nobody: nothing is disconnected, nothing is forgotten",
      "the session of %s is forgotten, and no other",
    ),
  },
  {
    input:
      "access skipped on retained messages, replay, wills or after it was taken away; rules that fail open",
    mqtt: NO_ACCESS,
    webSocket: NO_ACCESS,
    http: NO_ACCESS,
  },
  {
    input: "browser pages of foreign origins",
    mqtt: "no such thing: browsers do not speak it",
    webSocket: opening("a foreign origin", "the node's host as a prefix"),
    http: tried("test/http/operations.test.ts")(
      "may change nothing when they are not on the list, also by what a browser sends unasked",
    ),
  },
  {
    input: "compressed WebSocket bombs",
    mqtt: "no such thing",
    webSocket: [
      ...opening("answers the key, chooses the subprotocol and no extension (MQTT-6.0.0-4)"),
      ...frames("a compressed message, though nothing of the kind was agreed on"),
      ...packetsInside("fragments of one byte without an end"),
    ],
    http: publish("an encoded body would not be kept as it is: 415"),
  },
  {
    input: "CR and LF in event ids, events and data, in headers and names",
    mqtt: names("in a client id (%s) are refused as such"),
    webSocket: AS_MQTT,
    http: [
      ...lineEnds(
        "are escaped in the headers of an answer",
        "make one event of one message in a stream",
        "GET %s is %s, with no header of its own",
      ),
      ...tried("test/sse/framing.test.ts")("line ends in a payload make no fields, ids or events"),
    ],
  },
  { input: "a malformed JWT", mqtt: NO_TOKENS, webSocket: NO_TOKENS, http: NO_TOKENS },
  {
    input: "numbers beyond numbers, in pages and elsewhere",
    mqtt: "no such thing: numbers are of fixed width",
    webSocket: frames(
      "a length that no double holds",
      "a length whose lower half is small",
      "a length with the highest bit, which must be 0 (RFC 6455, 5.2)",
    ),
    http: [
      ...numbers("%s is none, on every route", "%s is none of ours, in history and in streams"),
      ...json("a number that no double holds"),
    ],
  },
  {
    input: "headers and bodies above what is allowed",
    mqtt: malformed(
      "a CONNECT above 64 KiB, refused by its header alone",
      "a payload above the ceiling under a short topic",
    ),
    webSocket: [
      ...frames("a message above the ceiling, as soon as it is announced"),
      ...tried("test/unit/http/websocket-stream.test.ts")(
        "a message that grows longer than a CONNECT may be is read on when the client was answered",
      ),
    ],
    http: [
      ...http("of headers is 431", "of a path is 431, and up to there an invalid topic"),
      ...publish("that is announced is refused before it is sent"),
      ...json("lists in lists"),
    ],
  },
  {
    input: "paths that climb out of static files",
    mqtt: "no such thing",
    webSocket: "no such thing",
    http: [...lineEnds("there are no static files to climb out of"), ...http("/%2e%2e/%2e%2e/etc/passwd")],
  },
];

/** The same of the port between nodes. */
export const PEER_INPUT: readonly PeerInput[] = [
  {
    input: "other protocols: HTTP, TLS, MQTT, WebSocket, noise",
    tried: peers(
      "an HTTP request",
      "a TLS hello",
      "a CONNECT of MQTT",
      "the handshake of a WebSocket",
      "random bytes",
    ),
  },
  { input: "a frame of a huge length", tried: peers("a huge length", "a length past the ceiling") },
  {
    input: "a handshake that is held open by half, bytes that trickle",
    tried: peers("stops after the hello", "sends one byte now and then"),
  },
  {
    input: "more connections than are taken",
    tried: peers("cannot lock a peer out, however many of it there are"),
  },
  {
    input: "control characters in what a peer says of itself",
    tried: handshake("a line break in the tag", "an escape sequence in the address", "NUL in the id"),
  },
  {
    input: "frames before any proof, a wrong proof",
    tried: peers(
      "a frame before any hello",
      "with a wrong proof hears peer_unauthorized and no word on the membership",
    ),
  },
  {
    input:
      "from a member that is let in: a batch for the log that nobody can read, Raft messages that are for a node's own core",
    tried: [
      ...tried("test/bad-input/proposals.test.ts")("an envelope of a later release", "noise"),
      ...tried("test/unit/cluster/message-codec.test.ts")("a proposal, which has a frame of its own"),
    ],
  },
];
