/**
 * One socket: cuts its bytes into packets, hands each to its handler, and ends it in the protocol's way. Knows no topic and
 * no session; that is the client's, which exists once CONNECT was accepted.
 */
import type { Socket } from "node:net";
import { FatalError } from "../../errors.js";
import { limits } from "../../limits.js";
import type { Cancel } from "../../runtime/clock.js";
import type { Client } from "./client.js";
import type { EdgeContext } from "./context.js";
import { type FrameHandler, Framer } from "./framer.js";
import { handlePuback } from "./handle-acks.js";
import { handleConnect } from "./handle-connect.js";
import { handleDisconnect } from "./handle-disconnect.js";
import { handlePingreq } from "./handle-pingreq.js";
import { handlePublish } from "./handle-publish.js";
import { handleSubscribe } from "./handle-subscribe.js";
import { handleUnsubscribe } from "./handle-unsubscribe.js";
import { Hold } from "./hold.js";
import { checkHeader } from "./packets/fixed-header.js";
import { LEVEL_3_1_1, PacketType, packetType } from "./packets/protocol.js";
import { PacketRefused, type RefusalCode } from "./refusal.js";

export class Connection implements FrameHandler {
  readonly context: EdgeContext;
  readonly address: string;
  readonly #socket: Socket;
  readonly #framer = new Framer(this);
  #client: Client | null = null;
  #cancelConnectTimeout: Cancel | null;
  #isOpen = true;
  #isClosing = false;
  #holds = 0;
  /** Answers to the chunk that is being read. */
  #replies: Buffer[] = [];
  #isReading = false;
  /** Answers written since the socket was last empty. */
  #replyBytes = 0;
  #frames = 0;

  constructor(context: EdgeContext, socket: Socket) {
    this.context = context;
    this.#socket = socket;
    this.address = `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? "?"}`;
    this.#cancelConnectTimeout = context.clock.after(limits.connectTimeoutMs, () =>
      this.refuse("connect_timeout", "no complete CONNECT in time"),
    );
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("drain", () => this.#drained());
    // A reset is an ordinary end; "close" follows.
    socket.on("error", () => this.close());
    socket.on("end", () => this.close());
    socket.on("close", () => this.close());
  }

  /** False once the end has begun: nothing more is read or written. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  get backlogBytes(): number {
    return this.#socket.writableLength;
  }

  /** CONNECT was accepted: from now on packets are the client's. */
  accepted(client: Client): void {
    this.#cancelConnectTimeout?.();
    this.#cancelConnectTimeout = null;
    this.#client = client;
  }

  header(first: number, remainingLength: number): void {
    if (this.#client === null && packetType(first) !== PacketType.Connect) {
      throw new PacketRefused("protocol_violation", "the first packet is not CONNECT (MQTT-3.1.0-1)");
    }
    checkHeader(LEVEL_3_1_1, first, remainingLength, this.context.payloadBytesMax);
  }

  frame(first: number, bytes: Buffer, start: number, end: number): void {
    this.#frames += 1;
    const client = this.#client;
    if (client === null) handleConnect(this, bytes, start, end);
    else if (packetType(first) === PacketType.Publish) handlePublish(client, first, bytes, start, end);
    else this.#frameOf(client, packetType(first), bytes, start, end);
  }

