/** What nodes answer, for people: lists page by page, an object field by field. */
import { formatBytes, formatDurationMs } from "../config/units.js";
import { limits } from "../limits.js";
import { ClientFailure } from "./failure.js";
import { address, type Fields, fieldsOf, jsonOf, oneLine, request } from "./http.js";

/** Fields that are times, in milliseconds since 1970. */
const TIMES: ReadonlySet<string> = new Set(["createdAt", "since", "endsAt"]);

/** The rows of the list `name` at the path of that name, page after page. Throws `ClientFailure`. */
export async function* rowsOf(
  base: URL,
  name: string,
  query: Readonly<Record<string, string | undefined>> = {},
): AsyncGenerator<Fields> {
  let cursor: string | undefined;
  do {
    const asked = { ...query, limit: limits.listLimitMax, cursor };
    const page = fieldsOf(await jsonOf(await request(address(base, name, asked))));
    const rows: unknown = page[name];
    if (!Array.isArray(rows)) throw new ClientFailure("bad_answer", `the answer has no ${name}`);
    for (const row of rows) yield fieldsOf(row);
    const next = page["next"];
    cursor = typeof next === "string" && next !== "" ? next : undefined;
  } while (cursor !== undefined);
}

/** One line a field; a field of fields is written `retention.age`. */
export function described(fields: Fields, prefix: string): string {
  return Object.entries(fields)
    .map(([name, value]) => {
      if (typeof value === "object" && value !== null && !Array.isArray(value)) {
        return described(fieldsOf(value), `${prefix}${name}.`);
      }
      return `${prefix}${name.replace(/Ms$/, "")}: ${valueText(name, value)}\n`;
    })
    .join("");
}

function valueText(name: string, value: unknown): string {
  if (typeof value === "number" && /bytes$/i.test(name)) return formatBytes(value);
  if (typeof value === "number" && name === "ageMs") return formatDurationMs(value);
  if (typeof value === "number" && TIMES.has(name)) return timeText(value);
  return typeof value === "string" ? oneLine(value) : JSON.stringify(value);
}

/** A time of an answer, in milliseconds; what is no time stays a number. */
export function timeText(ms: number): string {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? String(ms) : time.toISOString();
}
