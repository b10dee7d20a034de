/** MQTT sessions over HTTP: those of the whole group, connected or not, from the replicated state. */
import type { FastifyInstance } from "fastify";
import type { Broker } from "../../broker.js";
import { SESSION_NEVER_EXPIRES } from "../../commands/command.js";
import { JangadaError } from "../../errors.js";
import type { Session, SessionSubscription } from "../../state-machine/session-view.js";
import { awaitConsistency } from "./consistency.js";
import { type HttpContext, submitted } from "./context.js";
import { askedPage, pageOf } from "./paging.js";
import { Query } from "./query.js";
import { schemas } from "./schemas-sessions.js";
import { decodeSegment, pathOf } from "./topic-path.js";

const PREFIX = "/sessions/";
const NUMBER = /^(?:0|[1-9]\d{0,14})$/;

/** A session as JSON. Times are milliseconds since 1970. */
interface SessionJson {
  readonly clientId: string;
  readonly connected: boolean;
  /** Where it is connected. */
  readonly node: string | null;
  /** Its subscriptions and progress are replicated: any node can go on with it. */
  readonly kept: boolean;
  /** How long it outlives its connection; `null` for ever. */
  readonly expirySeconds: number | null;
  /** When it ends if nobody comes back; `null` while connected, and when it never does. */
  readonly endsAt: number | null;
  readonly createdAt: number;
  /** When the present connection began, or the last one ended. */
  readonly since: number;
  readonly subscriptions: number;
  /** Positions between what is dealt with and the newest message, of a session that is kept; 0 without a subscription. */
  readonly lag: number;
  /** Messages that the group knows to be between server and client: of shares, and those of QoS 2 between PUBREC and PUBCOMP. */
  readonly inFlight: number;
  readonly will: boolean;
}

const isStanding = ({ until }: SessionSubscription): boolean => until === Number.POSITIVE_INFINITY;

function receivedOf({ live, passes }: Session): number {
  return passes.reduce((sum, { received }) => sum + received.length, live.received.length);
}

function sessionJson({ head }: Pick<Broker, "head">, session: Session): SessionJson {
  const { clientId, owner, isKept, expirySeconds, endsAtMs, createdAtMs, sinceMs, live, shared } = session;
  const subscriptions = session.subscriptions.filter(isStanding).length;
  return {
    clientId,
    connected: owner !== null,
    node: owner?.node ?? null,
    kept: isKept,
    expirySeconds: expirySeconds === SESSION_NEVER_EXPIRES ? null : expirySeconds,
    endsAt: endsAtMs === 0 ? null : endsAtMs,
    createdAt: createdAtMs,
    since: sinceMs,
    subscriptions,
    lag: isKept && subscriptions > 0 ? Math.max(0, head - live.through) : 0,
    inFlight: shared.length + receivedOf(session),
    will: session.will !== null,
  };
}

/** A subscription as it was asked for. */
function filterJson(subscription: SessionSubscription): object {
  const { filter, share, qos, noLocal, retainAsPublished, retainHandling, subscriptionId } = subscription;
  const name = share === "" ? filter : `$share/${share}/${filter}`;
  const id = subscriptionId === 0 ? null : subscriptionId;
  return { filter: name, qos, noLocal, retainAsPublished, retainHandling, subscriptionId: id };
}

/** The client id in a request target: everything after the prefix, decoded once. */
function clientIdOf(url: string): string {
  return decodeSegment(pathOf(url).slice(PREFIX.length));
}

/** Adds the routes of sessions. */
export function addSessionRoutes(app: FastifyInstance, context: HttpContext): void {
  const { broker } = context;

  app.get("/sessions", { schema: schemas.listSessions }, async (request) => {
    const url = request.raw.url ?? "";
    const { after, limit } = askedPage(new Query(url), (key) => NUMBER.test(key));
    await awaitConsistency(context, url);
    const { rows, next } = pageOf(broker.sessions(Number(after), limit + 1), limit, ({ number }) =>
      String(number),
    );
    return { sessions: rows.map((session) => sessionJson(broker, session)), next };
  });

  app.get("/sessions/:id", { schema: schemas.showSession }, async (request) => {
    const url = request.raw.url ?? "";
    const clientId = clientIdOf(url);
    await awaitConsistency(context, url);
    const session = broker.sessionOf(clientId);
    if (session === undefined) throw new JangadaError("session_not_found");
    const filters = session.subscriptions.filter(isStanding).map(filterJson);
    return { ...sessionJson(broker, session), filters };
  });

  app.delete("/sessions/:id", { schema: schemas.forgetSession }, async (request, reply) => {
    const clientId = clientIdOf(request.raw.url ?? "");
    await submitted(context, { kind: "displace-session", clientId, forget: true });
    return reply.code(204).send();
  });
}
