/**
 * Both sides of the handshake between peers, against somebody who says anything, and who may know the secret. Only `peer_frame` is thrown; nobody
 * is let in, or believed, without the right proof.
 */
import { createHmac } from "node:crypto";
import { ClusterError } from "../../../cluster/errors.js";
import {
  AcceptorHandshake,
  DialerHandshake,
  type HandshakeSelf,
} from "../../../cluster/transport/handshake.js";
import { must, type Target } from "../target.js";

const SECRET = Buffer.from("a secret of the cluster");
const MAC_BYTES = 32;
const NONCE = Buffer.alloc(32, 7);

const ACCEPTOR: HandshakeSelf = { id: "1", clusterId: "c", tag: "t1", address: "a:1", secret: SECRET };
const DIALER: HandshakeSelf = { id: "2", clusterId: "c", tag: "t2", address: "b:2", secret: SECRET };

/** As the handshake has it, written apart. */
function macOf(role: string, hello: Uint8Array, challenge: Uint8Array): Buffer {
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32LE(hello.byteLength, 0);
  lengths.writeUInt32LE(challenge.byteLength, 4);
  return createHmac("sha256", SECRET)
    .update(`JGDA ${role}\n`)
    .update(lengths)
    .update(hello)
    .update(challenge)
    .digest();
}

/** A part with its length (u16) in front, and what follows it. */
function split(bytes: Buffer): [Buffer, Buffer] {
  if (bytes.length < 2) return [bytes, Buffer.alloc(0)];
  const end = Math.min(bytes.length, 2 + bytes.readUInt16LE(0));
  return [bytes.subarray(2, end), bytes.subarray(end)];
}

function joined(choice: number, first: Uint8Array, rest: Uint8Array): Buffer {
  const head = Buffer.from([choice, first.length & 255, first.length >> 8]);
  return Buffer.concat([head, first, rest]);
}

/** Somebody says hello and then proves himself, or not. */
function accept(hello: Buffer, said: Buffer, knowsSecret: boolean): void {
  const acceptor = new AcceptorHandshake(ACCEPTOR, NONCE);
  const answer = acceptor.challenge(hello);
  const challenge = answer.subarray(0, answer.length - MAC_BYTES);
  const right = macOf("dialer", hello, challenge);
  const proof = knowsSecret ? right : said;
  const { admission } = acceptor.judge(proof, ({ id }) => (id === "3" ? "member_removed" : null));
  must(
    admission.refusal === "peer_unauthorized" || right.equals(proof),
    "somebody without the secret was judged further",
  );
  must(/^[1-9]\d{0,15}$/.test(admission.peer.id), "a peer whose id is none");
  must(
    admission.refusal !== null || admission.peer.id !== ACCEPTOR.id,
    "somebody under the own id was let in",
  );
}

/** Somebody answers a dialer with a challenge and a verdict. */
function dial(challenge: Buffer, verdict: Buffer, knowsSecret: boolean): void {
  const dialer = new DialerHandshake(DIALER, "1", "control", NONCE);
  const mac = macOf("acceptor", dialer.hello, challenge);
  const answered = dialer.answer(knowsSecret ? Buffer.concat([challenge, mac]) : challenge);
  if (answered === null) return;
  must(
    knowsSecret ||
      challenge
        .subarray(-MAC_BYTES)
        .equals(macOf("acceptor", dialer.hello, challenge.subarray(0, -MAC_BYTES))),
    "somebody without the secret was believed",
  );
  const code = codeOf(verdict);
  const signed = knowsSecret
    ? Buffer.concat([verdict, macOf(`verdict ${code}`, dialer.hello, challenge)])
    : verdict;
  const said = dialer.verdict(signed);
  must(said !== null || knowsSecret, "a welcome that nobody signed");
  must(said === null || said.text.length <= 1_000, "a refusal with a text without end");
}

function codeOf(verdict: Buffer): string {
  try {
    return String(JSON.parse(verdict.toString("utf8")).code);
  } catch {
    return "";
  }
}

function seeds(): Buffer[] {
  const dialer = new DialerHandshake(DIALER, "1", "entries", NONCE);
  const acceptor = new AcceptorHandshake(ACCEPTOR, NONCE);
  const hello = Buffer.from(dialer.hello);
  const challenge = Buffer.from(acceptor.challenge(hello));
  const proof = Buffer.from(dialer.answer(challenge)?.proof ?? []);
  const verdict = Buffer.from(acceptor.judge(proof, () => null).verdict);
  const bare = challenge.subarray(0, -MAC_BYTES);
  const refusal = Buffer.from('{"code":"member_removed","text":"no"}');
  return [
    joined(0, hello, proof),
    joined(1, hello, proof),
    joined(2, challenge, verdict),
    joined(3, bare, verdict.subarray(0, -MAC_BYTES)),
    joined(3, bare, refusal),
    joined(2, challenge, Buffer.concat([Buffer.from('{"code":"peer_unauthorized"}'), NONCE])),
  ];
}

export const target: Target = {
  name: "peer-handshake",
  inputBytesMax: 1_536,
  seeds,
  dictionary: [
    '"id":"3"',
    '"id":"1"',
    '"to":"2"',
    '"lane":"bulk"',
    '"oldest":2',
    '"newest":0',
    '"magic":"JGDA"',
    '"clusterId":""',
    '{"code":""}',
    "\\u0000",
    "\\u007f",
  ],
  run: (input) => {
    const [choice = 0] = input;
    const [first, rest] = split(input.subarray(1));
    const knowsSecret = (choice & 1) !== 0;
    try {
      if ((choice & 2) === 0) accept(first, rest, knowsSecret);
      else dial(first, rest, knowsSecret);
    } catch (error) {
      if (!(error instanceof ClusterError) || error.code !== "peer_frame") throw error;
    }
  },
};
