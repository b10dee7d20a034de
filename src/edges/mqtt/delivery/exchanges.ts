/**
 * The QoS 1 and 2 exchanges that are open with a client, by packet identifier: each in use once at a time (MQTT-2.2.1-4), and as many
 * as the client's window takes. A slot is found by the low bits of the identifier and costs no object: it is touched twice for each message. Two
 * that want one slot are rare, since identifiers of one time are near each other; the second has an object aside.
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

/** Above all slots: the exchange is one of those aside, and its identifier this much less. */
const ASIDE = 0x1_0000;

/** What a client has to which nothing was sent at QoS 1 or 2: all of them the same. */
const NO_IDS = new Uint16Array(0);
const NO_POSITIONS = new Float64Array(0);
const NO_STAGES = new Uint8Array(0);
const NONE_ASIDE = new Map<number, { position: number; stage: Stage }>();
const NO_SOURCES = new Map<number, number>();

export class Exchanges {
  readonly #windowMax: number;
  /** Parallel arrays; id 0 marks a free slot. */
  #ids = NO_IDS;
  #positions = NO_POSITIONS;
  #stages = NO_STAGES;
  #mask = -1;
  #aside = NONE_ASIDE;
  /** Of those that are not live, by id. */
  #sources = NO_SOURCES;
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
    if (this.#size > this.#mask) this.#resize(Math.max(SLOTS_MIN, 2 * this.#ids.length));
    const slot = id & this.#mask;
    const taken = this.#ids[slot];
    if (taken === id || (this.#aside.size > 0 && this.#aside.has(id))) return false;
    if (taken === 0) this.#put(slot, id, position, stage);
    else this.#putAside(id, position, stage);
    if (source !== LIVE) this.#setSource(id, source);
    this.#size += 1;
    if (stage !== Stage.Settled) this.#inWindow += 1;
    if (this.#size > this.#sizePeak) this.#sizePeak = this.#size;
    return true;
  }

  /** Where the exchange of this identifier is, until the next change of the table; -1 when there is none. */
  find(id: number): number {
    if (id === 0 || this.#size === 0) return -1;
    const slot = id & this.#mask;
    if (this.#ids[slot] === id) return slot;
    return this.#aside.size > 0 && this.#aside.has(id) ? ASIDE + id : -1;
  }

  isUsed(id: number): boolean {
    return this.find(id) >= 0;
  }

  stageAt(slot: number): Stage {
    return (slot < ASIDE ? this.#stages[slot] : this.#aside.get(slot - ASIDE)?.stage) as Stage;
  }

  positionAt(slot: number): number {
    return (slot < ASIDE ? this.#positions[slot] : this.#aside.get(slot - ASIDE)?.position) ?? 0;
  }

  sourceAt(slot: number): number {
    if (this.#sources.size === 0) return LIVE;
    return this.#sources.get(this.#idAt(slot)) ?? LIVE;
  }

  /** The next step of an exchange; `Settled` makes room in the window. */
  advance(slot: number, stage: Stage): void {
    if (stage === Stage.Settled) this.#inWindow -= 1;
    if (slot < ASIDE) {
      this.#stages[slot] = stage;
      return;
    }
    const aside = this.#aside.get(slot - ASIDE);
    if (aside !== undefined) aside.stage = stage;
  }

  /** Ends an exchange: its identifier is free. */
  remove(slot: number): void {
    if (this.stageAt(slot) !== Stage.Settled) this.#inWindow -= 1;
    if (this.#sources.size > 0) this.#sources.delete(this.#idAt(slot));
    if (slot < ASIDE) this.#ids[slot] = 0;
    else this.#aside.delete(slot - ASIDE);
    this.#size -= 1;
    if (this.#size === 0) this.#emptied();
  }

  #idAt(slot: number): number {
    return slot < ASIDE ? (this.#ids[slot] ?? 0) : slot - ASIDE;
  }

  #putAside(id: number, position: number, stage: Stage): void {
    if (this.#aside === NONE_ASIDE) this.#aside = new Map();
    this.#aside.set(id, { position, stage });
  }

  #setSource(id: number, source: number): void {
    if (this.#sources === NO_SOURCES) this.#sources = new Map();
    this.#sources.set(id, source);
  }

  #put(slot: number, id: number, position: number, stage: number): void {
    this.#ids[slot] = id;
    this.#positions[slot] = position;
    this.#stages[slot] = stage;
  }

  /** What a burst needed is given back bit by bit. */
  #emptied(): void {
    if (this.#ids.length > SLOTS_MIN && 8 * this.#sizePeak < this.#ids.length) {
      this.#resize(this.#ids.length / 2);
    }
    this.#sizePeak = 0;
  }

  #resize(slots: number): void {
    const [ids, positions, stages] = [this.#ids, this.#positions, this.#stages];
    this.#ids = new Uint16Array(slots);
    this.#positions = new Float64Array(slots);
    this.#stages = new Uint8Array(slots);
    this.#mask = slots - 1;
    for (const [slot, id] of ids.entries()) {
      if (id !== 0) this.#put(id & this.#mask, id, positions[slot] ?? 0, stages[slot] ?? 0);
    }
    for (const [id, { position, stage }] of this.#aside) {
      const slot = id & this.#mask;
      if (this.#ids[slot] !== 0) continue;
      this.#put(slot, id, position, stage);
      this.#aside.delete(id);
    }
  }
}