  /** Writes an answer; the answers to one chunk go out in one write. */
  reply(bytes: Buffer): void {
    if (!this.#isOpen) return;
    this.#replies.push(bytes);
    if (!this.#isReading) this.#writeReplies();
  }

  /** Writes deliveries; the sink has looked at `backlogBytes` before. */
  send(bytes: Buffer): void {
    if (!this.#isOpen) return;
    this.#writeReplies();
    this.#socket.write(bytes);
  }

  /** Stops reading for a reason, until that reason and all others are released. */
  hold(hold: Hold): void {
    // What is ending is read to its end.
    if (this.#isClosing) return;
    if (this.#holds === 0) this.#socket.pause();
    this.#holds |= hold;
  }

  release(hold: Hold): void {
    if (!this.isHeldBy(hold)) return;
    this.#holds &= ~hold;
    if (this.#holds === 0) this.#socket.resume();
  }

  /** Whether one of these holds (several reasons are joined by `|`). */
  isHeldBy(holds: number): boolean {
    return (this.#holds & holds) !== 0;
  }

  /** Ends the connection for a reason that is counted and logged. The will is published (MQTT-3.1.2-8). */
  refuse(code: RefusalCode, detail: string): void {
    if (this.#isClosing) return;
    const { metrics, logger } = this.context;
    metrics.refused(code);
    const facts = { code, detail, address: this.address, clientId: this.#client?.id };
    // Strangers could fill the log.
    if (this.#client === null) logger.debug(facts, "connection refused");
    else logger.info(facts, "client disconnected");
    this.close();
  }

  /** Ends the connection: what was written is sent; what the client still sends is thrown away, so that it can read to the end. */
  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#cancelConnectTimeout?.();
    this.#framer.stop();
    this.#client?.close();
    this.#writeReplies();
    this.#isOpen = false;
    this.#socket.end();
    this.#holds = 0;
    this.#socket.resume();
    const cancel = this.context.clock.after(limits.closeLingerMs, () => this.#socket.destroy());
    this.#socket.once("close", cancel);
  }

  /** Reads no more and ends as soon as no publish waits for its acknowledgement. */
  closeWhenIdle(): void {
    this.hold(Hold.Stopping);
    if (this.#client === null || this.#client.publishes.isEmpty) this.close();
  }

  /** The client has no publish that waits. */
  idle(): void {
    if (this.isHeldBy(Hold.Stopping)) this.close();
  }

  #frameOf(client: Client, type: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case PacketType.Puback:
        handlePuback(client, bytes, start, end);
        break;
      case PacketType.Pingreq:
        handlePingreq(client);
        break;
      case PacketType.Subscribe:
        handleSubscribe(client, bytes, start, end);
        break;
      case PacketType.Unsubscribe:
        handleUnsubscribe(client, bytes, start, end);
        break;
      case PacketType.Disconnect:
        handleDisconnect(client);
        break;
      case PacketType.Connect:
        throw new PacketRefused("protocol_violation", "a second CONNECT (MQTT-3.1.0-2)");
      default:
        throw new PacketRefused("qos2_unsupported", `packet type ${type} belongs to QoS 2`);
    }
  }

  #read(chunk: Buffer): void {
    if (!this.#isOpen) return;
    const frames = this.#frames;
    this.#isReading = true;
    try {
      this.#framer.push(chunk);
      if (this.#frames !== frames && this.#isOpen) this.#client?.afterRead();
    } catch (error) {
      this.#failed(error);
    }
    this.#isReading = false;
    this.#writeReplies();
  }

  /** Answers that are not read stop the reading, so that they cannot pile up. */
  #writeReplies(): void {
    const [first] = this.#replies;
    if (first === undefined) return;
    const bytes = this.#replies.length === 1 ? first : Buffer.concat(this.#replies);
    this.#replies = [];
    if (!this.#socket.write(bytes)) this.#replyBytes += bytes.length;
    if (this.#replyBytes > limits.replyBytesMax) this.hold(Hold.Replies);
  }

  #drained(): void {
    this.#replyBytes = 0;
    this.release(Hold.Replies);
    if (this.#isOpen) this.#client?.sink.pump();
  }

  #failed(error: unknown): void {
    if (error instanceof PacketRefused) {
      this.refuse(error.code, error.message);
      return;
    }
    // A broken rule stops the node; anything else costs one connection.
    if (error instanceof FatalError) throw error;
    this.context.logger.error({ err: error, address: this.address }, "a packet could not be handled");
    this.refuse("internal", "a packet could not be handled");
  }
}
