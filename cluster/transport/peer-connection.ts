/**
 * A socket that carries frames: what dialer and acceptor have in common. Cuts what comes in into frames, joins what goes out into one
 * write, knows when something was last heard, and tells its end exactly once.
 */
import { ClusterError } from "../errors.js";
import { FrameDecoder, HANDSHAKE_BODY_BYTES_MAX, type WireFrame } from "./frame-codec.js";
import type { PeerSocket } from "./peer-sockets.js";

/** Who is told what happens on the connection. */
export interface ConnectionEvents {
  /** Something came in, be it part of a frame. */
  onHeard(): void;
  /** May throw `peer_frame`, which ends the connection. */
  onFrame(frame: WireFrame): void;
  /** All that was written is with the system; write again. */
  onDrain(): void;
  /** It is gone, and why; the last event. */
  onClose(reason: Error): void;
}

export class PeerConnection {
  readonly #socket: PeerSocket;
  readonly #events: ConnectionEvents;
  readonly #decoder = new FrameDecoder(HANDSHAKE_BODY_BYTES_MAX);
  #reason: Error | null = null;
  #isOver = false;

  constructor(socket: PeerSocket, events: ConnectionEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("drain", () => events.onDrain());
    socket.on("error", (error) => {
      this.#reason ??= error;
    });
    socket.once("close", () => {
      this.#isOver = true;
      events.onClose(this.#reason ?? new Error("the other side closed the connection"));
    });
  }

  /** It failed, was ended or is gone: no frame comes any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** All that was written so far is with the system. */
  get isIdle(): boolean {
    return this.#socket.writableLength === 0;
  }

  /** `host:port` of the other end, for people. */
  get remote(): string {
    return `${this.#socket.remoteAddress ?? "?"}:${this.#socket.remotePort ?? "?"}`;
  }

  /** The other side has proved who it is: its frames may be this large. */
  allow(bodyBytesMax: number): void {
    this.#decoder.allow(bodyBytesMax);
  }

  /** Writes the buffers at one go; false when the next should wait for `onDrain`. */
  write(...buffers: readonly Uint8Array[]): boolean {
    let isFree = true;
    this.#socket.cork();
    for (const buffer of buffers) isFree = this.#socket.write(buffer);
    this.#socket.uncork();
    return isFree;
  }

  /** Says a last word and closes when it is sent. Takes nothing more in. */
  end(lastWord: Uint8Array): void {
    this.#isOver = true;
    this.#socket.end(lastWord);
  }

  /** Closes at once; `onClose` follows. */
  fail(reason: Error): void {
    this.#isOver = true;
    this.#reason ??= reason;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#isOver) return;
    this.#events.onHeard();
    this.#decoder.push(chunk);
    while (!this.#isOver && this.#takeFrame());
  }

  /** False when there is no whole frame any more. A frame that is malformed, to the decoder or to the receiver, ends the connection. */
  #takeFrame(): boolean {
    try {
      const frame = this.#decoder.next();
      if (frame !== null) this.#events.onFrame(frame);
      return frame !== null;
    } catch (error) {
      // Any other error is a fault of this node, and not to be taken for the peer's.
      if (!isMalformedFrame(error)) throw error;
      this.fail(error);
      return false;
    }
  }
}

/** Whether a connection ended because of what the other side sent. */
export function isMalformedFrame(error: unknown): error is ClusterError {
  return error instanceof ClusterError && error.code === "peer_frame";
}
