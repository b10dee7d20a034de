/** One node from start to exit code: says ready, and one clear line about whatever ends it. */
import pretty from "pino-pretty";
import { isLoopback } from "../config/doors.js";
import { peerSettings } from "../config/peer-address.js";
import { readClusterSecret } from "../config/secret-file.js";
import type { ServeConfig } from "../config.js";
import { FatalError } from "../errors.js";
import { StoppedEarly } from "../lifecycle.js";
import { limits } from "../limits.js";
import { type RunningNode, startNode } from "../node.js";
import { systemClock } from "../runtime/clock.js";
import { createLogger, type Logger } from "../runtime/logger.js";

/** Lines that nothing may silence: ready and fatal. JSON also on a terminal, where the others are pretty. */
function loudLogger(): Logger {
  return createLogger("info", false);
}

function logger(config: ServeConfig): Logger {
  if (!process.stdout.isTTY) return createLogger(config.logLevel, false);
  return createLogger(config.logLevel, false, pretty({ translateTime: "SYS:HH:MM:ss.l", sync: true }));
}

/** Runs a node until it is told to stop or has to; gives the exit code. Throws `ConfigError` for a bad secret file, before anything runs. */
export async function runNode(config: ServeConfig): Promise<number> {
  const secret = config.clusterSecretFile === null ? null : readClusterSecret(config.clusterSecretFile);
  const loud = loudLogger();
  const log = logger(config);
  const death = dieOnUncaught(loud);
  const stopping = firstStopSignal(loud);
  warnOfChoices(config, log);
  if (secret?.warning) log.warn({ file: config.clusterSecretFile }, secret.warning);

  const starting = startNode(config, { logger: log, stopAsked: stopping });
  // A failed start is told below; a stop that was asked for meanwhile must not make it an unhandled rejection.
  starting.catch(() => undefined);
  let node: RunningNode;
  try {
    node = await Promise.race([starting, death]);
  } catch (error) {
    if (!(error instanceof StoppedEarly)) return fatal(loud, error, "the node cannot start");
    log.info({}, "stopped before it served");
    return 0;
  }
  loud.info({ nodeId: node.nodeId, mqtt: node.mqtt, http: node.http, peer: node.peer }, "ready");

  const end = await Promise.race([stopping, node.failed, death.catch(asError)]);
  if (typeof end !== "string") return fatal(loud, end, "the node has to stop");
  log.info({ signal: end }, "stopping");
  try {
    await Promise.race([node.stop(), death]);
  } catch (error) {
    return fatal(loud, error, "the node did not stop cleanly");
  }
  log.info({}, "stopped");
  return 0;
}

/** Warns of what was chosen and is less than safe. */
function warnOfChoices(config: ServeConfig, log: Logger): void {
  if (!isLoopback(config.host)) {
    log.warn(
      { host: config.host },
      "everybody who reaches this address may publish, subscribe and delete topics",
    );
  }
  const peer = peerSettings(config);
  if (peer !== null && !isLoopback(peer.host)) {
    log.warn(
      { host: peer.host, port: peer.port },
      "what nodes send each other is not encrypted: keep the peer port on a network of their own",
    );
  }
  if (config.durability === "os") {
    log.warn({ durability: "os" }, "acknowledged messages are lost when the power fails");
  }
}

/** One Ctrl-C under `npm start` comes twice, from the terminal and from npm: so close together they are one. */
const SAME_SIGNAL_MS = 200;

/**
 * Resolves with the first SIGTERM or SIGINT. From then on the process has `limits.shutdownMs` left, also when it is still
 * starting; a second signal exits at once.
 */
function firstStopSignal(loud: Logger): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let askedAtMs: number | undefined;
    const onSignal = (signal: NodeJS.Signals): void => {
      const nowMs = systemClock.monotonicMs();
      if (askedAtMs !== undefined) {
        if (nowMs - askedAtMs > SAME_SIGNAL_MS) process.exit(1);
        return;
      }
      askedAtMs = nowMs;
      setTimeout(dieLate, limits.shutdownMs, loud).unref();
      resolve(signal);
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
}

function dieLate(loud: Logger): void {
  const late = new FatalError("stop_timeout", `not stopped after ${limits.shutdownMs} ms`);
  process.exit(fatal(loud, late, "the node does not wait any longer"));
}

/** Rejects with what nobody caught: the state of the process is unknown then, so it must end. */
function dieOnUncaught(loud: Logger): Promise<never> {
  return new Promise((_resolve, reject) => {
    let dying = false;
    const die = (thrown: unknown): void => {
      if (dying) process.exit(fatal(loud, thrown, "the node failed twice"));
      dying = true;
      reject(asError(thrown));
    };
    process.on("uncaughtException", die);
    process.on("unhandledRejection", die);
  });
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** Tells why in one line: an expected error by its code, another with its stack. Gives the exit code. */
function fatal(loud: Logger, thrown: unknown, what: string): number {
  const error = asError(thrown);
  const isExpected = "code" in error && (error.name === "FatalError" || error.name === "ClusterError");
  const facts = isExpected ? { code: error.code } : { code: "internal", stack: error.stack };
  loud.fatal(facts, `${what}: ${error.message}`);
  return 1;
}
