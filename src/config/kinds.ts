/**
 * The kinds of value that a setting can have: how each is checked (zod), written in help and formatted as a default.
 * Every schema takes text (flags, variables) as well as what YAML makes of it (numbers, booleans, lists).
 */
import { z } from "zod";
import { isTopicFilter } from "../topics/topic-name.js";
import { isHost } from "./peer-address.js";
import { formatBytes, formatDurationMs, parseBytes, parseDurationMs } from "./units.js";

/** One kind of value. */
export interface Kind<Value> {
  /** What stands for the value in help: `BYTES`; "" for a switch. */
  readonly placeholder: string;
  /** What is allowed, as it ends the sentence "must be ...". */
  readonly expected: string;
  readonly schema: z.ZodType<Value>;
  format(value: Value): string;
}

const must = (expected: string): { error: string } => ({ error: `must be ${expected}` });

function ranged(
  placeholder: string,
  expected: string,
  range: readonly [number, number],
  read: (text: string) => number | undefined,
  format: (value: number) => string,
): Kind<number> {
  const [least, most] = range;
  const said = must(expected);
  const schema = z.preprocess(
    (raw) => (typeof raw === "string" ? read(raw) : raw),
    z.int(said).min(least, said).max(most, said),
  );
  return { placeholder, expected, schema, format };
}

/** A whole number from `least` to `most`. */
export function count(least: number, most: number, placeholder = "N"): Kind<number> {
  const read = (text: string): number | undefined => (/^\d{1,15}$/.test(text) ? Number(text) : undefined);
  return ranged(placeholder, `a whole number from ${least} to ${most}`, [least, most], read, String);
}

/** A size of at least `least` bytes and at most `most`. */
export function bytes(least: number, most = Number.MAX_SAFE_INTEGER): Kind<number> {
  const upTo = most === Number.MAX_SAFE_INTEGER ? "or more" : `to ${formatBytes(most)}`;
  const expected = `a size (bytes, or with KiB, MiB, GiB), ${formatBytes(least)} ${upTo}`;
  return ranged("BYTES", expected, [least, most], parseBytes, formatBytes);
}

/** A time of at least `leastMs`. */
export function duration(leastMs: number): Kind<number> {
  const expected = `a time (milliseconds, or with ms, s, m, h, d), ${formatDurationMs(leastMs)} or more`;
  const range = [leastMs, Number.MAX_SAFE_INTEGER] as const;
  return ranged("TIME", expected, range, (text) => parseDurationMs(text), formatDurationMs);
}

const SWITCH_WORDS: ReadonlyMap<unknown, boolean> = new Map<unknown, boolean>([
  ["true", true],
  ["1", true],
  ["false", false],
  ["0", false],
]);

/** The opposite of a switch's value as it was written; what is no switch's value stays, and fails its check. */
export function opposite(raw: unknown): unknown {
  const value = SWITCH_WORDS.get(raw) ?? raw;
  return typeof value === "boolean" ? !value : raw;
}

/** On or off. */
export function toggle(): Kind<boolean> {
  const expected = "true or false";
  const schema = z.preprocess((raw) => SWITCH_WORDS.get(raw) ?? raw, z.boolean(must(expected)));
  return { placeholder: "", expected, schema, format: String };
}

/** One of a few words. */
export function oneOf<const Word extends string>(words: readonly Word[]): Kind<Word> {
  const expected = `one of ${words.join(", ")}`;
  return { placeholder: words.join("|"), expected, schema: z.enum(words, must(expected)), format: String };
}

/** A number's digits as the text that identifies a node. */
export function nodeNumber(): Kind<string> {
  const expected = "a positive whole number of at most 15 digits";
  const schema = z.preprocess(
    (raw) => (typeof raw === "number" ? String(raw) : raw),
    z.string(must(expected)).regex(/^[1-9]\d{0,14}$/, must(expected)),
  );
  return { placeholder: "N", expected, schema, format: String };
}

/** A path, of a directory unless `placeholder` says otherwise. */
export function path(placeholder = "DIR"): Kind<string> {
  const expected = "a path";
  const schema = z
    .string(must(expected))
    .min(1, must(expected))
    .refine((written) => !written.includes("\0"), must(expected));
  return { placeholder, expected, schema, format: String };
}

/** An address or a host name to listen on; `[::1]` is taken as `::1`. */
export function listenAddress(): Kind<string> {
  const expected = "an IP address or a host name, without a port";
  const schema = z.preprocess(
    (raw) => (typeof raw === "string" ? raw.replace(/^\[(.*)\]$/, "$1") : raw),
    z.string(must(expected)).refine(isHost, must(expected)),
  );
  return { placeholder: "ADDRESS", expected, schema, format: String };
}

function isOrigin(text: string): boolean {
  if (text === "*") return true;
  return URL.canParse(text) && new URL(text).origin === text;
}

/** Web origins (scheme, host and port, nothing after), separated by commas or as a list. */
export function origins(): Kind<readonly string[]> {
  const expected = "origins such as https://example.org separated by commas, or *";
  const schema = z.preprocess(
    (raw) => (typeof raw === "string" ? splitAtCommas(raw) : raw),
    z.array(z.string(must(expected)).refine(isOrigin, must(expected)), must(expected)),
  );
  return { placeholder: "ORIGINS", expected, schema, format: formatList };
}

function splitAtCommas(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function formatList(list: readonly string[]): string {
  return list.length === 0 ? "none" : list.join(",");
}

/** MQTT topic filters, separated by commas or as a list. */
export function topicFilters(): Kind<readonly string[]> {
  const expected = "topic filters separated by commas";
  const schema = z.preprocess(
    (raw) => (typeof raw === "string" ? splitAtCommas(raw) : raw),
    z.array(z.string(must(expected)).refine(isTopicFilter, must(expected)), must(expected)),
  );
  return { placeholder: "FILTERS", expected, schema, format: formatList };
}

/** A kind whose value may be missing: that is the default, and nothing that anybody writes. */
export function optional<Value>(kind: Kind<Value>): Kind<Value | null> {
  return { ...kind, format: (value) => (value === null ? "none" : kind.format(value)) };
}

/** Any text but the empty one. */
export function text(placeholder: string): Kind<string> {
  const expected = "some text";
  return { placeholder, expected, schema: z.string(must(expected)).min(1, must(expected)), format: String };
}

/** Where a node's HTTP edge is. */
export function httpUrl(): Kind<string> {
  const expected = "a URL that begins with http:// or https://";
  const schema = z.url({ protocol: /^https?$/, ...must(expected) });
  return { placeholder: "URL", expected, schema, format: String };
}

/** A time in whole seconds, at least one; a plain number counts seconds. */
export function seconds(most = Number.MAX_SAFE_INTEGER): Kind<number> {
  const upTo = most === Number.MAX_SAFE_INTEGER ? "or more" : `to ${most}`;
  const expected = `a time in whole seconds (60, or with s, m, h, d), 1 ${upTo}`;
  const read = (written: string): number | undefined => {
    const ms = parseDurationMs(written, 1_000);
    return ms === undefined ? undefined : ms / 1_000;
  };
  return ranged("TIME", expected, [1, most], read, String);
}
