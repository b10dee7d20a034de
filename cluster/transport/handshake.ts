/**
 * How two nodes prove to each other who they are, before the first frame. No sockets and no time here: bodies in, bodies out.
 *
 *     dialer   -> HELLO      protocol versions, who it is, whom it looks for, which lane, a nonce
 *     acceptor -> CHALLENGE  its versions, who it is, a nonce, and a MAC over everything so far
 *     dialer   -> PROOF      a MAC over everything so far
 *     acceptor -> VERDICT    "" for welcome or the code of a refusal, a text, and a MAC over everything and that code
 *
 * A MAC is HMAC-SHA256 with the cluster's secret over a role's name, HELLO and CHALLENGE as they went over the wire. Both nonces are
 * in it, so an old proof proves nothing, and each role has its own name, so none can be sent back to who made it. Without a secret the key
 * is empty and the path the same: then it only keeps honest nodes of different clusters apart.
 *
 * Like Noise or TLS 1.3 with a pre-shared key in what it proves, but nothing after it is encrypted: whoever can change bytes between the
 * nodes needs TLS below (peer-sockets.ts) to be kept out.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { isNodeId, type NodeId } from "../types.js";
import { malformedFrame, PROTOCOL_VERSION, PROTOCOL_VERSION_OLDEST, parseFacts } from "./frame-codec.js";
import type { CallParams, Lane } from "./transport.js";

/** Why a node is not let in. Every one but `peer_unauthorized` is told only to who knows the secret. */
export type RefusalCode =
  | "peer_unauthorized"
  | "peer_version"
  | "wrong_cluster"
  | "wrong_node_id"
  | "member_unknown"
  | "member_removed"
  | "member_wiped";

/** What a node says of itself. */
export interface PeerIdentity {
  readonly id: NodeId;
  /** "" before it belongs to one. */
  readonly clusterId: string;
  /** Of its data directory. */
  readonly tag: string;
  /** `host:port` where it can be dialled. */
  readonly address: string;
}

/** What both sides of a handshake bring along. */
export interface HandshakeSelf extends PeerIdentity {
  /** The cluster's secret; empty for none. */
  readonly secret: Uint8Array;
}

/** What an acceptor made of a hello. */
export interface Admission {
  readonly peer: PeerIdentity;
  readonly lane: Lane;
  /** Null when it was let in. */
  readonly refusal: RefusalCode | null;
}

/** Decides on the membership of who has proved to know the secret: `null` lets it in. */
export type Admit = (peer: PeerIdentity) => RefusalCode | null;

interface Hello extends PeerIdentity {
  readonly to: NodeId;
  readonly lane: Lane;
  readonly oldest: number;
  readonly newest: number;
}

const MAGIC = "JGDA";
const NONCE_BYTES = 32;
const MAC_BYTES = 32;
const TEXT_LENGTH_MAX = 300;
const LANES: ReadonlySet<unknown> = new Set<Lane>(["control", "entries", "bulk"]);

/** What a refused node is told, beside the code. */
const REFUSAL_TEXTS: Readonly<Record<RefusalCode, string>> = {
  peer_unauthorized: "the cluster secrets differ: give all nodes the same --cluster-secret-file",
  peer_version: "the two nodes have no version of the peer protocol in common: upgrade the older one",
  wrong_cluster: "the two nodes belong to different clusters: look at the address that is dialled",
  wrong_node_id: "at the dialled address listens a node of another id: look at --initial-cluster or --join",
  member_unknown: "the node is no member: add it first, or wait until this node has heard of it",
  member_removed:
    "the node was removed, and ids are never used again: join with a new --node-id and an empty --data-dir",
  member_wiped:
    "the id belongs to another data directory: bring that back, or remove the member and join with a new --node-id",
};

/** The text that goes with a refusal's code. */
export function refusalText(code: RefusalCode): string {
  return REFUSAL_TEXTS[code];
}

