/** Newline-delimited JSON, both ways. Pure: splitting takes views of the body and copies nothing. */

const CR = 13;
const LF = 10;

/** What a heartbeat is in a stream of lines: an empty one. */
export const BLANK_LINE = "\n";

function isBlank(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i += 1) {
    const byte = bytes[i];
    if (byte !== 32 && byte !== 9 && byte !== CR) return false;
  }
  return true;
}

/**
 * The lines of a body, without their line ends (LF or CRLF); blank lines are skipped. Gives `null` when there are more than
 * `linesMax`.
 */
export function splitLines(body: Buffer, linesMax: number): Buffer[] | null {
  const lines: Buffer[] = [];
  for (let start = 0; start < body.length; ) {
    const found = body.indexOf(LF, start);
    const next = found === -1 ? body.length : found;
    const end = next > start && body[next - 1] === CR ? next - 1 : next;
    if (!isBlank(body, start, end)) {
      if (lines.length === linesMax) return null;
      lines.push(body.subarray(start, end));
    }
    start = next + 1;
  }
  return lines;
}

/** History was trimmed: messages between the two ids are missing; what other topics of a stream still keep there follows. */
export function gapLine(after: string, resumedAt: string): string {
  return `{"gap":{"after":"${after}","resumedAt":"${resumedAt}"}}\n`;
}

/** The topic was deleted; the stream ends after this. */
export function deletedLine(topic: string): string {
  return `{"deleted":{"topic":${JSON.stringify(topic)}}}\n`;
}
