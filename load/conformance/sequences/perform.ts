/**
 * One sequence performed before a broker. Publishes and answers to the client's own packets are two streams whose order among each
 * other no clause fixes (a publish to oneself may come before or after its acknowledgement), so each is compared on its own.
 */
import { generate } from "mqtt-packet";
import type { Address } from "../../lib/server.js";
import { type Answer, ChosenIds, CONNACK, DISCONNECT, isSameAnswer, PUBLISH } from "./answer.js";
import { Conversation, type Heard } from "./conversation.js";
import type { Sequence, Step } from "./files.js";

export interface PerformOptions {
  readonly address: Address;
  /** How long a broker may take for one answer. */
  readonly patienceMs: number;
  /** Client identifiers of the ordinary CONNECT and of the helper that publishes. */
  readonly clientId: string;
}

const RECEIVE_MAXIMUM = 20;
const PINGREQ = Buffer.from([0xc0, 0]);
const PINGRESP: Answer = { first: 0xd0, body: Buffer.alloc(0) };
const CONNECT_FIRST = 0x10;
const ERROR_CODES_FROM = 0x80;

class Disappointment extends Error {}

function show(heard: Heard): string {
  if (typeof heard === "string") return heard === "closed" ? "the connection closed" : "nothing";
  return `${heard.first.toString(16).padStart(2, "0")} ${heard.body.toString("hex")}`;
}

function parse(bytes: Buffer): Answer {
  let at = 1;
  while (((bytes[at] ?? 0) & 128) !== 0) at += 1;
  return { first: bytes[0] ?? 0, body: bytes.subarray(at + 1) };
}

function connectBytes(level: number, clientId: string): Buffer {
  const isV3 = level === 3;
  return generate({
    cmd: "connect",
    clientId,
    protocolId: isV3 ? "MQIsdp" : "MQTT",
    protocolVersion: level === 5 ? 5 : isV3 ? 3 : 4,
    clean: true,
    keepalive: 60,
    ...(level === 5 ? { properties: { receiveMaximum: RECEIVE_MAXIMUM } } : {}),
  });
}

class Performance {
  readonly #sequence: Sequence;
  readonly #options: PerformOptions;
  readonly #conversation: Conversation;
  readonly #ids = new ChosenIds();
  /** What came before its turn. */
  readonly #early: Answer[] = [];
  #isConnected = false;
  #sentConnect = false;

  constructor(sequence: Sequence, options: PerformOptions, conversation: Conversation) {
    this.#sequence = sequence;
    this.#options = options;
    this.#conversation = conversation;
  }

  async run(): Promise<void> {
    const { steps, level, connects, closes } = this.#sequence;
    if (connects) {
      this.#send(connectBytes(level, this.#options.clientId));
      const connack = await this.#hear();
      if (typeof connack === "string" || connack.first >> 4 !== CONNACK || connack.body[1] !== 0) {
        throw new Disappointment(`CONNACK: received ${show(connack)}`);
      }
      this.#isConnected = true;
    }
    for (const [at, step] of steps.entries()) await this.#perform(step, steps.slice(at + 1));
    if (closes) await this.#expectClose();
    else await this.#expectAlive();
    const [left] = this.#early;
    if (left !== undefined) throw new Disappointment(`received ${show(left)} besides`);
  }

