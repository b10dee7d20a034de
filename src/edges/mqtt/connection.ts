/**
 * One stream of bytes, a socket or a WebSocket: cuts it into packets for whoever speaks on it, gathers the answers, and ends it in the
 * protocol's way. Knows no topic and no session.
 */
import type { Duplex } from "node:stream";
import { FatalError } from "../../errors.js";
import { limits } from "../../limits.js";
import type { EdgeContext } from "./context.js";
import type { Flushable } from "./flusher.js";
import { type FrameHandler, Framer } from "./framer.js";
import { Hold } from "./hold.js";
import { meaningOf } from "./packets/error-reasons.js";
import type { Reason } from "./packets/reason-codes.js";
import { PacketRefused, type RefusalCode } from "./refusal.js";
import type { Speaker } from "./speaker.js";

export interface ConnectionOptions {
  readonly context: EdgeContext;
  readonly stream: Duplex;
  /** Whom it connects, for people. */
  readonly address: string;
  /** Makes the first speaker. */
  readonly greet: (connection: Connection) => Speaker;
}

export class Connection implements FrameHandler, Flushable {
  readonly context: EdgeContext;
  readonly address: string;
  readonly #stream: Duplex;
  readonly #framer = new Framer(this);
  #speaker: Speaker;
  #isOpen = true;
  #isClosing = false;
  #holds = 0;
  /** Answers that are written at the end of the chunk, or soon. */
  #replies: Buffer[] = [];
  #isReading = false;
  #isFlushAsked = false;
  /** Answers written since the stream was last empty. */
  #replyBytes = 0;
  #frames = 0;

  constructor({ context, stream, address, greet }: ConnectionOptions) {
    this.context = context;
    this.address = address;
    this.#stream = stream;
    this.#speaker = greet(this);
    stream.on("data", (chunk: Buffer) => this.#read(chunk));
    stream.on("drain", () => this.#drained());
    // A reset is an ordinary end; "close" follows.
    const end = (): void => this.close();
    stream.on("error", end).on("end", end).on("close", end);
  }

  /** False once it has ended: nothing more is read or written. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  get backlogBytes(): number {
    return this.#stream.writableLength;
  }

  /** From now on packets are for `speaker`. */
  become(speaker: Speaker): void {
    this.#speaker = speaker;
  }

  header(first: number, remainingLength: number, lengthBytes: number): void {
    this.#speaker.header(first, remainingLength, lengthBytes);
  }

  frame(first: number, bytes: Buffer, start: number, end: number): void {
    this.#frames += 1;
    this.#speaker.frame(first, bytes, start, end);
  }

  /** Writes an answer, together with the others of the same chunk or the same turn. */
  reply(bytes: Buffer): void {
    if (!this.#isOpen) return;
    this.#replies.push(bytes);
    if (!this.#isReading) this.wake();
  }

  /** Writes deliveries, behind the answers that were given. Whoever sends has looked at `backlogBytes` before. */
  send(bytes: Buffer): void {
    if (!this.#isOpen) return;
    this.#writeReplies();
    this.context.traffic.bytesOut += bytes.length;
    this.#stream.write(bytes);
  }

  /** Asks for one flush, after the code that is running now has returned. */
  wake(): void {
    if (this.#isFlushAsked) return;
    this.#isFlushAsked = true;
    this.context.flusher.add(this);
  }

  /** What was asked for: answers go out, and reading goes on where nothing holds it any more. */
  flush(): void {
    this.#isFlushAsked = false;
    this.attempt(() => this.#speaker.flush());
    if (!this.#isOpen) return;
    this.#writeReplies();
    if (this.#holds !== 0 || !this.#framer.isHeld) return;
    this.#framer.release();
    this.#handle(null);
    if (this.#holds === 0) this.#stream.resume();
  }

  /** Hands on no further packet for a reason, until that reason and all others are released. */
  hold(hold: Hold): void {
    // What is ending is read to its end.
    if (this.#isClosing) return;
    if (this.#holds === 0) {
      this.#framer.hold();
      this.#stream.pause();
    }
    this.#holds |= hold;
  }

  release(hold: Hold): void {
    if ((this.#holds & hold) === 0) return;
    this.#holds &= ~hold;
    if (this.#holds === 0) this.wake();
  }

  /** Whether one of these holds (several reasons are joined by `|`). */
  isHeldBy(holds: number): boolean {
    return (this.#holds & holds) !== 0;
  }

  /** Ends the connection for a reason that is counted, logged and, where the protocol can, told (MQTT 5.0, 4.13). */
  refuse(code: RefusalCode, detail: string, reason: Reason | null = meaningOf(code)): void {
    if (this.#isClosing) return;
    const { metrics, logger } = this.context;
    const { clientId } = this.#speaker;
    metrics.refused(code);
    const facts = { code, detail, address: this.address, clientId };
    // Strangers could fill the log.
    if (clientId === undefined) logger.debug(facts, "connection refused");
    else logger.info(facts, "client disconnected");
    this.close(this.#speaker.farewell({ code, detail, reason }));
  }

  /** Ends the connection: what was written is sent; what the client still sends is thrown away, so that it can read to the end. */
  close(farewell: Buffer | null = null): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#framer.stop();
    this.#speaker.ended();
    if (farewell !== null) this.#replies.push(farewell);
    this.#writeReplies();
    this.#isOpen = false;
    this.#stream.end();
    this.#holds = 0;
    this.#stream.resume();
    const cancel = this.context.clock.after(limits.closeLingerMs, () => this.#stream.destroy());
    this.#stream.once("close", cancel);
  }

  /** Reads no more and ends as soon as nothing waits for an answer. */
  closeWhenIdle(): void {
    this.hold(Hold.Stopping);
    if (this.#speaker.isIdle) this.stop();
  }

  /** Nothing waits for an answer. */
  idle(): void {
    if (this.isHeldBy(Hold.Stopping)) this.stop();
  }

  /** Ends the connection because the edge ends: neither counted nor logged. */
  stop(): void {
    if (this.#isClosing) return;
    const detail = "the node is stopping";
    this.close(this.#speaker.farewell({ code: "shutting_down", detail, reason: meaningOf("shutting_down") }));
  }

  /** Runs what is done for this connection while others wait their turn: when it goes wrong, it costs the connection. */
  attempt(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.#failed(error);
    }
  }

  #read(chunk: Buffer): void {
    this.context.traffic.bytesIn += chunk.length;
    if (this.#isOpen) this.#handle(chunk);
  }

  /** The packets of a chunk, or (`null`) of what a hold left of one. */
  #handle(chunk: Buffer | null): void {
    const frames = this.#frames;
    this.#isReading = true;
    try {
      if (chunk === null) this.#framer.goOn();
      else this.#framer.push(chunk);
      if (this.#frames !== frames && this.#isOpen) this.#speaker.afterRead();
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
    this.context.traffic.bytesOut += bytes.length;
    if (!this.#stream.write(bytes)) this.#replyBytes += bytes.length;
    if (this.#replyBytes > limits.replyBytesMax) this.hold(Hold.Replies);
  }

  #drained(): void {
    this.#replyBytes = 0;
    this.release(Hold.Replies);
    if (this.#isOpen) this.#speaker.drained();
  }

  #failed(error: unknown): void {
    if (error instanceof PacketRefused) {
      this.refuse(error.code, error.message, error.reason);
      return;
    }
    // A broken rule stops the node; anything else costs one connection.
    if (error instanceof FatalError) throw error;
    this.context.logger.error({ err: error, address: this.address }, "a packet could not be handled");
    this.refuse("internal", "a packet could not be handled");
  }
}
