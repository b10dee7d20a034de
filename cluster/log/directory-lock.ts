/**
 * One process a data directory, decided by who listens on a unix socket in it. Node has no flock; a socket has what matters of
 * it: the kernel stops listening the moment the process is gone, however it went, so a dead owner's socket refuses connections and
 * is known to be stale, whereas a pid in a file may be somebody else's by now (or a process of another container).
 *
 * Taking over a stale socket must not race with another that does the same. So nobody takes over a name: each contender listens
 * on a socket with a name of its own, renames it to `lock-*.sock` only when it listens (a visible socket that refuses is therefore
 * dead for ever, and may be removed by anybody), and only then looks at all the others. Of two contenders the one that looks
 * last sees the other, so at most one holds. If both see each other, the lower name waits for the higher to leave.
 *
 * Holds between processes of one machine, containers that share the directory included; not between machines on a network disk.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, open, readdir, rename, rm, symlink, unlink } from "node:fs/promises";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ClusterError } from "../errors.js";
import { systemCode } from "./disk.js";

/** A lock that is held. Dies with the process. */
export interface DirectoryLock {
  /** Lets go. */
  release(): Promise<void>;
}

/** The address of a unix socket has 108 bytes on Linux and 104 elsewhere, one of them the final NUL. */
const ADDRESS_BYTES_MAX = 103;
/** A live contender answers at once; one that is stopped (SIGSTOP) keeps its lock. */
const ANSWER_TIMEOUT_MS = 1000;
const ASK_AGAIN_MAX = 5;
const VISIBLE = /^lock-[0-9a-f]{16}\.sock$/;

/** What a contender says to whoever connects, and says again when it changes. */
const TRYING = "t";
const HELD = "h";

function lockedError(directory: string): ClusterError {
  return new ClusterError(
    "directory_locked",
    `another process uses the data directory ${directory}: stop it, or choose another with --data-dir`,
  );
}

/** Takes the lock of a directory that exists. Throws `directory_locked` when another process has it, `disk_failed`. */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const addresses = await SocketAddresses.open(resolve(directory));
  const contender = new Contender(addresses);
  try {
    await contender.listen();
    if (!(await contender.prevails())) throw lockedError(directory);
    return { release: () => contender.leave() };
  } catch (error) {
    await contender.leave();
    if (error instanceof ClusterError) throw error;
    const detail = error instanceof Error ? error.message : String(error);
    throw new ClusterError("disk_failed", `cannot lock the data directory ${directory}: ${detail}`, {
      cause: error,
    });
  }
}

/** Socket addresses in a directory whose path may be too long for one: then by way of a short name for it. */
class SocketAddresses {
  readonly directory: string;
  readonly #short: string;
  readonly #close: () => Promise<void>;

  private constructor(directory: string, short: string, close: () => Promise<void>) {
    this.directory = directory;
    this.#short = short;
    this.#close = close;
  }

  static async open(directory: string): Promise<SocketAddresses> {
    const longest = Buffer.byteLength(join(directory, `lock-${"0".repeat(16)}.pending`));
    if (longest <= ADDRESS_BYTES_MAX) return new SocketAddresses(directory, directory, async () => undefined);
    if (process.platform === "linux") {
      const handle = await open(directory, "r");
      return new SocketAddresses(directory, `/proc/self/fd/${handle.fd}`, () => handle.close());
    }
    const aside = await mkdtemp(join(tmpdir(), "jangada-"));
    await symlink(directory, join(aside, "d"));
    return new SocketAddresses(directory, join(aside, "d"), () =>
      rm(aside, { recursive: true, force: true }),
    );
  }

  of(name: string): string {
    return join(this.#short, name);
  }

  close(): Promise<void> {
    return this.#close();
  }
}

/** What asking another contender gave. */
type Answer = "dead" | "held" | "left";

class Contender {
  readonly #addresses: SocketAddresses;
  readonly #name = `lock-${randomBytes(8).toString("hex")}.sock`;
  readonly #callers = new Set<Socket>();
  #server: Server | null = null;
  #state = TRYING;

  constructor(addresses: SocketAddresses) {
    this.#addresses = addresses;
  }

  /** Listens, and only then becomes visible. */
  async listen(): Promise<void> {
    const { directory } = this.#addresses;
    const pending = this.#name.replace(".sock", ".pending");
    const server = createServer((caller) => {
      this.#callers.add(caller);
      caller.on("error", () => undefined);
      caller.on("close", () => this.#callers.delete(caller));
      caller.write(this.#state);
    });
    this.#server = server;
    await new Promise<void>((listening, failed) => {
      server.once("error", failed);
      server.listen(this.#addresses.of(pending), () => {
        server.off("error", failed);
        listening();
      });
    });
    server.unref();
    await rename(join(directory, pending), join(directory, this.#name));
  }

  /** True when nobody else holds or will hold; this contender does then. */
  async prevails(): Promise<boolean> {
    const { directory } = this.#addresses;
    for (const name of await readdir(directory)) {
      if (!VISIBLE.test(name) || name === this.#name) continue;
      let answer = await this.#ask(name);
      // A holder that is out of file descriptors drops its callers: only a socket that refuses is gone.
      for (let again = 0; answer === "left" && again < ASK_AGAIN_MAX; again += 1)
        answer = await this.#ask(name);
      if (answer !== "dead") return false;
      // What refused once never comes back; somebody else may have removed it.
      await unlink(join(directory, name)).catch(() => undefined);
    }
    this.#state = HELD;
    for (const caller of this.#callers) caller.write(HELD);
    return true;
  }

  async leave(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    await unlink(join(this.#addresses.directory, this.#name)).catch(() => undefined);
    if (server !== null) {
      for (const caller of this.#callers) caller.destroy();
      await new Promise<void>((closed) => server.close(() => closed()));
    }
    await this.#addresses.close();
  }

  /** Connects to another contender and hears what it is; waits for one that is trying and has the higher name. */
  #ask(name: string): Promise<Answer> {
    return new Promise((resolveAnswer) => {
      const socket = createConnection(this.#addresses.of(name));
      const answer = (value: Answer): void => {
        socket.destroy();
        resolveAnswer(value);
      };
      socket.setTimeout(ANSWER_TIMEOUT_MS, () => answer("held"));
      socket.on("data", (bytes) => {
        if (bytes.toString("latin1").endsWith(HELD) || name < this.#name) answer("held");
      });
      socket.on("error", (error) => {
        const code = systemCode(error);
        if (code === "ECONNREFUSED" || code === "ENOENT") answer("dead");
        else answer(code === "ECONNRESET" || code === "EPIPE" ? "left" : "held");
      });
      socket.on("end", () => answer("left"));
      socket.on("close", () => answer("left"));
    });
  }
}
