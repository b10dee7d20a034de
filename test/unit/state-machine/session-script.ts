/** Commands about sessions in short, for tests that read as scripts. */
import type {
  CloseSessionCommand,
  Command,
  OpenSessionCommand,
  SessionProgress,
  SubscriptionOptions,
  Will,
} from "../../../src/commands/command.js";
import { SESSION_NEVER_EXPIRES } from "../../../src/commands/command.js";

const NOTHING = new Uint8Array(0);

/** Connects and goes on with what there is, for ever, unless `changes` say otherwise. */
export function open(clientId: string, changes: Partial<OpenSessionCommand> = {}): OpenSessionCommand {
  return {
    kind: "open-session",
    clientId,
    cleanStart: false,
    expirySeconds: SESSION_NEVER_EXPIRES,
    will: null,
    ...changes,
  };
}

/** DISCONNECT, unless `changes` say otherwise. */
export function close(
  session: number,
  epoch: number,
  changes: Partial<CloseSessionCommand> = {},
): CloseSessionCommand {
  return {
    kind: "close-session",
    session,
    epoch,
    withWill: false,
    expirySeconds: null,
    sentThrough: 0,
    ...changes,
  };
}

export function willOf(topic: string, changes: Partial<Will> = {}): Will {
  return {
    topic,
    payload: Buffer.from("will"),
    contentType: "",
    qos: 1,
    retain: false,
    properties: NOTHING,
    expirySeconds: 0,
    delaySeconds: 0,
    ...changes,
  };
}

/** A subscription of QoS 1 and nothing else, unless `changes` say otherwise. */
export function optionsOf(changes: Partial<SubscriptionOptions> & { filter: string }): SubscriptionOptions {
  return {
    share: "",
    qos: 1,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
    subscriptionId: 0,
    ...changes,
  };
}

export function subscribe(
  session: number,
  epoch: number,
  ...subscriptions: (Partial<SubscriptionOptions> & { filter: string })[]
): Command {
  return { kind: "subscribe", session, epoch, subscriptions: subscriptions.map(optionsOf) };
}

export function unsubscribe(session: number, epoch: number, ...filters: string[]): Command {
  return {
    kind: "unsubscribe",
    session,
    epoch,
    filters: filters.map((filter) => ({ filter, share: "" })),
  };
}

export function progress(session: number, epoch: number, news: Partial<SessionProgress>): Command {
  const entry = { session, epoch, source: 0, through: 0, sentThrough: 0, received: [], done: [], ...news };
  return { kind: "progress", entries: [entry] };
}

export const TICK: Command = { kind: "tick" };
