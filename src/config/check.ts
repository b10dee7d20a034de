/** Checks one value that somebody wrote, and complains in one line that says where, why and what was there. */
import { ConfigError } from "../errors.js";
import type { Kind } from "./kinds.js";

/** The longest value that a complaint repeats. */
const SHOWN_LENGTH_MAX = 80;

/** A value as a complaint shows it: one line, quoted, not endless. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}...` : text;
}

/** The checked value. `place` begins the complaint (`flag --mqtt-port`). Throws `ConfigError`. */
export function checkValue<Value>(kind: Kind<Value>, raw: unknown, place: string): Value {
  const checked = kind.schema.safeParse(raw);
  if (checked.success) return checked.data;
  const reason = checked.error.issues[0]?.message ?? `must be ${kind.expected}`;
  throw new ConfigError(`${place}: ${reason}, not ${shown(raw)}`);
}
