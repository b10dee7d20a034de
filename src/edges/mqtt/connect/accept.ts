/** A client is let in: CONNACK (MQTT 3.1.1 and 5.0, 3.2), and what its session has waiting. */
import { limits } from "../../../limits.js";
import type { Opened } from "../../../state-machine/effects.js";
import type { Session } from "../../../state-machine/session-view.js";
import { Client } from "../client.js";
import type { Connection } from "../connection.js";
import { lostMessages } from "../delivery/lost.js";
import { Hold } from "../hold.js";
import { type Connack, encodeConnack } from "../packets/connack.js";
import type { ConnectPacket } from "../packets/connect.js";
import { packetBytesMax } from "../packets/fixed-header.js";
import { LEVEL_5 } from "../packets/protocol.js";
import { Reason } from "../packets/reason-codes.js";
import { isSysFilter } from "../sys/sys-board.js";

export interface Accepted {
  readonly connection: Connection;
  readonly connect: ConnectPacket;
  /** Its own or the assigned one. */
  readonly clientId: string;
  /** What it got of what it asked for. */
  readonly expirySeconds: number;
  readonly authData: Uint8Array | null;
  readonly opened: Opened;
  readonly session: Session;
}

/** User property of CONNACK: so many messages at most of those that the session missed are gone. */
const LOST_PROPERTY = "jangada-lost";
/** The longest keep-alive that CONNECT can say (3.1.2.10): as a ceiling it is none. */
const KEEP_ALIVE_SECONDS_MAX = 0xffff;
/** First level of the topics that a client is offered for answers to its requests. */
const RESPONSE_PREFIX = "_response";

/** The connection is a client's from now on. To be called while the log entry that opened the session is the last that was applied. */
export function accept(accepted: Accepted): void {
  const { connection, connect, clientId: id, opened, session } = accepted;
  const { will: _will, password: _password, ...known } = connect;
  const { context } = connection;
  const keepAliveSeconds = grantedKeepAlive(connect.keepAliveSeconds, context.keepAliveSecondsMax);
  const connack = encodeConnack(connect.level, connackOf(accepted, keepAliveSeconds), connect.packetBytesMax);
  const { present: wasPresent } = opened;
  const client = new Client({ connection, connect: known, id, keepAliveSeconds, session, wasPresent });
  context.clients.add(client);
  connection.become(client);
  if (connack === null) {
    connection.refuse("packet_too_large", "CONNACK is longer than the client takes", null);
    return;
  }
  connection.reply(connack);
  client.delivery.resume(session);
  if (session.subscriptions.some(isSysFilter)) client.watchSys([]);
  connection.release(Hold.Opening);
  connection.idle();
}

/** 0 is for ever. */
function grantedKeepAlive(asked: number, most: number): number {
  if (asked === 0) return most === KEEP_ALIVE_SECONDS_MAX ? 0 : most;
  return Math.min(asked, most);
}

function connackOf(
  { connection, connect, clientId, expirySeconds, authData, opened, session }: Accepted,
  keepAliveSeconds: number,
): Connack {
  const answer = { sessionPresent: opened.present, reason: Reason.Success };
  if (connect.level !== LEVEL_5) return answer;
  const { context } = connection;
  const lost = opened.present ? lostMessages(context.broker, session) : 0;
  return {
    ...answer,
    expirySeconds: unless(connect.expirySeconds, expirySeconds),
    receiveMax: limits.receiveMax,
    packetBytesMax: packetBytesMax(context.payloadBytesMax),
    assignedClientId: unless(connect.clientId, clientId),
    topicAliasMax: limits.topicAliasesMax,
    keepAliveSeconds: unless(connect.keepAliveSeconds, keepAliveSeconds),
    responseInformation: connect.wantsResponseInformation ? responseTopics(clientId) : undefined,
    authMethod: connect.authMethod ?? undefined,
    authData: authData ?? undefined,
    userProperties: lost === 0 ? undefined : [[LOST_PROPERTY, String(lost)]],
  };
}

/** What the client does not know yet. */
function unless<Value>(asked: Value, granted: Value): Value | undefined {
  return asked === granted ? undefined : granted;
}

/** Where no other client is told to listen (3.2.2.3.15): the id as one level of a topic, whatever is in it. */
function responseTopics(clientId: string): string {
  return `${RESPONSE_PREFIX}/${encodeURIComponent(clientId)}`;
}
