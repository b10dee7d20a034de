/** The events of one Server-Sent Events answer (WHATWG HTML, 9.2), pulled as fast as they are consumed. */
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { connectionFailure } from "./http.js";

/** What an answer's body gives. */
export interface EventStream {
  readonly events: AsyncGenerator<EventSourceMessage>;
  /** The wait before reconnecting that the server asked for with `retry:`, milliseconds. */
  readonly retryMs: () => number | undefined;
}

/** Takes the events out of an answer. `alive` is called whenever bytes arrive, comments included. */
export function eventStream(response: Response, alive: () => void): EventStream {
  let retryMs: number | undefined;
  const ready: EventSourceMessage[] = [];
  const parser = createParser({
    onEvent: (event) => ready.push(event),
    onRetry: (ms) => {
      retryMs = ms;
    },
  });
  async function* events(): AsyncGenerator<EventSourceMessage> {
    const decoder = new TextDecoder();
    for await (const chunk of chunksOf(response)) {
      alive();
      parser.feed(decoder.decode(chunk, { stream: true }));
      yield* ready.splice(0);
    }
  }
  return { events: events(), retryMs: () => retryMs };
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
