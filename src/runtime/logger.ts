/** Port: what is told to operators. JSON lines by pino, pretty on a terminal; a quiet one for tests. */
import { type DestinationStream, pino } from "pino";

/** Facts first, then the sentence: `log.warn({ peer }, "peer is unreachable")`. */
export interface Logger {
  debug(facts: object, text: string): void;
  info(facts: object, text: string): void;
  warn(facts: object, text: string): void;
  error(facts: object, text: string): void;
  fatal(facts: object, text: string): void;
}

export type LogLevel = "debug" | "info" | "warn" | "error" | "fatal" | "silent";

/** A logger that writes JSON lines to standard output; on a terminal they are made pretty. */
export function createLogger(level: LogLevel, pretty: boolean, destination?: DestinationStream): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (destination !== undefined) return pino(options, destination);
  if (!pretty) return pino(options, pino.destination({ dest: 1, sync: true }));
  return pino({ ...options, transport: { target: "pino-pretty", options: { translateTime: "HH:MM:ss.l" } } });
}

/** Says nothing. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  fatal: () => undefined,
};
