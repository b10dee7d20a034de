/**
 * Partitions without namespaces: peers dial a small proxy in front of each node, which holds back what a cut does not let through. As
 * with a real cut, nothing is lost on a connection that outlives it: what was held comes late.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { stablePort } from "../../load/lib/support.js";
import { type Cut, LoopbackTerrain, type Place } from "../../load/lib/terrain.js";

/** A dialer's first frame says who it is. */
const DIALER_ID = /"id":"(\d+)"/;
const FIRST_BYTES_MAX = 4096;

/** One direction of a connection. */
class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #isCut: () => boolean;
  readonly #held: Buffer[] = [];

  constructor(from: Socket, to: Socket, isCut: () => boolean) {
    this.#from = from;
    this.#to = to;
    this.#isCut = isCut;
    from.on("data", (bytes) => {
      this.#held.push(bytes);
      this.flush();
    });
    from.once("end", () => to.end());
    from.on("error", () => to.destroy());
    from.once("close", () => to.destroy());
    to.on("drain", () => this.flush());
  }

  /** Lets through what may pass; stops reading while nothing may. */
  flush(): void {
    while (this.#held.length > 0 && !this.#isCut()) {
      const bytes = this.#held.shift();
      if (bytes !== undefined && !this.#to.write(bytes)) break;
    }
    if (this.#held.length > 0 || this.#to.writableNeedDrain) this.#from.pause();
    else this.#from.resume();
  }
}

interface Link {
  /** Null until its first frame has told. */
  dialer: number | null;
  readonly acceptor: number;
  readonly sockets: readonly Socket[];
  pipes: readonly Pipe[];
}

export class ProxyTerrain extends LoopbackTerrain {
  readonly #cuts = new Map<number, Cut>();
  readonly #links = new Set<Link>();
  readonly #listeners: Server[] = [];

  override async place(id: number): Promise<Place> {
    const place = await super.place(id);
    const advertised = { host: place.peer.host, port: await stablePort() };
    const listener = createServer((dialer) => this.#join(dialer, id, place.peer.port));
    this.#listeners.push(listener);
    await new Promise<void>((resolve, reject) => {
      listener.once("error", reject);
      listener.listen(advertised.port, advertised.host, resolve);
    });
    return { ...place, advertised };
  }

  override async cut(id: number, cut: Cut): Promise<void> {
    this.#cuts.set(id, cut);
  }

  override async heal(): Promise<void> {
    this.#cuts.clear();
    for (const { pipes } of this.#links) for (const pipe of pipes) pipe.flush();
  }

  override async close(): Promise<void> {
    for (const listener of this.#listeners) listener.close();
    for (const { sockets } of this.#links) for (const socket of sockets) socket.destroy();
  }

  #join(dialer: Socket, acceptor: number, port: number): void {
    const target = connect({ host: "127.0.0.1", port, noDelay: true });
    dialer.setNoDelay(true);
    const link: Link = { dialer: null, acceptor, sockets: [dialer, target], pipes: [] };
    this.#links.add(link);
    dialer.once("close", () => this.#links.delete(link));
    let first = "";
    dialer.on("data", (bytes) => {
      if (link.dialer !== null || first.length > FIRST_BYTES_MAX) return;
      first += bytes.toString("latin1");
      const id = DIALER_ID.exec(first)?.[1];
      if (id !== undefined) link.dialer = Number(id);
    });
    link.pipes = [
      new Pipe(dialer, target, () => this.#separates(link.dialer, link.acceptor)),
      new Pipe(target, dialer, () => this.#separates(link.acceptor, link.dialer)),
    ];
  }

  /** Whether what one says cannot reach the other. */
  #separates(speaker: number | null, hearer: number | null): boolean {
    const mute = speaker === null ? undefined : this.#cuts.get(speaker);
    const deaf = hearer === null ? undefined : this.#cuts.get(hearer);
    return [mute === "both", mute === "speaking", deaf === "both", deaf === "hearing"].includes(true);
  }
}
