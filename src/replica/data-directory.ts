/**
 * The data directory: who may use it and where things are in it. One process at a time (a lock), one node id for ever
 * (node.json), a directory per Raft group. Beside the id stands what must never be forgotten or come again: a tag that tells this
 * directory from any other, and how often it was opened.
 */
import { randomBytes } from "node:crypto";
import { open, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { lockDirectory } from "../../cluster/log/directory-lock.js";
import { nodeDisk } from "../../cluster/log/node-disk.js";
import type { JoinTicket } from "../cluster-control.js";
import { FatalError } from "../errors.js";
import { encodeIdentity, IDENTITY_VERSION, type Identity, parseIdentity } from "./node-identity.js";

const TAG_BYTES = 8;

export interface DataDirectory {
  readonly root: string;
  readonly logDir: string;
  readonly snapshotDir: string;
  readonly storeDir: string;
  /** Drawn when the directory was made: peers know this node by it. */
  readonly tag: string;
  /** Above that of every earlier start on this directory, whatever the clock says. */
  readonly incarnation: number;
  /** A Raft log was begun here. */
  readonly hasLog: boolean;
  readonly ticket: JoinTicket | null;
  /** Durable when it resolves. */
  keepTicket(ticket: JoinTicket): Promise<void>;
  /** Raft has begun its log here. Durable when it resolves. */
  keepHasRun(): Promise<void>;
  unlock(): Promise<void>;
}

/**
 * Makes the directory (mode 0700) when it is missing and locks it. Throws `ClusterError` `directory_locked`, `FatalError`
 * `wrong_node_id`, `data_version`, `directory_unusable`, or `log_corrupt` where a log was and is no more.
 */
export async function openDataDirectory(
  dataDir: string,
  nodeId: string,
  group: number,
  nowMs: number,
): Promise<DataDirectory> {
  const root = resolve(dataDir);
  const groupDir = join(root, "groups", String(group));
  try {
    // Each new name durably: what is synced below it would go with it.
    await nodeDisk.makeDirectory(groupDir);
    await nodeDisk.syncDirectory(dirname(groupDir));
  } catch (error) {
    throw new FatalError("directory_unusable", `cannot use data directory ${root}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
  const lock = await lockDirectory(root);
  const path = join(root, "node.json");
  const hasLog = (await readdir(join(groupDir, "log")).catch(() => [])).length > 0;
  let identity: Identity;
  try {
    identity = await claim(path, nodeId, nowMs);
    if (identity.hasRun && !hasLog) throw lostLog(root);
  } catch (error) {
    await lock.release();
    throw error;
  }
  const amend = async (news: Partial<Identity>): Promise<void> => {
    identity = { ...identity, ...news };
    await keep(path, identity);
  };
  return {
    root,
    logDir: join(groupDir, "log"),
    snapshotDir: join(groupDir, "snapshots"),
    storeDir: groupDir,
    tag: identity.tag,
    incarnation: identity.incarnation,
    hasLog,
    ticket: identity.ticket,
    keepTicket: (ticket) => amend({ ticket }),
    keepHasRun: async () => {
      if (!identity.hasRun) await amend({ hasRun: true });
    },
    unlock: () => lock.release(),
  };
}

/** A directory belongs to the node that made it: two ids on one history would let one node vote twice. */
async function claim(path: string, nodeId: string, nowMs: number): Promise<Identity> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw new FatalError("directory_unusable", `cannot read ${path}: ${reasonOf(error)}`, { cause: error });
  });
  const known = text === null ? newIdentity(nodeId) : parseIdentity(path, text);
  if (known.nodeId !== nodeId) {
    throw new FatalError(
      "wrong_node_id",
      `the data directory belongs to node ${known.nodeId}; start with --node-id ${known.nodeId} or another --data-dir`,
    );
  }
  // On disk before anything is proposed under it: the clock may go back, this number does not.
  const incarnation = Math.max(nowMs, known.incarnation + 1);
  const identity = { ...known, version: IDENTITY_VERSION, tag: known.tag || newTag(), incarnation };
  await keep(path, identity);
  return identity;
}

function lostLog(root: string): FatalError {
  return new FatalError(
    "log_corrupt",
    `${root} had a Raft log and has none: the node may have voted for what it lost (restore a backup, or remove this node from its cluster and let it join with a new --node-id and an empty --data-dir)`,
  );
}

function newTag(): string {
  return randomBytes(TAG_BYTES).toString("hex");
}

function newIdentity(nodeId: string): Identity {
  return { version: IDENTITY_VERSION, nodeId, tag: "", incarnation: 0, ticket: null, hasRun: false };
}

async function keep(path: string, identity: Identity): Promise<void> {
  await writeDurably(path, encodeIdentity(identity)).catch((error) => {
    throw unwritable(path, error);
  });
}

function unwritable(path: string, error: NodeJS.ErrnoException): FatalError {
  const isFull = error.code === "ENOSPC" || error.code === "EDQUOT";
  const code = isFull ? "disk_full" : "directory_unusable";
  return new FatalError(code, `cannot write ${path}: ${reasonOf(error)}`, { cause: error });
}

async function writeDurably(path: string, text: string): Promise<void> {
  const aside = `${path}.tmp`;
  await writeFile(aside, text, { mode: 0o600, flush: true });
  await rename(aside, path);
  const directory = await open(join(path, ".."), "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
