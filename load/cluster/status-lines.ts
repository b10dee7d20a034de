/** The status of the cluster as text: pure formatting, one line per node. */
import { formatNumber } from "../lib/table.js";

/** How the process of a node is. */
export type ProcessState = "starting" | "up" | "silent" | "paused" | "stopping" | "dead";

/** All that is known of a node now; NaN where it is not. */
export interface NodeStatus {
  readonly id: string;
  readonly process: ProcessState;
  /** How a dead one ended: an exit code, or null for a signal. */
  readonly exitCode: number | null;
  readonly role: string;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly messagesInPerSecond: number;
  readonly connections: number;
  readonly mqtt: string;
  readonly http: string;
  /** Its newest log line of level warn or above, empty for none. */
  readonly lastWarning: string;
}

const WARN_LEVEL = 40;
const LEVEL_NAMES: Readonly<Record<number, string>> = { 40: "warn", 50: "error", 60: "fatal" };

interface Column {
  readonly title: string;
  readonly width: number;
  readonly cell: (node: NodeStatus, lag: number) => string;
}

const COLUMNS: readonly Column[] = [
  { title: "node", width: -4, cell: ({ id }) => id },
  { title: "role", width: -11, cell: describeRole },
  { title: "term", width: 5, cell: ({ term }) => formatNumber(term) },
  { title: "commit", width: 11, cell: ({ commitIndex }) => formatNumber(commitIndex) },
  { title: "applied", width: 11, cell: ({ appliedIndex }) => formatNumber(appliedIndex) },
  { title: "lag", width: 9, cell: (_, lag) => formatNumber(lag) },
  {
    title: "in/s",
    width: 9,
    cell: ({ messagesInPerSecond }) => formatNumber(Math.round(messagesInPerSecond)),
  },
  { title: "clients", width: 7, cell: ({ connections }) => formatNumber(connections) },
  { title: "MQTT", width: -15, cell: ({ mqtt }) => mqtt },
  { title: "HTTP", width: -15, cell: ({ http }) => http },
];

/** The role of a node that answers; for the others how their process is. */
function describeRole({ process, exitCode, role }: NodeStatus): string {
  if (process === "up") return role;
  if (process !== "dead") return process;
  return exitCode === null ? "killed" : `exit ${exitCode}`;
}

function pad(text: string, width: number): string {
  return width < 0 ? text.padEnd(-width) : text.padStart(width);
}

/** Cuts a line for a terminal, so that it never takes a second row. */
export function cutTo(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, Math.max(0, columns - 1))}…`;
}

export function headLine(): string {
  return COLUMNS.map(({ title, width }) => pad(title, width))
    .join("  ")
    .trimEnd();
}

/** The newest entry that any node knows to be committed; NaN when none answers. */
export function newestCommit(nodes: readonly NodeStatus[]): number {
  const known = nodes.map(({ commitIndex }) => commitIndex).filter((index) => !Number.isNaN(index));
  return known.length === 0 ? Number.NaN : Math.max(...known);
}

/** One node; its lag is what it has not applied of what the group has committed. */
export function nodeLine(node: NodeStatus, commitIndex: number): string {
  const lag = Math.max(0, commitIndex - node.appliedIndex);
  return COLUMNS.map(({ cell, width }) => pad(cell(node, lag), width))
    .join("  ")
    .trimEnd();
}

/** The whole picture: the head, a line per node and, indented below it, its last warning. */
export function picture(nodes: readonly NodeStatus[]): string[] {
  const commitIndex = newestCommit(nodes);
  const lines = nodes.flatMap((node) => {
    const line = nodeLine(node, commitIndex);
    return node.lastWarning === "" ? [line] : [line, `      ${node.lastWarning}`];
  });
  return [headLine(), ...lines];
}

/** The node's log line for people when its level is warn or above, null when it is below or no log line. */
export function warningIn(line: string): string | null {
  let fields: Readonly<Record<string, unknown>>;
  try {
    fields = JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return line.trim() === "" ? null : line.trim();
  }
  const level = Number(fields["level"]);
  if (!(level >= WARN_LEVEL)) return null;
  const { level: _level, time, msg, stack: _stack, ...facts } = fields;
  const clock = typeof time === "string" ? `${time.slice(11, 19)} ` : "";
  const rest = Object.entries(facts).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return [`${clock}${LEVEL_NAMES[level] ?? level}: ${String(msg)}`, ...rest].join(" ");
}