/** A number that nobody can foresee. */
export function drawNonce(): Uint8Array {
  return randomBytes(NONCE_BYTES);
}

/** The dialing side: `hello`, then `answer` the challenge, then read the `verdict`. */
export class DialerHandshake {
  readonly #self: HandshakeSelf;
  readonly #hello: Buffer;
  #challenge: Buffer = Buffer.alloc(0);

  constructor(self: HandshakeSelf, to: NodeId, lane: Lane, nonce = drawNonce()) {
    this.#self = self;
    this.#hello = toJson({
      magic: MAGIC,
      oldest: PROTOCOL_VERSION_OLDEST,
      newest: PROTOCOL_VERSION,
      ...namesOf(self),
      to,
      lane,
      nonce: Buffer.from(nonce).toString("hex"),
    });
  }

  get hello(): Uint8Array {
    return this.#hello;
  }

  /** The proof to send, and who the acceptor is; `null` when it does not know the secret, and what it says is nobody's word. */
  answer(content: Buffer): { readonly proof: Uint8Array; readonly peer: PeerIdentity } | null {
    const [challenge, mac] = splitMac(content);
    const peer = readChallenge(challenge);
    this.#challenge = challenge;
    return isEqual(mac, this.#mac("acceptor")) ? { proof: this.#mac("dialer"), peer } : null;
  }

  /**
   * Whether the node was let in: null, or why not. Throws `peer_frame` for a verdict that is not the acceptor's own; only that of a
   * failed proof cannot carry its signature.
   */
  verdict(content: Buffer): { readonly code: RefusalCode; readonly text: string } | null {
    const [verdict, mac] = splitMac(content);
    const { code, text } = parseFacts(verdict.toString("utf8"));
    const isSigned = isEqual(mac, this.#mac(`verdict ${code}`));
    if (!isSigned && code !== "peer_unauthorized") throw malformedFrame("verdict");
    if (code === "") return null;
    if (!isRefusalCode(code)) throw malformedFrame("verdict");
    return { code, text: isText(text) ? text : REFUSAL_TEXTS[code] };
  }

  #mac(role: string): Buffer {
    return macOf(this.#self.secret, role, this.#hello, this.#challenge);
  }
}

/** The accepting side: `challenge` whoever says hello, then `judge` the proof. */
export class AcceptorHandshake {
  readonly #self: HandshakeSelf;
  readonly #nonce: Uint8Array;
  #hello: Buffer = Buffer.alloc(0);
  #challenge: Buffer = Buffer.alloc(0);
  #dialer: Hello | null = null;

  constructor(self: HandshakeSelf, nonce = drawNonce()) {
    this.#self = self;
    this.#nonce = nonce;
  }

  /** The challenge to send. Throws `peer_frame` for what is no hello. */
  challenge(content: Buffer): Uint8Array {
    this.#dialer = readHello(content);
    this.#hello = content;
    this.#challenge = toJson({
      oldest: PROTOCOL_VERSION_OLDEST,
      newest: PROTOCOL_VERSION,
      ...namesOf(this.#self),
      nonce: Buffer.from(this.#nonce).toString("hex"),
    });
    return Buffer.concat([this.#challenge, this.#mac("acceptor")]);
  }

  /** The verdict to send, and whom it is about. A wrong proof is the dialer's last word, whatever else it claims. */
  judge(proof: Buffer, admit: Admit): { readonly verdict: Uint8Array; readonly admission: Admission } {
    const dialer = this.#dialer;
    if (dialer === null) throw malformedFrame("proof before hello");
    const refusal = isEqual(proof, this.#mac("dialer"))
      ? this.#refusalOf(dialer, admit)
      : "peer_unauthorized";
    const code = refusal ?? "";
    const text = refusal === null ? "" : REFUSAL_TEXTS[refusal];
    const { id, clusterId, tag, address, lane } = dialer;
    return {
      verdict: Buffer.concat([toJson({ code, text }), this.#mac(`verdict ${code}`)]),
      admission: { peer: { id, clusterId, tag, address }, lane, refusal },
    };
  }

  #refusalOf(dialer: Hello, admit: Admit): RefusalCode | null {
    const { id, clusterId, tag, address, oldest, newest } = dialer;
    if (oldest > PROTOCOL_VERSION || newest < PROTOCOL_VERSION_OLDEST) return "peer_version";
    if (isOtherCluster(this.#self, dialer)) return "wrong_cluster";
    if (dialer.to !== this.#self.id || id === this.#self.id) return "wrong_node_id";
    return admit({ id, clusterId, tag, address });
  }

  #mac(role: string): Buffer {
    return macOf(this.#self.secret, role, this.#hello, this.#challenge);
  }
}

function namesOf({ id, clusterId, tag, address }: PeerIdentity): PeerIdentity {
  return { id, clusterId, tag, address };
}

function isOtherCluster(self: PeerIdentity, peer: PeerIdentity): boolean {
  return self.clusterId !== "" && peer.clusterId !== "" && self.clusterId !== peer.clusterId;
}

function macOf(secret: Uint8Array, role: string, hello: Buffer, challenge: Buffer): Buffer {
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32LE(hello.byteLength, 0);
  lengths.writeUInt32LE(challenge.byteLength, 4);
  // The lengths keep two different pairs from being the same bytes; the role ends at the only line break.
  const mac = createHmac("sha256", secret).update(`${MAGIC} ${role}\n`).update(lengths);
  return mac.update(hello).update(challenge).digest();
}

function isEqual(mac: Uint8Array, expected: Uint8Array): boolean {
  return mac.byteLength === expected.byteLength && timingSafeEqual(mac, expected);
}

function splitMac(content: Buffer): [Buffer, Buffer] {
  if (content.byteLength < MAC_BYTES) throw malformedFrame("it ends too early");
  const end = content.byteLength - MAC_BYTES;
  return [content.subarray(0, end), content.subarray(end)];
}

function toJson(facts: CallParams): Buffer {
  return Buffer.from(JSON.stringify(facts), "utf8");
}

function readHello(content: Buffer): Hello {
  const facts = parseFacts(content.toString("utf8"));
  const { magic, to, lane } = facts;
  if (magic !== MAGIC) throw malformedFrame("magic");
  if (!isNodeId(to) || !isLane(lane)) throw malformedFrame("hello");
  return { ...readIdentity(facts), ...readVersions(facts), to, lane };
}

/** Whether the versions of both have one in common is the acceptor's to say. */
function readChallenge(content: Buffer): PeerIdentity {
  const facts = parseFacts(content.toString("utf8"));
  readVersions(facts);
  return readIdentity(facts);
}

function readIdentity({ id, clusterId, tag, address, nonce }: CallParams): PeerIdentity {
  if (!isNodeId(id) || !isText(clusterId) || !isText(tag) || !isText(address))
    throw malformedFrame("identity");
  if (typeof nonce !== "string" || !/^[0-9a-f]{32,128}$/.test(nonce)) throw malformedFrame("nonce");
  return { id, clusterId, tag, address };
}

function readVersions({ oldest, newest }: CallParams): { oldest: number; newest: number } {
  if (!isVersion(oldest) || !isVersion(newest) || oldest > newest) throw malformedFrame("versions");
  return { oldest, newest };
}

function isVersion(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

function isLane(value: unknown): value is Lane {
  return LANES.has(value);
}

/** Printable ASCII of a sane length: it ends up in logs and in the roster. */
function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= TEXT_LENGTH_MAX && /^[\x20-\x7e]*$/.test(value);
}

function isRefusalCode(value: unknown): value is RefusalCode {
  return typeof value === "string" && Object.hasOwn(REFUSAL_TEXTS, value);
}
