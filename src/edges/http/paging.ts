/**
 * Lists in pages: `?limit=` and `?cursor=`. A cursor is the key of the last row before, opaque to users; rows have an order that does not
 * change, so that no page repeats or skips a row that stands all the while. Pure.
 */
import { JangadaError } from "../../errors.js";
import { limits } from "../../limits.js";
import type { Query } from "./query.js";

/** Which page is asked for. */
export interface AskedPage {
  /** The last key of the page before; `null` for the first page. */
  readonly after: string | null;
  readonly limit: number;
}

const invalidCursor = (): JangadaError =>
  new JangadaError("invalid_request", "?cursor= is not one that this route gave");

/** Reads the options of a page; `isKey` tells what can be a key. Throws `invalid_request`. */
export function askedPage(query: Query, isKey: (key: string) => boolean): AskedPage {
  const limit = query.integer("limit", 1, limits.listLimitMax) ?? limits.listLimitDefault;
  const cursor = query.one("cursor");
  if (cursor === undefined || cursor === "") return { after: null, limit };
  const after = Buffer.from(cursor, "base64url").toString("utf8");
  if (Buffer.from(after).toString("base64url") !== cursor || !isKey(after)) throw invalidCursor();
  return { after, limit };
}

/** A page of what was found, and the cursor of the next; one row more than asked for tells whether there is one. */
export function pageOf<Row>(
  found: readonly Row[],
  limit: number,
  keyOf: (row: Row) => string,
): { readonly rows: readonly Row[]; readonly next: string | null } {
  const rows = found.slice(0, limit);
  const last = found.length > limit ? rows.at(-1) : undefined;
  return { rows, next: last === undefined ? null : Buffer.from(keyOf(last)).toString("base64url") };
}
