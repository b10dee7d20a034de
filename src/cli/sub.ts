/** `jangada sub`: prints what is published, over drops and restarts, as payloads or as records. */
import type { EventSourceMessage } from "eventsource-parser";
import { count, oneOf, text } from "../config/kinds.js";
import { ConfigError } from "../errors.js";
import { limits } from "../limits.js";
import { systemRandom } from "../runtime/random.js";
import { type CliCommand, optionsHelp, readArguments } from "./command.js";
import { ClientFailure } from "./failure.js";
import { follow } from "./follow.js";
import { address, nodeUrl, oneLine, topicPath, urlOption } from "./http.js";
import { note, print } from "./output.js";

const options = {
  url: urlOption,
  from: { kind: text("earliest|ID"), help: "start after this event id, or with all that is kept (live)" },
  format: {
    kind: oneOf(["payload", "json"]),
    help: "payload: the bytes and a line feed; json: a record a line",
  },
  count: { kind: count(1, Number.MAX_SAFE_INTEGER), help: "end after so many messages" },
};

type Format = "payload" | "json";

export const sub: CliCommand = {
  name: "sub",
  usage: "sub FILTER... [flags]",
  summary: "print messages as they are published",
  details: () =>
    "FILTER is a topic, or has the wildcards + (one level) and # (all below). After a drop it goes on where it stopped.\n" +
    `Gaps and drops are told on standard error. Ends on Ctrl-C, after --count, or when the topic is deleted.\n\n${optionsHelp(options)}`,
  async run(argv) {
    const { options: given, positionals: filters } = readArguments(argv, options);
    if (filters.length === 0) throw new ConfigError("sub needs a FILTER");
    if (filters.length > limits.streamFiltersMax) {
      throw new ConfigError(`sub takes at most ${limits.streamFiltersMax} filters`);
    }
    const ended = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ended.abort());
    const printer = new Printer(given.format ?? "payload", given.count ?? Number.POSITIVE_INFINITY);
    await follow({
      url: streamAddress(nodeUrl(given.url), filters),
      from: given.from,
      random: systemRandom,
      signal: ended.signal,
      onEvent: (event) => printer.take(event),
      onDrop: (reason, lossless) => note(dropNote(reason, lossless)),
    });
    return 0;
  },
};

function dropNote(reason: string, lossless: boolean): string {
  const rest = lossless ? "reconnecting" : "reconnecting live: what is published meanwhile is not shown";
  return `${oneLine(reason)}; ${rest}`;
}

/** One filter has a stream of its own, which ends when its topic is deleted; records keep every byte and the id. */
function streamAddress(base: URL, filters: readonly string[]): URL {
  const [only] = filters;
  if (only !== undefined && filters.length === 1) {
    return address(base, topicPath(only, "/stream"), { format: "json" });
  }
  const url = address(base, "stream", { format: "json" });
  for (const filter of filters) url.searchParams.append("topic", filter);
  return url;
}

/** Prints events until it has had enough. */
class Printer {
  readonly #format: Format;
  #left: number;

  constructor(format: Format, count: number) {
    this.#format = format;
    this.#left = count;
  }

  async take(event: EventSourceMessage): Promise<"go on" | "end"> {
    switch (event.event) {
      case undefined:
      case "message":
      case "binary":
        await print(this.#format === "json" ? `${oneLine(event.data)}\n` : lineOf(event.data));
        this.#left -= 1;
        return this.#left > 0 ? "go on" : "end";
      case "gap":
        note(`gap: messages were trimmed before they could be shown: ${oneLine(event.data)}`);
        return "go on";
      case "deleted":
        note("the topic was deleted");
        return "end";
      default:
        return "go on";
    }
  }
}

function lineOf(record: string): Uint8Array {
  return Buffer.concat([payloadOf(record), Buffer.from("\n")]);
}

/** The payload's own bytes, from the record that a stream gives. Throws `ClientFailure` `bad_answer`. */
function payloadOf(record: string): Uint8Array {
  let parsed: unknown;
  try {
    parsed = JSON.parse(record);
  } catch {
    throw new ClientFailure("bad_answer", "an event is not JSON");
  }
  if (typeof parsed === "object" && parsed !== null) {
    if ("payload" in parsed && typeof parsed.payload === "string") return Buffer.from(parsed.payload);
    if ("payloadBase64" in parsed && typeof parsed.payloadBase64 === "string") {
      return Buffer.from(parsed.payloadBase64, "base64");
    }
  }
  throw new ClientFailure("bad_answer", "an event has no payload");
}
