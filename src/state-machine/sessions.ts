/**
 * The stored sessions, by number and by client id, with what is due of them. A number is given once and never again, so that
 * what speaks for a session that is over can reach no other.
 */

import type { Will } from "../commands/command.js";
import { DueTimes } from "./due-times.js";
import { firstIndex } from "./first-index.js";
import type { RecordBatch } from "./record-batch.js";
import { corrupt, recordKey } from "./records.js";
import { encodeProgress, encodeSession } from "./session-records.js";
import { CHANGED_PROGRESS, CHANGED_SESSION, IS_OVER, IS_STORED, SessionState } from "./session-state.js";

export class Sessions {
  readonly #byNumber = new Map<number, SessionState>();
  readonly #byClientId = new Map<string, SessionState>();
  /** In the order of their numbers; ones that are over stay until they are the half. */
  #ordered: SessionState[] = [];
  #nextNumber = 1;
  #changed: SessionState[] = [];
  #ended: SessionState[] = [];
  readonly #due = new DueTimes<SessionState>();
  #connected = 0;
  #subscriptions = 0;
  #willBytes = 0;

  get size(): number {
    return this.#byNumber.size;
  }

  get connected(): number {
    return this.#connected;
  }

  /** Subscriptions that stand. */
  get subscriptions(): number {
    return this.#subscriptions;
  }

  /** Of all wills, as `willBytesOf` says. */
  get willBytes(): number {
    return this.#willBytes;
  }

  /** The number that the next session gets; set once, after the sessions are loaded. */
  get nextNumber(): number {
    return this.#nextNumber;
  }

  set nextNumber(number: number) {
    this.#nextNumber = number;
  }

  byNumber(number: number): SessionState | undefined {
    return this.#byNumber.get(number);
  }

  byClientId(clientId: string): SessionState | undefined {
    return this.#byClientId.get(clientId);
  }

  /** Every session, in the order of the numbers. */
  *all(): Iterable<SessionState> {
    for (const session of this.#ordered) if (!session.isOver) yield session;
  }

  /** At most `limit` sessions after the number `after`, in the order of the numbers. */
  page(after: number, limit: number): readonly SessionState[] {
    const page: SessionState[] = [];
    for (let at = firstIndex(this.#ordered, ({ number }) => number > after); page.length < limit; at += 1) {
      const session = this.#ordered[at];
      if (session === undefined) break;
      if (!session.isOver) page.push(session);
    }
    return page;
  }

  /** The client id must be free. */
  create(clientId: string, isKept: boolean, createdAtMs: number, through: number): SessionState {
    const session = new SessionState(this.#nextNumber, clientId, isKept, createdAtMs, through);
    this.#nextNumber += 1;
    this.#add(session);
    this.touch(session, CHANGED_SESSION | CHANGED_PROGRESS);
    return session;
  }

  /** It is over: nothing finds it any more. */
  delete(session: SessionState): void {
    this.setWill(session, null);
    this.countSubscriptions(-standing(session));
    if (session.owner !== null) this.#connected -= 1;
    session.endsAtMs = 0;
    session.willAtMs = 0;
    session.marks |= IS_OVER;
    this.#byNumber.delete(session.number);
    this.#byClientId.delete(session.clientId);
    if ((session.marks & IS_STORED) !== 0) this.#ended.push(session);
    if (this.#ordered.length > 2 * this.#byNumber.size + 64) this.#ordered = [...this.all()];
  }

  setOwner(session: SessionState, owner: SessionState["owner"]): void {
    this.#connected += Number(owner !== null) - Number(session.owner !== null);
    session.owner = owner;
  }

  setWill(session: SessionState, will: Will | null): void {
    this.#willBytes += willBytesOf(will) - willBytesOf(session.will);
    session.will = will;
  }

  /** So many subscriptions stand more than before. */
  countSubscriptions(more: number): void {
    this.#subscriptions += more;
  }

  /** `endsAtMs` or `willAtMs` is another than before. */
  schedule(session: SessionState): void {
    this.#due.changed(session);
    this.#due.tidy(this.all(), this.size);
  }

  nextDueMs(): number {
    return this.#due.nextMs();
  }

  takeDue(nowMs: number): SessionState | undefined {
    return this.#due.take(nowMs);
  }

  /** `CHANGED_SESSION` or `CHANGED_PROGRESS` or both: the next checkpoint writes it, once however often it changes until then. */
  touch(session: SessionState, what: number): void {
    if ((session.marks & (CHANGED_SESSION | CHANGED_PROGRESS)) === 0) this.#changed.push(session);
    session.marks |= what;
  }

  writeChanges(out: RecordBatch): void {
    for (const { number, isKept } of this.#ended) {
      out.remove(recordKey("s", number));
      if (isKept) out.remove(recordKey("p", number));
    }
    for (const session of this.#changed) {
      if (!session.isOver) {
        if ((session.marks & CHANGED_SESSION) !== 0) writeSession(out, session);
        if ((session.marks & CHANGED_PROGRESS) !== 0) writeProgress(out, session);
      }
      session.marks = (session.marks & IS_OVER) | IS_STORED;
    }
    this.#ended = [];
    this.#changed = [];
  }

  writeAll(out: RecordBatch): void {
    for (const session of this.all()) {
      writeSession(out, session);
      writeProgress(out, session);
    }
  }

  /** Takes a loaded session; they have to come in the order of their numbers. Throws `FatalError` `store_corrupt`. */
  load(session: SessionState): void {
    if (this.#byClientId.has(session.clientId))
      throw corrupt(`two sessions of one client id, ${session.number}`);
    session.marks = IS_STORED;
    this.#add(session);
    if (session.owner !== null) this.#connected += 1;
    this.#subscriptions += standing(session);
    this.#willBytes += willBytesOf(session.will);
    this.#due.changed(session);
  }

  #add(session: SessionState): void {
    this.#byNumber.set(session.number, session);
    this.#byClientId.set(session.clientId, session);
    this.#ordered.push(session);
  }
}

/** What a will counts against the ceiling: its payload and its properties. */
export function willBytesOf(will: Will | null): number {
  return will === null ? 0 : will.payload.byteLength + will.properties.byteLength;
}

function standing(session: SessionState): number {
  let count = 0;
  for (const { stands } of session.subscriptions) if (stands) count += 1;
  return count;
}

function writeSession(out: RecordBatch, session: SessionState): void {
  encodeSession(out.writer, session);
  out.put(recordKey("s", session.number));
}

/** Nothing of a session that is not kept is there to be written. */
function writeProgress(out: RecordBatch, session: SessionState): void {
  if (!session.isKept) return;
  encodeProgress(out.writer, session);
  out.put(recordKey("p", session.number));
}
