/** Where a cluster's nodes live and how the links between them are cut: loopback, namespaces, proxies, file systems of their own. */
import { join } from "node:path";
import type { Address } from "./server.js";
import { stablePort } from "./support.js";

/** What a node can do no more after a cut: exchange anything with its peers, hear them, be heard by them. */
export type Cut = "both" | "hearing" | "speaking";

/** All that a node is told about where it is. */
export interface Place {
  readonly http: Address;
  readonly mqtt: Address;
  readonly peer: Address;
  /** What its peers dial; the same as `peer` where nothing is in between. */
  readonly advertised: Address;
  readonly dataDir: string;
  /** Everything that it prints is kept here. */
  readonly logFile: string;
  /** A program that runs the node there, with its arguments. */
  readonly launcher: readonly string[];
  /** The built file that Node runs there; the product's own when left out. */
  readonly program?: string;
  /** Flags that this place needs. */
  readonly flags: readonly string[];
}

export interface Terrain {
  /** A new place. Ids are asked for once. */
  place(id: number): Promise<Place>;
  /** Cuts a node off from all its peers; its clients still reach it. */
  cut(id: number, cut: Cut): Promise<void>;
  /** Joins everything again. */
  heal(): Promise<void>;
  close(): Promise<void>;
}

const LOOPBACK = "127.0.0.1";

/** Everything on 127.0.0.1; nothing can be cut. */
export class LoopbackTerrain implements Terrain {
  readonly #directory: string;

  /** Data directories are made in `directory`. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  async place(id: number): Promise<Place> {
    const address = async (): Promise<Address> => ({ host: LOOPBACK, port: await stablePort() });
    const peer = await address();
    return {
      http: await address(),
      mqtt: await address(),
      peer,
      advertised: peer,
      dataDir: join(this.#directory, `node-${id}`),
      logFile: join(this.#directory, `node-${id}.log`),
      launcher: [],
      flags: [],
    };
  }

  cut(id: number, cut: Cut): Promise<void> {
    return Promise.reject(new Error(`node ${id} is on loopback: no cut of "${cut}"`));
  }

  async heal(): Promise<void> {
    // Nothing was cut.
  }

  async close(): Promise<void> {
    // The directories are their owner's.
  }
}
