/** A cable that a test can hold: bytes go through it, vanish in it, or trickle. */
import { connect, createServer, type Server, type Socket } from "node:net";

const SLICE_MS = 10;

export class TcpProxy {
  readonly #server: Server;
  readonly #target: string;
  readonly #sockets = new Set<Socket>();
  #isBlack = false;
  #bytesPerSecond = Number.POSITIVE_INFINITY;

  private constructor(server: Server, target: string) {
    this.#server = server;
    this.#target = target;
  }

  /** Listens on a free port of 127.0.0.1 and connects onwards to `target`. */
  static async to(target: string): Promise<TcpProxy> {
    const server = createServer({ noDelay: true });
    const proxy = new TcpProxy(server, target);
    server.on("connection", (socket) => proxy.#join(socket));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get address(): string {
    const bound = this.#server.address();
    if (bound === null || typeof bound === "string") throw new Error("the proxy does not listen");
    return `127.0.0.1:${bound.port}`;
  }

  /** Connections stay and new ones are taken, but no byte comes through, neither way, nor later. */
  swallow(isBlack: boolean): void {
    this.#isBlack = isBlack;
  }

  /** From now on each connection carries so much towards the target. */
  throttle(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #join(near: Socket): void {
    const [host = "", port = ""] = this.#target.split(":");
    const far = connect({ host, port: Number(port), noDelay: true });
    this.#carry(near, far);
    this.#carry(far, near);
    near.on("data", (chunk: Buffer) => this.#slowDown(near, chunk.byteLength));
  }

  #carry(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on("data", (chunk: Buffer) => {
      if (this.#isBlack) return;
      if (!to.write(chunk)) {
        from.pause();
        to.once("drain", () => from.resume());
      }
    });
    from.on("error", () => undefined);
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }

  #slowDown(near: Socket, bytes: number): void {
    if (this.#bytesPerSecond === Number.POSITIVE_INFINITY) return;
    near.pause();
    const pauseMs = Math.max(SLICE_MS, (bytes / this.#bytesPerSecond) * 1_000);
    setTimeout(() => near.resume(), pauseMs).unref();
  }
}
