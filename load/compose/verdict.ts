/** Judges what writers were promised against what a reader received. Pure. */

/** One message as the stream gave it. */
export interface Received {
  readonly id: string;
  readonly topic: string;
  readonly offset: number;
  readonly payload: string;
}

/** Offsets of every topic are 0, 1, 2, ...; no event id comes twice. Complaints, few of them. */
export function streamComplaints(received: readonly Received[]): string[] {
  const complaints: string[] = [];
  const due = new Map<string, number>();
  const ids = new Set<string>();
  for (const { id, topic, offset } of received) {
    const expected = due.get(topic) ?? 0;
    if (offset !== expected) complaints.push(`${topic}: offset ${offset} where ${expected} is due`);
    if (ids.has(id)) complaints.push(`${topic}: event id ${id} came twice`);
    ids.add(id);
    due.set(topic, offset + 1);
  }
  return summary(complaints);
}

/** A writer that repeats a request under one key, one after another: each once, in order. */
export function exactlyOnceComplaints(payloads: readonly string[], written: readonly string[]): string[] {
  const complaints: string[] = [];
  for (let at = 0; at < Math.max(payloads.length, written.length); at++) {
    if (payloads[at] !== written[at]) {
      complaints.push(
        `message ${at} is ${payloads[at] ?? "missing"}, published was ${written[at] ?? "none"}`,
      );
    }
  }
  return summary(complaints);
}

export interface AtLeastOnce {
  readonly complaints: readonly string[];
  /** Messages that are there once more than they were published: sent again after a connection broke. */
  readonly doubles: number;
}

/** A writer that sends again what was not acknowledged when its connection broke: each at least once, nothing else. */
export function atLeastOnce(payloads: readonly string[], written: Iterable<string>): AtLeastOnce {
  const counts = new Map<string, number>();
  for (const payload of payloads) counts.set(payload, (counts.get(payload) ?? 0) + 1);
  const complaints: string[] = [];
  let distinct = 0;
  for (const payload of written) {
    if (counts.has(payload)) distinct += 1;
    else complaints.push(`${payload} was acknowledged and is missing`);
  }
  return { complaints: summary(complaints), doubles: payloads.length - distinct };
}

/** The longest time between two successive moments, from `fromMs` on, milliseconds. */
export function longestPause(momentsMs: readonly number[], fromMs: number): number {
  let longest = 0;
  let before = fromMs;
  for (const moment of momentsMs) {
    if (moment < fromMs) continue;
    longest = Math.max(longest, moment - before);
    before = moment;
  }
  return longest;
}

const SHOWN_MAX = 3;

function summary(complaints: readonly string[]): string[] {
  const rest = complaints.length - SHOWN_MAX;
  return rest > 0 ? [...complaints.slice(0, SHOWN_MAX), `and ${rest} more`] : [...complaints];
}
