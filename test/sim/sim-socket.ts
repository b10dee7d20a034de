/**
 * A connection between a client of the simulation and the MQTT edge of one life: the edge's end is a stream like a real socket's, the
 * client's end a few calls. Bytes arrive in order, after a while; what is under way when an end is gone is lost.
 */
import { Duplex } from "node:stream";
import type { Chance } from "./chance.js";
import type { Life } from "./life.js";
import type { World } from "./world.js";

/** What the client's end hears. */
export interface SocketListener {
  received(bytes: Buffer): void;
  /** The other end is gone. Nothing is heard after. */
  closed(): void;
}

export interface SimSocketOptions {
  readonly world: World;
  readonly chance: Chance;
  readonly life: Life;
  readonly listener: SocketListener;
  /** One way, in the mean. */
  readonly delayMs: number;
}

export class SimSocket extends Duplex {
  readonly #options: SimSocketOptions;
  /** When the last bytes of each way arrive: later ones do not overtake them. */
  #toClientMs = 0;
  #toEdgeMs = 0;
  #isClientGone = false;
  /** What the client sent before its end arrives all the same. */
  #isClosedInOrder = false;

  constructor(options: SimSocketOptions) {
    super({ emitClose: true, autoDestroy: true, allowHalfOpen: false });
    this.#options = options;
  }

  /** The client sends. */
  fromClient(bytes: Buffer): void {
    this.#atEdge(() => this.push(Buffer.from(bytes)));
  }

  /** The client is gone: without a word, and what is under way is lost; or `inOrder`, after its last bytes. */
  endOfClient(inOrder: boolean): void {
    if (this.#isClientGone) return;
    this.#isClientGone = true;
    this.#isClosedInOrder = inOrder;
    this.#atEdge(() => (inOrder ? this.push(null) : this.destroy()));
  }

  /** The process at the edge's end is gone: the client notices soon. */
  endOfLife(): void {
    this.#atClient(() => this.#closedForClient());
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const { listener, life } = this.#options;
    const bytes = Buffer.from(chunk);
    // What a process has written before its end is on its way.
    if (life.scope.alive) this.#atClient(() => listener.received(bytes));
    done();
  }

  override _destroy(_error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#options.life.scope.alive) this.#atClient(() => this.#closedForClient());
    done(null);
  }

  override _final(done: (error?: Error | null) => void): void {
    done();
  }

  #closedForClient(): void {
    this.#isClientGone = true;
    this.#options.listener.closed();
  }

  #atClient(task: () => void): void {
    const { world, chance, delayMs } = this.#options;
    this.#toClientMs = Math.max(this.#toClientMs, world.nowMs + chance.around(delayMs));
    world.after(this.#toClientMs - world.nowMs, () => {
      if (!this.#isClientGone) task();
    });
  }

  #atEdge(task: () => void): void {
    const { world, chance, life, delayMs } = this.#options;
    this.#toEdgeMs = Math.max(this.#toEdgeMs, world.nowMs + chance.around(delayMs));
    const isEnd = this.#isClientGone;
    world.after(
      this.#toEdgeMs - world.nowMs,
      () => {
        const arrives = isEnd || this.#isClosedInOrder || !this.#isClientGone;
        if (!this.destroyed && arrives) task();
      },
      life.scope,
    );
  }
}
