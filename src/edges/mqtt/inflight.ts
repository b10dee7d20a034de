/**
 * The packet ids of QoS 1 messages that were sent to a client and not acknowledged yet: unique while in use (MQTT-2.3.1-4), and as many
 * at a time as the window allows. A slot per place of the window, found by the id's low bits.
 */

/** Ids are 1 to 65,535 (2.3.1). */
const PACKET_ID_MAX = 65_535;

export class Inflight {
  readonly #windowMax: number;
  /** The id that occupies each slot, 0 for none; made when the first message needs it. */
  #slots: Uint16Array | null = null;
  readonly #slotMask: number;
  #used = 0;
  #lastId = 0;

  /** `windowMax` messages at most are unacknowledged. */
  constructor(windowMax: number) {
    this.#windowMax = windowMax;
    this.#slotMask = 2 ** Math.ceil(Math.log2(windowMax)) - 1;
  }

  /** How many more messages may be sent. */
  get free(): number {
    return this.#windowMax - this.#used;
  }

  /** Messages sent and not acknowledged. */
  get used(): number {
    return this.#used;
  }

  /** Takes the next id that is not in use. Only while `free` is above 0: then some slot is empty. */
  take(): number {
    this.#slots ??= new Uint16Array(this.#slotMask + 1);
    let id = this.#lastId;
    do {
      id = id === PACKET_ID_MAX ? 1 : id + 1;
    } while (this.#slots[id & this.#slotMask] !== 0);
    this.#slots[id & this.#slotMask] = id;
    this.#lastId = id;
    this.#used += 1;
    return id;
  }

  /** The client acknowledged `id`; false when no such message is unacknowledged. */
  release(id: number): boolean {
    if (id === 0 || this.#slots === null || this.#slots[id & this.#slotMask] !== id) return false;
    this.#slots[id & this.#slotMask] = 0;
    this.#used -= 1;
    return true;
  }
}
