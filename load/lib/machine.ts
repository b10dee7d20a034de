/** What a result depends on: the machine, the commit, the versions; and what a process uses, from /proc. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, totalmem, type } from "node:os";
import { findProgram, repositoryRoot } from "./paths.js";

const MIB = 1024 * 1024;
/** Linux counts CPU time in hundredths of a second for user space (USER_HZ), on every architecture Node runs on. */
const TICKS_PER_SECOND = 100;

function statusField(pid: number, field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return found === null ? Number.NaN : (Number(found[1]) * 1024) / MIB;
}

/** Resident memory of a process now, MiB. Throws when it is gone. */
export function residentMib(pid: number): number {
  return statusField(pid, "VmRSS");
}

/** The largest resident memory that a process ever had, MiB. */
export function peakResidentMib(pid: number): number {
  return statusField(pid, "VmHWM");
}

/** CPU seconds that a process has used, all its threads together; NaN when that cannot be known. */
export function cpuSeconds(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command, in brackets, may hold spaces: count from behind it. utime and stime are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return Number.NaN;
  }
}

function output(command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, {
      cwd: repositoryRoot(),
      encoding: "utf8",
      timeout: 5_000,
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "";
  }
}

/** The commit, with a plus when the tree differs from it. */
export function describeCommit(): string {
  const commit = output("git", ["rev-parse", "--short=12", "HEAD"]);
  if (commit === "") return "unknown";
  return output("git", ["status", "--porcelain", "--untracked-files=no"]) === "" ? commit : `${commit}+`;
}

/** One line: processor, cores, memory, kernel, Node. */
export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  const memory = `${Math.round(totalmem() / MIB / 1024)} GiB`;
  return `${cpus().length} x ${model}, ${memory}, ${type()} ${release()}, Node ${process.versions.node}`;
}

/** Version line of mosquitto, or null when it is not installed. */
export function mosquittoVersion(): string | null {
  const program = findProgram("mosquitto");
  if (program === null) return null;
  try {
    // `mosquitto -h` prints its version first and ends with a code that is not 0.
    execFileSync(program, ["-h"], { encoding: "utf8", timeout: 5_000, stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const text = String((error as { stdout?: unknown }).stdout ?? "");
    return /mosquitto version (\S+)/.exec(text)?.[1] ?? "of unknown version";
  }
  return "of unknown version";
}

/**
 * Bytes that the kernel holds, by local port of the receiver, on connections from this machine to `serverPort`: sent and not
 * yet read, on both ends together.
 */
export function bytesInKernel(serverPort: number): ReadonlyMap<number, number> {
  const held = new Map<number, number>();
  const add = (port: number, queue: string | undefined): void => {
    held.set(port, (held.get(port) ?? 0) + Number.parseInt(queue ?? "0", 16));
  };
  const portOf = (address: string | undefined): number => Number.parseInt(address?.split(":")[1] ?? "", 16);
  for (const line of readFileSync("/proc/net/tcp", "utf8").trim().split("\n").slice(1)) {
    const [, local, remote, , queues] = line.trim().split(/\s+/);
    const [sending, receiving] = queues?.split(":") ?? [];
    if (portOf(remote) === serverPort) add(portOf(local), receiving);
    else if (portOf(local) === serverPort) add(portOf(remote), sending);
  }
  return held;
}
