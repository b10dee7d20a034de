/** What one node says about itself, taken from `GET /cluster?consistency=local` and `GET /metrics`. */

/** The group as one node sees it. */
export interface GroupView {
  readonly role: string;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
}

/** Numbers of `GET /metrics` that the status line shows. */
export interface Traffic {
  /** Messages taken from publishers since the node started, all edges together. */
  readonly messagesIn: number;
  readonly connections: number;
}

function numberOf(value: unknown): number {
  return typeof value === "number" || typeof value === "string" ? Number(value) : Number.NaN;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** leader, follower, learner; "no leader" while the node knows of none; "?" for an answer that says nothing about itself. */
function roleIn(answer: Readonly<Record<string, unknown>>): string {
  const own = String(answer["nodeId"]);
  const leader = answer["leaderId"];
  if (leader !== null && leader !== undefined && String(leader) === own) return "leader";
  const members: readonly unknown[] = Array.isArray(answer["members"]) ? answer["members"] : [];
  const self = members.filter(isRecord).find(({ id }) => String(id) === own);
  if (leader === null || leader === undefined) return "no leader";
  if (self === undefined) return "?";
  return self["role"] === "learner" ? "learner" : "follower";
}

/** Reads the answer of `GET /cluster`. Throws when it is not JSON. */
export function parseGroup(body: string): GroupView {
  const answer: unknown = JSON.parse(body);
  const fields = isRecord(answer) ? answer : {};
  return {
    role: roleIn(fields),
    term: numberOf(fields["term"]),
    commitIndex: numberOf(fields["commitIndex"]),
    appliedIndex: numberOf(fields["appliedIndex"]),
  };
}

/** The sum of a metric over all its labels; 0 when it is not there. */
export function sumOf(exposition: string, name: string): number {
  let sum = 0;
  for (const line of exposition.split("\n")) {
    if (!line.startsWith(name)) continue;
    const next = line[name.length];
    if (next !== " " && next !== "{") continue;
    const value = Number(line.slice(line.lastIndexOf(" ") + 1));
    if (Number.isFinite(value)) sum += value;
  }
  return sum;
}

export function parseTraffic(exposition: string): Traffic {
  return {
    messagesIn: sumOf(exposition, "jangada_messages_received_total"),
    connections: sumOf(exposition, "jangada_connections"),
  };
}
