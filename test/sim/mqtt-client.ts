/**
 * One MQTT connection of the simulation, from the client's side: packets in and out by a codec that nobody here wrote, over a
 * simulated socket. Knows nothing of what should come.
 */
import { generate, type Packet, type Parser, parser } from "mqtt-packet";
import type { Chance } from "./chance.js";
import type { Life } from "./life.js";
import { SimSocket } from "./sim-socket.js";
import type { World } from "./world.js";

export interface MqttListener {
  packet(packet: Packet): void;
  closed(): void;
}

/** 4 is MQTT 3.1.1. */
export type Level = 4 | 5;

export class MqttConnection {
  readonly life: Life;
  readonly level: Level;
  readonly #socket: SimSocket;
  readonly #parser: Parser;
  #isOpen = true;
  /** The client hears nothing more, and has not said so. */
  #isAbandoned = false;
  #isClosed = false;

  constructor(
    world: World,
    chance: Chance,
    life: Life,
    delayMs: number,
    listener: MqttListener,
    level: Level = 5,
  ) {
    this.life = life;
    this.level = level;
    this.#parser = parser({ protocolVersion: level });
    this.#parser.on("packet", (packet: Packet) => {
      if (this.#isOpen) listener.packet(packet);
    });
    this.#parser.on("error", (error: unknown) =>
      world.fail(`a client got what is no packet: ${String(error)}`),
    );
    this.#socket = new SimSocket({
      world,
      chance,
      life,
      delayMs,
      listener: {
        received: (bytes) => {
          if (this.#isOpen) this.#parser.parse(bytes);
        },
        closed: () => {
          this.#isClosed = true;
          if (!this.#isOpen) return;
          this.#isOpen = false;
          listener.closed();
        },
      },
    });
    life.attach(this.#socket);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** It was abandoned, and the edge still keeps it up. */
  get stands(): boolean {
    return this.#isAbandoned && !this.#isClosed && this.life.scope.alive;
  }

  send(packet: Packet): void {
    if (this.#isOpen) this.#socket.fromClient(generate(packet, { protocolVersion: this.level }));
  }

  /** Hears nothing more; the edge notices, and gets what is under way only if it ends `inOrder`. */
  end(inOrder = false): void {
    this.#isOpen = false;
    this.#isClosed = true;
    this.#socket.endOfClient(inOrder);
  }

  /** Hears nothing more, and the edge does not know. */
  abandon(): void {
    this.#isOpen = false;
    this.#isAbandoned = true;
  }

  /** The node's process is gone. */
  lost(): void {
    this.#socket.endOfLife();
  }
}
