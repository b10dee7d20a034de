/**
 * What one client's connection has to tell the replicated state: per source, which exchanges came how far. Asked for it by the gatherer,
 * one report at a time; what a report said counts for the client (PUBREL, free identifiers) when it was applied.
 */
import type { SessionProgress } from "../../../commands/command.js";
import { limits } from "../../../limits.js";
import { LIVE } from "./exchanges.js";
import type { Ledger } from "./ledger.js";
import type { Parts } from "./parts.js";
import type { ProgressReporter } from "./progress-gatherer.js";

/** What was told of one source. */
export interface Told {
  readonly source: number;
  /** PUBREC came. */
  readonly received: readonly number[];
  /** Dealt with. */
  readonly done: readonly number[];
}

/** A source with what is news of it. */
interface Watched {
  readonly source: number;
  /** Sources with a cursor: live and passes. */
  readonly ledger: Ledger | null;
  /** Up to here everything that is to be sent was sent. */
  readonly walked: () => number;
  received: number[];
  done: number[];
  /** Cursor that was told last. */
  through: number;
  /** Where the source ends: the `asOf` of a pass. */
  readonly end: number;
}

/** A report that is on its way. */
interface UnderWay extends Told {
  readonly watched: Watched;
  readonly throughBefore: number;
}

/** With so many news of a source a report is not put off: a member of a share gets no more before that is known. */
const NEWS_URGENT = limits.unsettledMax / 4;
const SHARED_NEWS_URGENT = limits.sharedOutstandingMax / 4;

/** What a client has that tells nothing: all of them the same. */
const NONE_WATCHED = new Map<number, Watched>();

export class Reports implements ProgressReporter {
  readonly #parts: Parts;
  #watched = NONE_WATCHED;
  #underWay: readonly UnderWay[] = [];

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** A source with a cursor. `through` is what the state says of it. */
  watch(
    source: number,
    ledger: Ledger,
    through: number,
    walked: () => number,
    end = Number.POSITIVE_INFINITY,
  ): void {
    this.#add({ source, ledger, walked, received: [], done: [], through, end });
  }

  /** Whether a source with a cursor is not over. */
  isWatched(source: number): boolean {
    return this.#watched.has(source);
  }

  /** PUBREC came for an exchange: the client waits until that is committed. */
  received(source: number, position: number): void {
    this.#of(source).received.push(position);
    this.#parts.context.progress.soon(this);
  }

  /** An exchange is over, or a message will never be sent. */
  done(source: number, position: number): void {
    const { done, ledger } = this.#of(source);
    ledger?.settle(position);
    done.push(position);
    if (done.length === (ledger === null ? SHARED_NEWS_URGENT : NEWS_URGENT))
      this.#parts.context.progress.soon(this);
    else if (done.length === 1) this.#parts.context.progress.later(this);
  }

  /** The cursor of a source has moved in a way that somebody waits for. */
  moved(): void {
    this.#parts.context.progress.later(this);
  }

  takeProgress(): readonly SessionProgress[] {
    const { session, live } = this.#parts;
    const entries: SessionProgress[] = [];
    const underWay: UnderWay[] = [];
    for (const watched of this.#watched.values()) {
      const { source, ledger, received, done, through: throughBefore } = watched;
      const through = ledger === null ? 0 : ledger.through(watched.walked());
      if (received.length === 0 && done.length === 0 && through <= throughBefore) continue;
      entries.push({
        session: session.number,
        epoch: session.epoch,
        source,
        through: ledger === null ? 0 : Math.max(through, throughBefore),
        sentThrough: source === LIVE && ledger !== null ? live.sentThrough : 0,
        received,
        done: ledger === null ? done : done.filter((position) => position > through),
      });
      underWay.push({ source, received, done, watched, throughBefore });
      watched.received = [];
      watched.done = [];
      watched.through = Math.max(through, throughBefore);
    }
    this.#underWay = underWay;
    return entries;
  }

  progressApplied(): void {
    const told = this.#underWay;
    this.#underWay = [];
    for (const { source, watched } of told) {
      const { ledger, received, done, through, end } = watched;
      const isOver = ledger === null || through >= end;
      if (isOver && received.length + done.length === 0) this.#watched.delete(source);
    }
    this.#parts.applied(told);
  }

  progressRefused(): void {
    for (const { watched, received, done, throughBefore } of this.#underWay) {
      watched.received = [...received, ...watched.received];
      watched.done = [...done, ...watched.done];
      watched.through = throughBefore;
    }
    this.#underWay = [];
  }

  #of(source: number): Watched {
    const watched = this.#watched.get(source);
    if (watched !== undefined) return watched;
    return this.#add({ source, ledger: null, walked: () => 0, received: [], done: [], through: 0, end: 0 });
  }

  #add(watched: Watched): Watched {
    if (this.#watched === NONE_WATCHED) this.#watched = new Map();
    this.#watched.set(watched.source, watched);
    return watched;
  }
}
