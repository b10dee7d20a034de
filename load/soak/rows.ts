/**
 * What an hour of messages has to be, checked as it comes and in little memory: each publisher numbers its messages in one row, and every
 * watcher sees each row without a hole, a repeat or a change of order, and under each id the same message as everybody else. Pure.
 */

/** A payload is `row:number pad`. */
const KEY = /^([\w-]+):(\d+) /;
/** Ids remembered to hold watchers against each other. */
const AGREED_IDS = 200_000;

export function payloadOf(row: string, number: number, bytes: number): string {
  const key = `${row}:${number} `;
  return `${key}${"x".repeat(Math.max(0, bytes - key.length))}`;
}

export class Rows {
  /** The last number of each row that was acknowledged. */
  readonly #acknowledged = new Map<string, number>();
  readonly #agreed = new Map<string, string>();
  readonly #report: (detail: string) => void;

  constructor(report: (detail: string) => void) {
    this.#report = report;
  }

  acknowledged(row: string, number: number): void {
    this.#acknowledged.set(row, number);
  }

  get acknowledgedCount(): number {
    let sum = 0;
    for (const last of this.#acknowledged.values()) sum += last + 1;
    return sum;
  }

  report(detail: string): void {
    this.#report(detail);
  }

  /** Under one id is one message, whoever shows it. */
  agree(who: string, id: string, key: string): void {
    const known = this.#agreed.get(id);
    if (known !== undefined) {
      if (known !== key) this.#report(`${who}: id ${id} is ${key}, and was ${known} elsewhere`);
      return;
    }
    this.#agreed.set(id, key);
    if (this.#agreed.size <= AGREED_IDS) return;
    const oldest = this.#agreed.keys().next().value;
    if (oldest !== undefined) this.#agreed.delete(oldest);
  }

  /** What one who has seen these last numbers lacks. */
  lacking(seen: ReadonlyMap<string, number>): readonly string[] {
    return [...this.#acknowledged].flatMap(([row, last]) => {
      const has = seen.get(row) ?? -1;
      return has >= last ? [] : [`${row}: ${has} of ${last}`];
    });
  }
}

/** How far one watcher is in every row. */
export class RowReader {
  readonly last = new Map<string, number>();
  taken = 0;
  gaps = 0;
  readonly #name: string;
  readonly #rows: Rows;
  /** Whether holes are allowed where a gap was told: one that stops reading may be overtaken by retention. */
  readonly #mayMiss: boolean;
  readonly #excused = new Set<string>();

  constructor(name: string, rows: Rows, mayMiss: boolean) {
    this.#name = name;
    this.#rows = rows;
    this.#mayMiss = mayMiss;
  }

  tellGap(detail: string): void {
    this.gaps += 1;
    if (!this.#mayMiss) this.#rows.report(`${this.#name}: a gap: ${detail}`);
    for (const row of this.last.keys()) this.#excused.add(row);
  }

  take(id: string, payload: string): void {
    const [, row, digits] = KEY.exec(payload) ?? [];
    if (row === undefined) {
      this.#rows.report(`${this.#name}: nobody published "${payload.slice(0, 40)}"`);
      return;
    }
    const number = Number(digits);
    const last = this.last.get(row);
    this.taken += 1;
    this.#rows.agree(this.#name, id, `${row}:${number}`);
    this.last.set(row, Math.max(last ?? -1, number));
    const isExcused = this.#excused.delete(row);
    // Of a row that it meets for the first time it may have missed the beginning.
    if (last === undefined || number === last + 1) return;
    if (number <= last) this.#rows.report(`${this.#name}: ${row}:${number} comes after ${last}`);
    else if (!isExcused)
      this.#rows.report(`${this.#name}: ${row}:${number} comes after ${last}, and no gap was told`);
  }
}
