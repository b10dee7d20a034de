/**
 * The three formats of a stream: raw events of one topic, records as events, records as lines. One object each per edge: its
 * encoder is the key under which a batch's bytes are shared by all subscribers of that format.
 */
import type { Broker } from "../../broker.js";
import { limits } from "../../limits.js";
import type { StoredMessage } from "../../state-machine/effects.js";
import type { BatchEncoder } from "../../topics/subscriber.js";
import { ByteWriter } from "./byte-writer.js";
import { chunkOf, chunkOfWritten, type SharedBytes } from "./chunked.js";
import { envelopeJson } from "./envelope.js";
import {
  deletedEvent,
  gapEvent,
  HEARTBEAT,
  idOnly,
  retryField,
  writePayload,
  writeRecord,
} from "./event-stream.js";
import { BLANK_LINE, deletedLine, gapLine } from "./ndjson.js";

export const EVENT_STREAM_TYPE = "text/event-stream";
export const NDJSON_TYPE = "application/x-ndjson";

/** A batch as bytes, with how many messages are in them (expired ones are left out). */
export interface EncodedBatch extends SharedBytes {
  readonly messages: number;
}

export interface StreamFormat {
  readonly mediaType: string;
  readonly encoder: BatchEncoder<EncodedBatch>;
  /** Shows proxies that the stream lives. */
  readonly heartbeat: SharedBytes;
  /** The first bytes; `startId` is where the stream begins, `null` for the earliest message that is kept. */
  opening(startId: string | null): string;
  /** Retained messages, before the stream. As events they carry no id: the reader's last id must not go back to theirs. */
  retained(messages: readonly StoredMessage[]): EncodedBatch;
  /** `movesOn`: nothing is left between the two ids (a stream of one topic). */
  gap(after: string, resumedAt: string, movesOn: boolean): string;
  deleted(topic: string): string;
}

export interface StreamFormats {
  /** The payload as `data:`. */
  readonly raw: StreamFormat;
  /** The envelope as `data:`. */
  readonly records: StreamFormat;
  /** The envelope as a line. */
  readonly lines: StreamFormat;
}

type WriteOne = (writer: ByteWriter, message: StoredMessage, id: string, setsId: boolean) => void;

const sseFrame = {
  mediaType: EVENT_STREAM_TYPE,
  heartbeat: chunkOf(HEARTBEAT),
  opening: (startId: string | null) =>
    `${retryField(limits.sseRetryMs)}${HEARTBEAT}${startId === null ? "" : idOnly(startId)}`,
  gap: gapEvent,
  deleted: deletedEvent,
};

const lineFrame = {
  mediaType: NDJSON_TYPE,
  heartbeat: chunkOf(BLANK_LINE),
  opening: () => BLANK_LINE,
  gap: gapLine,
  deleted: deletedLine,
};

/** The formats of one edge; ids and the time come from its broker. */
export function createStreamFormats(broker: Pick<Broker, "eventId" | "nowMs">): StreamFormats {
  const writer = new ByteWriter();
  const encode = (messages: readonly StoredMessage[], write: WriteOne, setsId: boolean): EncodedBatch => {
    const nowMs = broker.nowMs();
    let written = 0;
    writer.reset();
    for (const message of messages) {
      if (message.expiresAtMs !== 0 && message.expiresAtMs <= nowMs) continue;
      write(writer, message, broker.eventId(message.position), setsId);
      written += 1;
    }
    const { framed, bare } = chunkOfWritten(writer);
    return { framed, bare, messages: written };
  };
  const format = (frame: typeof sseFrame | typeof lineFrame, write: WriteOne): StreamFormat => ({
    ...frame,
    encoder: { encode: (messages) => encode(messages, write, true) },
    retained: (messages) => encode(messages, write, false),
  });
  return {
    raw: format(sseFrame, (out, message, id, setsId) =>
      writePayload(out, setsId ? id : null, message.payload),
    ),
    records: format(sseFrame, (out, message, id, setsId) =>
      writeRecord(out, setsId ? id : null, envelopeJson(message, id)),
    ),
    lines: format(lineFrame, (out, message, id) => {
      out.utf8(envelopeJson(message, id));
      out.byte(10);
    }),
  };
}
