/**
 * The query of a request, strictly: form-encoded (`+` is a space, `%2B` a plus), a malformed escape is refused, an option given
 * twice is refused rather than guessed. Unknown options are left alone. Pure.
 */
import { JangadaError } from "../../errors.js";

const invalid = (detail: string): JangadaError => new JangadaError("invalid_request", detail);

/** Decodes one form-encoded piece. Throws `invalid_request` for a malformed escape. */
function decodePiece(piece: string): string {
  const spaced = piece.includes("+") ? piece.replaceAll("+", " ") : piece;
  if (!spaced.includes("%")) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    throw invalid("the query has a malformed percent-escape");
  }
}

export class Query {
  readonly #values = new Map<string, string[]>();

  /** Takes a request target (path and query). */
  constructor(url: string) {
    const start = url.indexOf("?");
    if (start === -1) return;
    const end = url.indexOf("#", start);
    for (const pair of url.slice(start + 1, end === -1 ? undefined : end).split("&")) {
      if (pair === "") continue;
      const equals = pair.indexOf("=");
      const name = decodePiece(equals === -1 ? pair : pair.slice(0, equals));
      const value = equals === -1 ? "" : decodePiece(pair.slice(equals + 1));
      const known = this.#values.get(name);
      if (known === undefined) this.#values.set(name, [value]);
      else known.push(value);
    }
  }

  /** Every value of an option, in order. */
  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** The only value of an option; `undefined` when it is not given. */
  one(name: string): string | undefined {
    const values = this.#values.get(name);
    if (values !== undefined && values.length > 1) throw invalid(`?${name}= is given more than once`);
    return values?.[0];
  }

  /** `true` or `false`; false when it is not given. */
  flag(name: string): boolean {
    const value = this.one(name);
    if (value === undefined || value === "false") return false;
    if (value === "true") return true;
    throw invalid(`?${name}= is either true or false`);
  }

  /** A whole decimal number from `min` to `max`. */
  integer(name: string, min: number, max: number): number | undefined {
    const value = this.one(name);
    if (value === undefined) return undefined;
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) {
      throw invalid(`?${name}= is a whole number from ${min} to ${max}`);
    }
    return number;
  }
}
