/** The events of one Server-Sent Events answer (WHATWG HTML, 9.2), pulled as fast as they are consumed. */
import { createParser, type EventSourceMessage, type ParseError } from "eventsource-parser";
import { ClientFailure } from "./failure.js";
import { connectionFailure } from "./http.js";

/** What an answer's body gives. */
export interface EventStream {
  readonly events: AsyncGenerator<EventSourceMessage>;
  /** The wait before reconnecting that the server asked for with `retry:`, milliseconds. */
  readonly retryMs: () => number | undefined;
  /** The id that the server set before the first event, if it did: where the stream began. */
  readonly startId: () => string | undefined;
}

/** The longest event that is waited for: the largest payload, escaped as JSON in the worst way. */
const EVENT_LENGTH_MAX = 64 * 1024 * 1024;

/** Where an id without an event is looked for. */
const OPENING_LENGTH_MAX = 1_024;

/** A block of an id alone sets the last event id (9.2.6); the parser, which tells of events, does not tell of it. */
const ID_ALONE = /(?:^|[\r\n])id: ?([^\r\n\0]+)(?:\r\n|\r|\n){2}/;

function refuseEndless(error: ParseError): void {
  if (error.type === "max-buffer-size-exceeded")
    throw new ClientFailure("bad_answer", "an event does not end");
}

/** Takes the events out of an answer. `alive` is called whenever bytes arrive, comments included. */
export function eventStream(response: Response, alive: () => void): EventStream {
  let retryMs: number | undefined;
  let opening = "";
  const ready: EventSourceMessage[] = [];
  const parser = createParser({
    maxBufferSize: EVENT_LENGTH_MAX,
    onError: refuseEndless,
    onEvent: (event) => ready.push(event),
    onRetry: (ms) => {
      retryMs = ms;
    },
  });
  async function* events(): AsyncGenerator<EventSourceMessage> {
    const decoder = new TextDecoder();
    for await (const chunk of chunksOf(response)) {
      alive();
      const text = decoder.decode(chunk, { stream: true });
      if (opening.length < OPENING_LENGTH_MAX) opening += text.slice(0, OPENING_LENGTH_MAX);
      parser.feed(text);
      yield* ready.splice(0);
    }
  }
  return { events: events(), retryMs: () => retryMs, startId: () => ID_ALONE.exec(opening)?.[1] };
}

async function* chunksOf(response: Response): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch (cause) {
    throw connectionFailure(cause, new URL(response.url));
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
