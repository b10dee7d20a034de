/** Who gets in, who does not, and what they are told. */
import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  AcceptorHandshake,
  type Admission,
  type Admit,
  DialerHandshake,
  drawNonce,
  type HandshakeSelf,
  type RefusalCode,
} from "../../../../cluster/transport/handshake.js";

const SECRET = new TextEncoder().encode("a secret");

function node(id: string, other: Partial<HandshakeSelf> = {}): HandshakeSelf {
  return { id, clusterId: "c", tag: `tag-${id}`, address: `127.0.0.1:${id}`, secret: SECRET, ...other };
}

interface Outcome {
  readonly told: { readonly code: RefusalCode; readonly text: string } | null;
  readonly admission: Admission;
}

/** A whole handshake; `changeHello` stands for somebody between them. */
function shake(
  dialer: HandshakeSelf,
  acceptor: HandshakeSelf,
  admit: Admit = () => null,
  to = "2",
  changeHello: (hello: Buffer) => Buffer = (hello) => hello,
): Outcome | null {
  const dialing = new DialerHandshake(dialer, to, "entries");
  const accepting = new AcceptorHandshake(acceptor);
  const challenge = Buffer.from(accepting.challenge(changeHello(Buffer.from(dialing.hello))));
  const answer = dialing.answer(challenge);
  if (answer === null) return null;
  expect(answer.peer).toEqual({
    id: acceptor.id,
    clusterId: acceptor.clusterId,
    tag: acceptor.tag,
    address: acceptor.address,
  });
  const { verdict, admission } = accepting.judge(Buffer.from(answer.proof), admit);
  return { told: dialing.verdict(Buffer.from(verdict)), admission };
}

/** What a dialer that knows the secret would prove, computed as the protocol says rather than by the code under test. */
function proofFor(hello: Buffer, challengeAndMac: Buffer): Buffer {
  const challenge = challengeAndMac.subarray(0, -32);
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32LE(hello.byteLength, 0);
  lengths.writeUInt32LE(challenge.byteLength, 4);
  const mac = createHmac("sha256", SECRET);
  return mac.update(Buffer.concat([Buffer.from("JGDA dialer\n"), lengths, hello, challenge])).digest();
}

/** A hello that is not what this release says. */
function helloWith(changes: Readonly<Record<string, unknown>>): Buffer {
  const { hello } = new DialerHandshake(node("1"), "2", "control");
  return Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(hello).toString("utf8")), ...changes }));
}

