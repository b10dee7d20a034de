/** A reader of a stream in a test's hand: takes it apart as it comes and waits for what the test expects. */
import { createParser, type EventSourceMessage } from "eventsource-parser";

export class StreamClient {
  readonly response: Response;
  /** Every event so far. */
  readonly events: EventSourceMessage[] = [];
  /** Everything so far, as text. */
  text = "";
  #isEnded = false;
  #changed: (() => void)[] = [];
  readonly #abort: AbortController;

  private constructor(response: Response, abort: AbortController) {
    this.response = response;
    this.#abort = abort;
    void this.#read();
  }

  /** Opens a stream; the answer has to be 200. */
  static async open(url: string, headers: Record<string, string> = {}): Promise<StreamClient> {
    const abort = new AbortController();
    const response = await fetch(url, { headers, signal: abort.signal });
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
    return new StreamClient(response, abort);
  }

  /** `data` of every event so far. */
  get data(): string[] {
    return this.events.map(({ data }) => data);
  }

  /** Complete lines so far that are not blank, parsed. */
  get lines(): Record<string, unknown>[] {
    const whole = this.text.slice(0, this.text.lastIndexOf("\n") + 1);
    return whole
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  }

  async until(condition: (client: this) => boolean): Promise<this> {
    while (!condition(this)) {
      if (this.#isEnded) throw new Error(`ended after ${JSON.stringify(this.text)}`);
      await new Promise<void>((resolve) => this.#changed.push(resolve));
    }
    return this;
  }

  /** Waits for so many events. */
  count(events: number): Promise<this> {
    return this.until((client) => client.events.length >= events);
  }

  /** Waits until the other side has ended the stream. */
  async ended(): Promise<this> {
    while (!this.#isEnded) await new Promise<void>((resolve) => this.#changed.push(resolve));
    return this;
  }

  close(): void {
    this.#abort.abort();
  }

  async #read(): Promise<void> {
    const parser = createParser({ onEvent: (event) => this.events.push(event) });
    const decoder = new TextDecoder();
    try {
      for await (const chunk of this.response.body ?? []) {
        const text = decoder.decode(chunk, { stream: true });
        this.text += text;
        parser.feed(text);
        this.#notify();
      }
    } catch {
      // The test closed it, or the node did without a last word: ended either way.
    }
    this.#isEnded = true;
    this.#notify();
  }

  #notify(): void {
    for (const changed of this.#changed.splice(0)) changed();
  }
}