  #hear(): Promise<Heard> {
    return this.#conversation.hear(this.#options.patienceMs);
  }

  #send(bytes: Buffer): void {
    if (bytes[0] === CONNECT_FIRST) this.#sentConnect = true;
    this.#conversation.send(this.#ids.applyTo(bytes));
  }

  async #perform(step: Step, later: readonly Step[]): Promise<void> {
    if (step.kind === "send") this.#send(step.bytes);
    else if (step.kind === "publish") await this.#publish(step);
    else await this.#receive(parse(step.bytes), later, step.comment);
  }

  #isWanted(wanted: Answer, got: Answer): boolean {
    const level = got.first >> 4 === CONNACK && wanted.body.length > 2 ? 5 : this.#sequence.level;
    return isSameAnswer(level, wanted, got, this.#ids);
  }

  async #receive(wanted: Answer, later: readonly Step[], comment: string): Promise<void> {
    const at = this.#early.findIndex((one) => this.#isWanted(wanted, one));
    if (at >= 0) {
      this.#early.splice(at, 1);
      return;
    }
    for (;;) {
      const heard = await this.#hear();
      if (typeof heard !== "string" && this.#isWanted(wanted, heard)) {
        if (heard.first >> 4 === CONNACK) this.#isConnected = (heard.body[1] ?? 0) < ERROR_CODES_FROM;
        return;
      }
      if (typeof heard === "string" || !this.#mayBeEarly(wanted, heard, later)) {
        const what = comment === "" ? "" : `${comment}: `;
        throw new Disappointment(`${what}received ${show(heard)}, not ${show(wanted)}`);
      }
      this.#early.push(heard);
    }
  }

  /** Of the other stream than what is wanted, and wanted later. */
  #mayBeEarly(wanted: Answer, got: Answer, later: readonly Step[]): boolean {
    const isPublish = ({ first }: Answer): boolean => first >> 4 === PUBLISH;
    if (isPublish(wanted) === isPublish(got)) return false;
    return later.some((step) => step.kind === "receive" && this.#isWanted(parse(step.bytes), got));
  }

  /**
   * A server says why before it closes: DISCONNECT once connected (MQTT 5.0, 4.13), CONNACK with an error before (3.2.2-6), whether or
   * not the file says so.
   */
  async #expectClose(): Promise<void> {
    let heard = await this.#hear();
    if (typeof heard !== "string" && this.#isFarewell(heard)) heard = await this.#hear();
    if (heard !== "closed")
      throw new Disappointment(`received ${show(heard)}, not the end of the connection`);
  }

  #isFarewell({ first, body }: Answer): boolean {
    const isV5 = this.#sequence.level === 5;
    if (first === DISCONNECT << 4) return isV5 && this.#isConnected && (body[0] ?? 0) >= ERROR_CODES_FROM;
    return first === CONNACK << 4 && this.#sentConnect && !this.#isConnected && (body[1] ?? 0) > 0;
  }

  async #expectAlive(): Promise<void> {
    this.#send(PINGREQ);
    await this.#receive(PINGRESP, [], "PINGRESP");
  }

  async #publish({ topic, qos, payload, retain }: Extract<Step, { kind: "publish" }>): Promise<void> {
    const helper = await Conversation.open(this.#options.address);
    const expect = async (type: number): Promise<void> => {
      const heard = await helper.hear(this.#options.patienceMs);
      const isDue = typeof heard !== "string" && heard.first >> 4 === type;
      if (!isDue)
        throw new Disappointment(`the helper received ${show(heard)}, not a packet of type ${type}`);
    };
    try {
      helper.send(connectBytes(4, `${this.#options.clientId}/helper`));
      await expect(CONNACK);
      const packet = { cmd: "publish", topic, payload, qos, retain, dup: false, messageId: 1 } as const;
      helper.send(generate(packet));
      if (qos === 1) await expect(4);
      if (qos === 2) {
        await expect(5);
        helper.send(generate({ cmd: "pubrel", messageId: 1 }));
        await expect(7);
      }
      // At QoS 0 nothing tells that it is there, but the answer to what comes behind it.
      helper.send(PINGREQ);
      await expect(13);
    } finally {
      helper.close();
    }
  }
}

/** Performs a sequence; resolves with what was not as the file has it, or null. */
export async function perform(sequence: Sequence, options: PerformOptions): Promise<string | null> {
  const conversation = await Conversation.open(options.address);
  try {
    await new Performance(sequence, options, conversation).run();
    return null;
  } catch (error) {
    if (error instanceof Disappointment) return error.message;
    throw error;
  } finally {
    conversation.close();
  }
}