describe("a handshake", () => {
  test.each([SECRET, new Uint8Array(0)])("lets a member in and tells who it is (secret %#)", (secret) => {
    const outcome = shake(node("1", { secret }), node("2", { secret }));
    expect(outcome?.told).toBeNull();
    expect(outcome?.admission).toEqual({
      peer: { id: "1", clusterId: "c", tag: "tag-1", address: "127.0.0.1:1" },
      lane: "entries",
      refusal: null,
    });
  });

  test("lets one in that belongs to no cluster yet, and into one that has no name yet", () => {
    expect(shake(node("1", { clusterId: "" }), node("2"))?.told).toBeNull();
    expect(shake(node("1"), node("2", { clusterId: "" }))?.told).toBeNull();
  });

  test.each<[RefusalCode, () => Outcome | null]>([
    ["wrong_cluster", () => shake(node("1", { clusterId: "other" }), node("2"))],
    ["wrong_node_id", () => shake(node("1"), node("2"), () => null, "3")],
    ["wrong_node_id", () => shake(node("2"), node("2"))],
    ["member_removed", () => shake(node("1"), node("2"), () => "member_removed")],
    [
      "member_wiped",
      () => shake(node("1"), node("2"), ({ tag }) => (tag === "tag-1" ? "member_wiped" : null)),
    ],
    ["member_unknown", () => shake(node("1"), node("2"), () => "member_unknown")],
  ])("refuses with %s, and says so with a text", (code, meet) => {
    const outcome = meet();
    expect(outcome?.told?.code).toBe(code);
    expect(outcome?.told?.text.length).toBeGreaterThan(20);
    expect(outcome?.admission.refusal).toBe(code);
  });

  test("ends before the proof when the acceptor has another secret", () => {
    expect(shake(node("1", { secret: new Uint8Array(4) }), node("2"))).toBeNull();
    expect(shake(node("1"), node("2", { secret: new Uint8Array(0) }))).toBeNull();
  });

  test("tells a dialer with another secret nothing but that, whatever the membership says", () => {
    const dialing = new DialerHandshake(node("1"), "2", "control");
    const accepting = new AcceptorHandshake(node("2"));
    dialing.answer(Buffer.from(accepting.challenge(Buffer.from(dialing.hello))));
    const { verdict, admission } = accepting.judge(Buffer.alloc(32, 1), () => {
      throw new Error("the membership was asked about a stranger");
    });
    expect(admission.refusal).toBe("peer_unauthorized");
    expect(dialing.verdict(Buffer.from(verdict))?.code).toBe("peer_unauthorized");
    expect(Buffer.from(verdict).toString("latin1")).not.toContain("member");
  });

  test.each([0, 31, 33])("a proof of %i bytes proves nothing", (length) => {
    const accepting = new AcceptorHandshake(node("2"));
    accepting.challenge(Buffer.from(new DialerHandshake(node("1"), "2", "bulk").hello));
    const { admission } = accepting.judge(Buffer.alloc(length), () => null);
    expect(admission.refusal).toBe("peer_unauthorized");
  });

  test("an old proof proves nothing, even for the same hello", () => {
    const dialing = new DialerHandshake(node("1"), "2", "control");
    const hello = Buffer.from(dialing.hello);
    const first = new AcceptorHandshake(node("2"));
    const answer = dialing.answer(Buffer.from(first.challenge(hello)));
    const proof = Buffer.from(answer?.proof ?? []);
    const second = new AcceptorHandshake(node("2"));
    second.challenge(hello);
    expect(second.judge(proof, () => null).admission.refusal).toBe("peer_unauthorized");
    expect(first.judge(proof, () => null).admission.refusal).toBeNull();
  });

  test("an acceptor's own MAC sent back proves nothing", () => {
    const accepting = new AcceptorHandshake(node("2"));
    const challenge = accepting.challenge(Buffer.from(new DialerHandshake(node("1"), "2", "control").hello));
    const mac = Buffer.from(challenge).subarray(-32);
    expect(accepting.judge(mac, () => null).admission.refusal).toBe("peer_unauthorized");
  });

  test("a hello that was changed on its way is found out by the dialer", () => {
    const outcome = shake(
      node("1"),
      node("2"),
      () => null,
      "2",
      (hello) => Buffer.from(hello.toString().replace("tag-1", "tag-9")),
    );
    expect(outcome).toBeNull();
  });

  test("a challenge that was changed on its way is found out by the dialer", () => {
    const dialing = new DialerHandshake(node("1"), "2", "control");
    const accepting = new AcceptorHandshake(node("2"));
    const challenge = Buffer.from(accepting.challenge(Buffer.from(dialing.hello)));
    challenge.write("9", challenge.indexOf("tag-2") + 4);
    expect(dialing.answer(challenge)).toBeNull();
  });

  test("a verdict that the acceptor did not sign is none", () => {
    const dialing = new DialerHandshake(node("1"), "2", "control");
    const accepting = new AcceptorHandshake(node("2"));
    dialing.answer(Buffer.from(accepting.challenge(Buffer.from(dialing.hello))));
    for (const code of ["", "member_removed", "anything"]) {
      const forged = Buffer.concat([Buffer.from(JSON.stringify({ code, text: "go" })), Buffer.alloc(32)]);
      expect(() => dialing.verdict(forged)).toThrow("malformed");
    }
  });

  test.each([
    ["newer than this release knows", { oldest: 2, newest: 3 }, "peer_version"],
    ["older and newer ones", { oldest: 1, newest: 9 }, null],
  ])("versions: %s", (_name, versions, refusal) => {
    const hello = helloWith(versions);
    const accepting = new AcceptorHandshake(node("2"), new Uint8Array(32));
    const challenge = Buffer.from(accepting.challenge(hello));
    const proof = proofFor(hello, challenge);
    expect(accepting.judge(proof, () => null).admission.refusal).toBe(refusal);
  });

  test.each<[string, Buffer]>([
    ["no JSON", Buffer.from("GET / HTTP/1.1")],
    ["a list", Buffer.from("[]")],
    ["another magic", helloWith({ magic: "HTTP" })],
    ["an id that is none", helloWith({ id: "01" })],
    ["an id that is a number", helloWith({ id: 1 })],
    ["a path as id", helloWith({ id: "../1" })],
    ["no one looked for", helloWith({ to: "" })],
    ["a lane that there is not", helloWith({ lane: "fast" })],
    ["a line break in the tag", helloWith({ tag: "a\nb" })],
    ["a line break in the cluster's name", helloWith({ clusterId: "a\r\nb" })],
    ["an escape sequence in the address", helloWith({ address: "\u001b[2J127.0.0.1:1" })],
    ["NUL in the id", helloWith({ id: "1\0" })],
    ["a lane of every object", helloWith({ lane: "constructor" })],
    ["an address that is too long", helloWith({ address: "a".repeat(301) })],
    ["no cluster", helloWith({ clusterId: null })],
    ["a short nonce", helloWith({ nonce: "abcd" })],
    ["versions the wrong way round", helloWith({ oldest: 2, newest: 1 })],
    ["a version that is no number", helloWith({ newest: "1" })],
  ])("is not begun by %s", (_name, hello) => {
    expect(() => new AcceptorHandshake(node("2")).challenge(hello)).toThrow("malformed");
  });

  test.each([
    ["nothing", Buffer.alloc(0)],
    ["less than a MAC", Buffer.alloc(31)],
    ["a MAC and no challenge", Buffer.alloc(32)],
  ])("is not gone on with by %s", (_name, challenge) => {
    expect(() => new DialerHandshake(node("1"), "2", "control").answer(challenge)).toThrow("malformed");
  });

  test("never draws the same nonce", () => {
    expect(Buffer.from(drawNonce()).equals(drawNonce())).toBe(false);
    expect(drawNonce().byteLength).toBe(32);
  });
});
