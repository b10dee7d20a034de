/**
 * The QoS 1 and 2 exchanges that are open with a client, by packet identifier: each in use once at a time (MQTT-2.2.1-4), and as many
 * as the client's window takes. An open-addressed table without an object per message: it is touched twice for each of them.
 */

/** How far an exchange is. The first two are the QoS of the PUBLISH. */
export const Stage = {
  /** PUBLISH at QoS 1 was sent. */
  AwaitsPuback: 1,
  /** PUBLISH at QoS 2 was sent. */
  AwaitsPubrec: 2,
  /** PUBREC came; PUBREL waits until that is committed. */
  Received: 3,
  /** PUBREL was sent. */
  AwaitsPubcomp: 4,
  /** Over for the client, but the identifier is not free before that is committed. */
  Settled: 5,
} as const;
export type Stage = (typeof Stage)[keyof typeof Stage];

/** The live stream as a source of messages, as in `SessionProgress`, and retained messages of a session that is not kept. */
export const LIVE = 0;
export const RETAINED = -1;

const SLOTS_MIN = 16;

export class Exchanges {
  readonly #windowMax: number;
  /** Parallel arrays; id 0 marks a free slot. Made when the first message needs them. */
  #ids = new Uint16Array(0);
  #positions = new Float64Array(0);
  #stages = new Uint8Array(0);
  #mask = -1;
  /** Of those that are not live, by id. */
  readonly #sources = new Map<number, number>();
  #size = 0;
  #inWindow = 0;
  /** The most at a time since it was last empty. */
  #sizePeak = 0;

  /** `windowMax` exchanges at most are not over for the client (Receive Maximum: MQTT 5.0, 4.9). */
  constructor(windowMax: number) {
    this.#windowMax = windowMax;
  }

  /** How many more messages the client takes; negative when a resumed session has more open than that. */
  get free(): number {
    return this.#windowMax - this.#inWindow;
  }

  /** Identifiers in use. */
  get size(): number {
    return this.#size;
  }

  /** Begins an exchange; false when the identifier is in use. */
  open(id: number, position: number, stage: Stage, source: number): boolean {
    if (2 * this.#size > this.#mask) this.#resize(Math.max(SLOTS_MIN, 2 * this.#ids.length));
    const mask = this.#mask;
    const ids = this.#ids;
    let slot = id & mask;
    for (let taken = ids[slot]; taken !== 0; taken = ids[slot]) {
      if (taken === id) return false;
      slot = (slot + 1) & mask;
    }
    ids[slot] = id;
    this.#positions[slot] = position;
    this.#stages[slot] = stage;
    if (source !== LIVE) this.#sources.set(id, source);
    this.#size += 1;
    if (stage !== Stage.Settled) this.#inWindow += 1;
    if (this.#size > this.#sizePeak) this.#sizePeak = this.#size;
    return true;
  }

  /** Where the exchange of this identifier is, until the next change of the table; -1 when there is none. */
  find(id: number): number {
    if (id === 0 || this.#size === 0) return -1;
    const mask = this.#mask;
    const ids = this.#ids;
    let slot = id & mask;
    for (let taken = ids[slot]; taken !== 0; taken = ids[slot]) {
      if (taken === id) return slot;
      slot = (slot + 1) & mask;
    }
    return -1;
  }

  isUsed(id: number): boolean {
    return this.find(id) >= 0;
  }

  stageAt(slot: number): Stage {
    return this.#stages[slot] as Stage;
  }

  positionAt(slot: number): number {
    return this.#positions[slot] ?? 0;
  }

  sourceAt(slot: number): number {
    if (this.#sources.size === 0) return LIVE;
    return this.#sources.get(this.#ids[slot] ?? 0) ?? LIVE;
  }

  /** The next step of an exchange; `Settled` makes room in the window. */
  advance(slot: number, stage: Stage): void {
    if (stage === Stage.Settled) this.#inWindow -= 1;
    this.#stages[slot] = stage;
  }

  /** Ends an exchange: its identifier is free. */
  remove(slot: number): void {
    if (this.#stages[slot] !== Stage.Settled) this.#inWindow -= 1;
    if (this.#sources.size > 0) this.#sources.delete(this.#ids[slot] ?? 0);
    this.#size -= 1;
    this.#closeGap(slot);
    if (this.#size > 0) return;
    // What a burst needed is given back bit by bit.
    if (this.#ids.length > SLOTS_MIN && 8 * this.#sizePeak < this.#ids.length)
      this.#resize(this.#ids.length / 2);
    this.#sizePeak = 0;
  }

  /** Takes a slot out and moves up those behind it that would not be found any more. */
  #closeGap(slot: number): void {
    const ids = this.#ids;
    const mask = this.#mask;
    let gap = slot;
    let next = (gap + 1) & mask;
    for (let id = ids[next] ?? 0; id !== 0; id = ids[next] ?? 0) {
      const home = id & mask;
      if (((next - home) & mask) >= ((next - gap) & mask)) {
        ids[gap] = id;
        this.#positions[gap] = this.#positions[next] ?? 0;
        this.#stages[gap] = this.#stages[next] ?? 0;
        gap = next;
      }
      next = (next + 1) & mask;
    }
    ids[gap] = 0;
  }

  #resize(slots: number): void {
    const [ids, positions, stages] = [this.#ids, this.#positions, this.#stages];
    this.#ids = new Uint16Array(slots);
    this.#positions = new Float64Array(slots);
    this.#stages = new Uint8Array(slots);
    this.#mask = slots - 1;
    for (const [slot, id] of ids.entries()) {
      if (id === 0) continue;
      let free = id & this.#mask;
      while (this.#ids[free] !== 0) free = (free + 1) & this.#mask;
      this.#ids[free] = id;
      this.#positions[free] = positions[slot] ?? 0;
      this.#stages[free] = stages[slot] ?? 0;
    }
  }
}
