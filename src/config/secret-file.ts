/** The secret that nodes of one cluster share: read from its file, checked, and never repeated in a complaint. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { ConfigError } from "../errors.js";

/** Shorter secrets could be guessed by whoever has heard one handshake. */
const SECRET_BYTES_MIN = 16;
/** Larger files were not meant: it is read whole. */
const SECRET_BYTES_MAX = 4_096;

/** What others than the owner may do with a file. */
const WRITABLE_BY_OTHERS = 0o022;
const READABLE_BY_OTHERS = 0o044;

/** A secret, and what is less than good about its file. */
export interface ClusterSecret {
  readonly bytes: Buffer;
  /** One sentence for the log, or `null`. */
  readonly warning: string | null;
}

/**
 * Reads `--cluster-secret-file`; one line end after the secret is no part of it. Throws `ConfigError` for a file that cannot be read,
 * that others may change, or whose secret is too short. That others may read it is a warning only: that is how containers are given secrets.
 */
export function readClusterSecret(path: string): ClusterSecret {
  const { content, mode } = readRegularFile(path);
  if ((mode & WRITABLE_BY_OTHERS) !== 0) {
    throw complaint(path, `others than its owner may write it (mode ${octal(mode)}); chmod 600 it`);
  }
  const bytes = withoutLineEnd(content);
  if (bytes.length < SECRET_BYTES_MIN) {
    throw complaint(
      path,
      `the secret has ${bytes.length} bytes and needs ${SECRET_BYTES_MIN}; make one with: openssl rand -hex 32`,
    );
  }
  const isReadable = (mode & READABLE_BY_OTHERS) !== 0;
  return {
    bytes,
    warning: isReadable
      ? `others than its owner may read the cluster secret (mode ${octal(mode)}); chmod 600 it`
      : null,
  };
}

function complaint(path: string, reason: string): ConfigError {
  return new ConfigError(`--cluster-secret-file: ${reason}: ${JSON.stringify(path)}`);
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, "0");
}

/** The mode is that of the very file that is read. A pipe or a device is not waited for. */
function readRegularFile(path: string): { readonly content: Buffer; readonly mode: number } {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw complaint(path, reasonOf(cause));
  }
  try {
    const { mode, size } = fstatSync(file);
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw complaint(path, "it is no file");
    if (size > SECRET_BYTES_MAX) throw complaint(path, `it has more than ${SECRET_BYTES_MAX} bytes`);
    return { content: readFileSync(file), mode };
  } catch (cause) {
    throw cause instanceof ConfigError ? cause : complaint(path, reasonOf(cause));
  } finally {
    closeSync(file);
  }
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unreadable";
  return code === "ENOENT" ? "there is no such file" : `the file cannot be read (${code})`;
}

function withoutLineEnd(content: Buffer): Buffer {
  if (content.at(-1) !== 0x0a) return content;
  return content.subarray(0, content.at(-2) === 0x0d ? -2 : -1);
}
