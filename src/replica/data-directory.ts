/**
 * The data directory: who may use it and where things are in it. One process at a time (a lock), one node id for ever
 * (node.json), a directory per Raft group.
 */
import { mkdir, open, readFile, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { lockDirectory } from "../../cluster/log/directory-lock.js";
import { FatalError } from "../errors.js";

const FORMAT_VERSION = 1;

export interface DataDirectory {
  readonly root: string;
  readonly logDir: string;
  readonly snapshotDir: string;
  readonly storeDir: string;
  unlock(): Promise<void>;
}

/**
 * Makes the directory (mode 0700) when it is missing and locks it. Throws `ClusterError` `directory_locked`, `FatalError`
 * `wrong_node_id`, `data_version` or `directory_unusable`.
 */
export async function openDataDirectory(
  dataDir: string,
  nodeId: string,
  group: number,
): Promise<DataDirectory> {
  const root = resolve(dataDir);
  const groupDir = join(root, "groups", String(group));
  try {
    await mkdir(groupDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new FatalError("directory_unusable", `cannot use data directory ${root}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
  const lock = await lockDirectory(root);
  try {
    await claim(join(root, "node.json"), nodeId);
  } catch (error) {
    await lock.release();
    throw error;
  }
  return {
    root,
    logDir: join(groupDir, "log"),
    snapshotDir: join(groupDir, "snapshots"),
    storeDir: groupDir,
    unlock: () => lock.release(),
  };
}

/** A directory belongs to the node that made it: two ids on one history would let one node vote twice. */
async function claim(path: string, nodeId: string): Promise<void> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw new FatalError("directory_unusable", `cannot read ${path}: ${reasonOf(error)}`, { cause: error });
  });
  if (text === null) {
    await writeDurably(path, `${JSON.stringify({ version: FORMAT_VERSION, nodeId })}\n`).catch((error) => {
      throw unwritable(path, error);
    });
    return;
  }
  const identity = parseIdentity(path, text);
  if (identity.version > FORMAT_VERSION) {
    throw new FatalError(
      "data_version",
      `${path} is of format ${identity.version}; this release knows ${FORMAT_VERSION}: use a newer one`,
    );
  }
  if (identity.nodeId !== nodeId) {
    throw new FatalError(
      "wrong_node_id",
      `the data directory belongs to node ${identity.nodeId}; start with --node-id ${identity.nodeId} or another --data-dir`,
    );
  }
}

function unwritable(path: string, error: NodeJS.ErrnoException): FatalError {
  const isFull = error.code === "ENOSPC" || error.code === "EDQUOT";
  const code = isFull ? "disk_full" : "directory_unusable";
  return new FatalError(code, `cannot write ${path}: ${reasonOf(error)}`, { cause: error });
}

function parseIdentity(path: string, text: string): { readonly version: number; readonly nodeId: string } {
  try {
    const { version, nodeId } = JSON.parse(text);
    if (typeof version === "number" && typeof nodeId === "string") return { version, nodeId };
  } catch {
    // Falls through to the one error for everything that is not an identity.
  }
  throw new FatalError(
    "store_corrupt",
    `${path} is damaged; it should read {"version":${FORMAT_VERSION},"nodeId":"..."}`,
  );
}

async function writeDurably(path: string, text: string): Promise<void> {
  const aside = `${path}.tmp`;
  await writeFile(aside, text, { mode: 0o600, flush: true });
  await rename(aside, path);
  const directory = await open(join(path, ".."), "r");
  await directory.sync();
  await directory.close();
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
