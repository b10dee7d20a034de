/**
 * Server-Sent Events as bytes (WHATWG HTML, 9.2.5 and 9.2.6). Pure. Ids and event names are ours and hold no line end; a
 * payload's own line ends (CRLF, LF, CR: all three end a line) each begin another `data:` field, which readers join with LF.
 * So text comes out with LF for every line end; whoever needs CR back byte for byte asks for the envelope.
 */
import { isUtf8 } from "node:buffer";
import type { ByteWriter } from "./byte-writer.js";
import { asBuffer } from "./envelope.js";

const CR = 13;
const LF = 10;

/** A comment: keeps proxies awake, is no event. */
export const HEARTBEAT = ":\n\n";

/** How long a reader waits before it reconnects, milliseconds. */
export function retryField(retryMs: number): string {
  return `retry: ${retryMs}\n`;
}

/**
 * Sets the reader's last event id without giving it an event (9.2.6: at the blank line the id is taken over even when there is no
 * data), so that one who loses the connection before its first event still resumes where it began.
 */
export function idOnly(id: string): string {
  return `id: ${id}\n\n`;
}

/**
 * History was trimmed: messages between the two ids are missing. With `movesOn` none of them is left and the reader's last id becomes
 * `resumedAt`; without, what other topics still keep between the two follows, and the id stays where it is.
 */
export function gapEvent(after: string, resumedAt: string, movesOn: boolean): string {
  const id = movesOn ? `id: ${resumedAt}\n` : "";
  return `event: gap\n${id}data: {"after":"${after}","resumedAt":"${resumedAt}"}\n\n`;
}

/** The topic was deleted; the stream ends after this. */
export function deletedEvent(topic: string): string {
  return `event: deleted\ndata: {"topic":${JSON.stringify(topic)}}\n\n`;
}

function writeLines(writer: ByteWriter, text: Uint8Array): void {
  let start = 0;
  for (let i = 0; i <= text.length; i += 1) {
    const byte = text[i];
    if (byte !== LF && byte !== CR && byte !== undefined) continue;
    writer.ascii("data: ");
    writer.bytes(text.subarray(start, i));
    writer.byte(LF);
    if (byte === CR && text[i + 1] === LF) i += 1;
    start = i + 1;
  }
}

/** One payload as an event; `id` null leaves the reader's last id as it is. Bytes that are not UTF-8 come as `event: binary`. */
export function writePayload(writer: ByteWriter, id: string | null, payload: Uint8Array): void {
  if (id !== null) {
    writer.ascii("id: ");
    writer.ascii(id);
    writer.byte(LF);
  }
  if (!isUtf8(payload)) {
    writer.ascii("event: binary\ndata: ");
    writer.utf8(asBuffer(payload).toString("base64"));
    writer.byte(LF);
  } else if (payload.indexOf(LF) === -1 && payload.indexOf(CR) === -1) {
    writer.ascii("data: ");
    writer.bytes(payload);
    writer.byte(LF);
  } else writeLines(writer, payload);
  writer.byte(LF);
}

/** One record as an event. `json` is on one line: JSON escapes every line end. */
export function writeRecord(writer: ByteWriter, id: string | null, json: string): void {
  writer.ascii(id === null ? "data: " : `id: ${id}\ndata: `);
  writer.utf8(json);
  writer.ascii("\n\n");
}
