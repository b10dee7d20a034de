/**
 * What node.json says (pure): whose directory it is, the tag that tells it from any other, how often it was opened. Reading gives an
 * identity that is whole or one error; nothing in it is guessed.
 */
import { crc32 } from "node:zlib";
import { fieldsOf, isCount } from "../../cluster/log/snapshot-meta.js";
import type { JoinTicket } from "../cluster-control.js";
import { FatalError } from "../errors.js";

/** 2: tag, incarnation and ticket. */
export const IDENTITY_VERSION = 2;

export interface Identity {
  readonly version: number;
  readonly nodeId: string;
  /** "" in format 1, which knew neither tag nor incarnation: whoever opens it draws one. */
  readonly tag: string;
  readonly incarnation: number;
  /** What the node was told when it joined; its log says more as soon as it has one. */
  readonly ticket: JoinTicket | null;
  /** Raft ran here: it may have voted, and must never run here without what it wrote. */
  readonly hasRun: boolean;
}

/** With a checksum of all else at its end. */
export function encodeIdentity(identity: Identity): string {
  return `${JSON.stringify({ ...identity, check: crc32(JSON.stringify(identity)) })}\n`;
}

/** Throws `FatalError` `store_corrupt`, or `data_version` for a file of a newer format. */
export function parseIdentity(path: string, text: string): Identity {
  const { check, ...fields } = fieldsOf(jsonOf(path, text));
  // Before anything is believed: a flipped bit would pass for a newer format, another node or another directory. Earlier releases wrote none.
  if (check !== undefined && check !== crc32(JSON.stringify(fields))) throw damaged(path);
  const { version, nodeId, tag, incarnation, ticket = null, hasRun = false } = fields;
  if (!isCount(version) || version === 0 || typeof nodeId !== "string") throw damaged(path);
  if (version > IDENTITY_VERSION) {
    throw new FatalError(
      "data_version",
      `${path} is of format ${version}; this release knows ${IDENTITY_VERSION}: use a newer one`,
    );
  }
  if (version === 1) return { version, nodeId, tag: "", incarnation: 0, ticket: null, hasRun: false };
  // There is one above it for the next start.
  const canGrow = isCount(incarnation) && isCount(incarnation + 1);
  if (typeof tag !== "string" || tag === "" || !canGrow || typeof hasRun !== "boolean") throw damaged(path);
  return {
    version,
    nodeId,
    tag,
    incarnation,
    ticket: ticket === null ? null : ticketOf(path, ticket),
    hasRun,
  };
}

function jsonOf(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged(path);
  }
}

function ticketOf(path: string, value: unknown): JoinTicket {
  const { clusterId, members } = fieldsOf(value);
  if (typeof clusterId !== "string" || !Array.isArray(members)) throw damaged(path);
  return {
    clusterId,
    members: members.map((member) => {
      const { id, peer, role } = fieldsOf(member);
      if (typeof id !== "string" || typeof peer !== "string" || typeof role !== "string") throw damaged(path);
      return { id, peer, role };
    }),
  };
}

function damaged(path: string): FatalError {
  return new FatalError(
    "store_corrupt",
    `${path} is damaged; it should read {"version":${IDENTITY_VERSION},"nodeId":"...","tag":"...","incarnation":...}`,
  );
}
