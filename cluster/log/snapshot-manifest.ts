/**
 * The list of contents that makes a snapshot one (pure): JSON with its own checksum, so that a flipped digit is not a fact.
 */
import { crc32 } from "node:zlib";
import { ClusterError } from "../errors.js";
import type { GroupId, SnapshotMeta } from "../types.js";
import { fieldsOf, isCount, parseJson, parseMeta, plainMeta } from "./snapshot-meta.js";
import type { SnapshotFile } from "./snapshot-store.js";

export const MANIFEST_NAME = "manifest.json";

/** The version that is written, and the newest that is read. */
export const MANIFEST_VERSION = 1;

export interface SnapshotManifest {
  readonly group: GroupId;
  readonly meta: SnapshotMeta;
  readonly files: readonly SnapshotFile[];
}

/** True for a name that a file of a snapshot may have. */
export function isFileName(name: string): boolean {
  return /^[a-z0-9][a-z0-9.-]*$/.test(name) && name !== MANIFEST_NAME;
}

export function encodeManifest(manifest: SnapshotManifest, version: number = MANIFEST_VERSION): Buffer {
  const contents = {
    version,
    group: manifest.group,
    meta: plainMeta(manifest.meta),
    files: manifest.files.map(({ name, bytes, crc }) => ({ name, bytes, crc })),
  };
  return Buffer.from(`${JSON.stringify({ contents, crc: crc32(JSON.stringify(contents)) })}\n`);
}

function parseFile(value: unknown): SnapshotFile | null {
  const { name, bytes, crc } = fieldsOf(value);
  if (typeof name !== "string" || !isFileName(name) || !isCount(bytes) || !isCount(crc)) return null;
  return { name, bytes, crc };
}

/** Reads a manifest. Throws `snapshot_corrupt`, or `log_version` for one of a newer format. */
export function decodeManifest(path: string, bytes: Buffer, group: GroupId): SnapshotManifest {
  const corrupt = (why: string): ClusterError =>
    new ClusterError("snapshot_corrupt", `${path}: ${why}. Nothing was changed; replace this node`);
  const { contents, crc } = fieldsOf(parseJson(bytes.toString("utf8")));
  if (contents === undefined || crc32(JSON.stringify(contents)) !== crc)
    throw corrupt("the manifest is damaged");
  const fields = fieldsOf(contents);
  const version = fields["version"];
  if (!isCount(version)) throw corrupt("the manifest has no version");
  if (version > MANIFEST_VERSION) {
    throw new ClusterError(
      "log_version",
      `${path}: snapshot format ${version} is newer than this program (${MANIFEST_VERSION}): run the version that wrote it`,
    );
  }
  const meta = parseMeta(fields["meta"]);
  const listed = Array.isArray(fields["files"]) ? fields["files"].map(parseFile) : [null];
  const files = listed.filter((file) => file !== null);
  if (meta === null || files.length < listed.length) throw corrupt("the manifest cannot be read");
  if (fields["group"] !== group) throw corrupt(`the snapshot belongs to group ${String(fields["group"])}`);
  return { group, meta, files };
}
