/** A node that wants to belong to a cluster asks any member over HTTP, until one answers. */
import { setTimeout as wait } from "node:timers/promises";
import { z } from "zod";
import type { JoinTicket, NewMember } from "./cluster-control.js";
import { FatalError } from "./errors.js";
import { heldFetch } from "./runtime/held-fetch.js";
import type { Logger } from "./runtime/logger.js";

const ticketShape = z.object({
  clusterId: z.string(),
  members: z.array(z.object({ id: z.string(), peer: z.string(), role: z.string() })),
});
const problemShape = z.object({ code: z.string(), detail: z.string().default("") });

const RETRY_MS = 500;
const ATTEMPT_MS = 15_000;
/** Members that are starting, electing or unreachable come back; a cluster that never answers is an operator's mistake. */
const PATIENCE_MS = 120_000;

/**
 * Announces `member` at `url`. Resolves with what it has to know. Rejects with `FatalError` `join_refused` (an id that was used before,
 * another cluster's rules) or `join_failed` (nobody answered for two minutes).
 */
export async function joinCluster(url: string, member: NewMember, logger: Logger): Promise<JoinTicket> {
  const target = new URL("cluster/members", url.endsWith("/") ? url : `${url}/`);
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await ask(target, member);
    if ("clusterId" in outcome) return outcome;
    if (performance.now() > deadlineMs) {
      throw new FatalError("join_failed", `could not join at ${target.origin}: ${outcome.reason}`);
    }
    if (attempt % 10 === 1) logger.warn({ url, reason: outcome.reason }, "cannot join yet; trying again");
    await wait(RETRY_MS);
  }
}

async function ask(target: URL, member: NewMember): Promise<JoinTicket | { readonly reason: string }> {
  const { id, peer, tag, wantsVote } = member;
  let response: Response;
  let body: unknown;
  try {
    const init = {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ id, peer, tag, learner: !wantsVote }),
      signal: AbortSignal.timeout(ATTEMPT_MS),
    };
    response = await heldFetch(target, init, ATTEMPT_MS);
    body = await response.json();
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { reason: cause instanceof Error ? cause.message : String(cause) };
  }
  const ticket = ticketShape.safeParse(body);
  if (response.ok && ticket.success) return ticket.data;
  const problem = problemShape.safeParse(body);
  const code = problem.success ? problem.data.code : `http_${response.status}`;
  const detail = problem.success ? problem.data.detail : "the answer is not one of a Jangada node";
  if (response.status >= 500) return { reason: `${code}: ${detail}` };
  // A change that is under way is waited for.
  if (code === "change_pending") return { reason: detail };
  throw new FatalError("join_refused", `${target.origin} refuses node ${id}: ${code}: ${detail}`);
}
