/** The kinds of value that name other nodes: a peer address, and the list of those that found a cluster. */
import { z } from "zod";
import { type Kind, nodeNumber } from "./kinds.js";
import { splitPeer } from "./peer-address.js";
import type { Founder } from "./serve-config.js";

/** Where peers dial a node. */
export function peerAddress(): Kind<string> {
  const expected = "host:port with a port from 1 to 65535, IPv6 in brackets";
  const error = { error: `must be ${expected}` };
  const schema = z.string(error).refine((text) => splitPeer(text) !== undefined, error);
  return { placeholder: "HOST:PORT", expected, schema, format: String };
}

/** `1=host:port,2=host:port`; in a file also a list of such, or a mapping of numbers to addresses. */
export function founders(): Kind<readonly Founder[]> {
  const expected = "ID=HOST:PORT separated by commas, every number and every address once";
  const error = { error: `must be ${expected}` };
  const founder = z.object({ id: nodeNumber().schema, peer: peerAddress().schema }, error);
  const schema = z.preprocess(
    entriesOf,
    z
      .array(founder, error)
      .min(1, error)
      .refine((list) => isEachOnce(list.map(({ id }) => id)), { error: "must name every number once" })
      .refine((list) => isEachOnce(list.map(({ peer }) => peer)), { error: "must name every address once" })
      .transform((list) => Object.freeze(list.map((entry) => Object.freeze(entry)))),
  );
  return {
    placeholder: "1=HOST:PORT,2=...",
    expected,
    schema,
    format: (list) => (list.length === 0 ? "none" : list.map(({ id, peer }) => `${id}=${peer}`).join(",")),
  };
}

/** What somebody wrote as entries that are then checked; what it cannot be stays, and fails its check. */
function entriesOf(raw: unknown): unknown {
  if (typeof raw === "string") return raw.split(",").map((part) => entryOf(part.trim()));
  if (Array.isArray(raw))
    return raw.map((item: unknown) => (typeof item === "string" ? entryOf(item) : item));
  if (typeof raw !== "object" || raw === null) return raw;
  return Object.entries(raw).map(([id, peer]: [string, unknown]) => ({ id, peer }));
}

function entryOf(text: string): unknown {
  const [, id, peer] = /^([^=]*)=(.*)$/.exec(text) ?? [];
  return id === undefined || peer === undefined ? text : { id: id.trim(), peer: peer.trim() };
}

function isEachOnce(words: readonly string[]): boolean {
  return new Set(words).size === words.length;
}
