/**
 * A WebSocket as a stream of bytes: binary messages in, one binary message a write out. Where messages begin and end says nothing
 * (MQTT-6.0.0-2); what is not binary ends the connection (MQTT-6.0.0-1). Knows nothing else of MQTT.
 */
import { Duplex } from "node:stream";
import { type RawData, WebSocket } from "ws";
import type { ErrorCode } from "../../errors.js";
import { limits } from "../../limits.js";

/** Why our side ends it (RFC 6455, 7.4.1). */
export const CloseCode = { Normal: 1000, GoingAway: 1001, UnsupportedData: 1003 } as const;

/** What a stranger may have sent of a message that is not complete: a CONNECT, and what its frames cost. */
const STRANGER_BYTES_MAX = 2 * limits.connectPacketBytesMax;

export interface WebSocketStreamOptions {
  readonly webSocket: WebSocket;
  /** What it came on: its bytes are counted as long as the client is a stranger. */
  readonly socket: Duplex;
  /** The close code when our side ends it in peace. */
  readonly closeCode: () => number;
  /** The client broke the protocol: the connection is closed. */
  readonly onRefused: (code: ErrorCode) => void;
}

type Done = (error?: Error | null) => void;

/** Messages above the ceiling, lengths that are no numbers any more, and more fragments than anybody needs. */
const TOO_LARGE: ReadonlySet<string> = new Set([
  "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH",
  "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH",
  "WS_ERR_TOO_MANY_BUFFERED_PARTS",
]);

/** What an error of the receiver means. Errors of the socket have other codes: an ordinary end. */
function refusalOf({ code }: NodeJS.ErrnoException): ErrorCode | null {
  if (code?.startsWith("WS_ERR_") !== true) return null;
  return TOO_LARGE.has(code) ? "payload_too_large" : "invalid_request";
}

export class WebSocketStream extends Duplex {
  readonly #options: WebSocketStreamOptions;
  /** Bytes since the last complete message, while the client is a stranger: one that was not answered anything. */
  #strangerBytes = 0;
  #isStranger = true;
  #isWanted = true;
  #hasEnded = false;

  constructor(options: WebSocketStreamOptions) {
    super();
    this.#options = options;
    const { webSocket, socket } = options;
    webSocket.on("message", (data, isBinary) => this.#received(data, isBinary));
    webSocket.on("error", (error) => this.#failed(error));
    webSocket.on("close", () => this.#end());
    // Before the receiver's own: what completes a message in this chunk is taken off again.
    socket.prependListener("data", this.#count);
  }

  override _read(): void {
    this.#isWanted = true;
    this.#steer();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#meet();
    this.#send(chunk, done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    this.#meet();
    const { socket } = this.#options;
    const last = chunks.length - 1;
    socket.cork();
    for (const [index, { chunk }] of chunks.entries()) this.#send(chunk, index === last ? done : undefined);
    socket.uncork();
  }

  /** The rest of what the client sends is read, so that it comes to our close frame. */
  override _final(done: Done): void {
    const { webSocket, closeCode } = this.#options;
    this.#meet();
    webSocket.close(closeCode());
    done();
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#hasEnded = true;
    this.#options.webSocket.terminate();
    done(error);
  }

  #send(chunk: Buffer, done: Done | undefined): void {
    const { webSocket } = this.#options;
    if (webSocket.readyState === WebSocket.OPEN) webSocket.send(chunk, { binary: true }, done);
    // Nobody will read it, and that the connection is ending has been told.
    else done?.();
  }

  #received(data: RawData, isBinary: boolean): void {
    this.#strangerBytes = 0;
    if (this.#hasEnded) return;
    if (!isBinary || !Buffer.isBuffer(data)) {
      this.#options.onRefused("unsupported_media_type");
      this.#options.webSocket.close(CloseCode.UnsupportedData, "MQTT travels in binary messages");
      this.#end();
      return;
    }
    if (data.length > 0) this.#isWanted = this.push(data);
    this.#steer();
  }

  /** Nobody is known before it was answered: until then it is not read further when a message grows too long. */
  readonly #count = (chunk: Buffer): void => {
    this.#strangerBytes += chunk.length;
    if (this.#strangerBytes > STRANGER_BYTES_MAX) this.#steer();
  };

  /** The client is answered. */
  #meet(): void {
    if (!this.#isStranger) return;
    this.#isStranger = false;
    this.#strangerBytes = 0;
    this.#options.socket.off("data", this.#count);
    this.#steer();
  }

  /** Reads on or stops reading. */
  #steer(): void {
    const { webSocket } = this.#options;
    const isReading = this.#isWanted && this.#strangerBytes <= STRANGER_BYTES_MAX;
    if (isReading !== webSocket.isPaused) return;
    if (isReading) webSocket.resume();
    else webSocket.pause();
  }

  #failed(error: Error): void {
    const code = refusalOf(error);
    if (code !== null) this.#options.onRefused(code);
    this.#end();
  }

  /** Nothing more comes. Whoever reads ends its side. */
  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.push(null);
  }
}
