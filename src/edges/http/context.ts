/** What the routes share. */
import type { ServerResponse } from "node:http";
import type { Broker } from "../../broker.js";
import type { ClusterControl } from "../../cluster-control.js";
import type { Command } from "../../commands/command.js";
import { JangadaError } from "../../errors.js";
import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import type { EdgeMetrics, Metrics } from "../../runtime/metrics.js";
import type { CommandResult } from "../../state-machine/effects.js";
import type { ConnectedClient } from "../edge.js";
import type { AnswerBudget } from "./answer-budget.js";
import type { Cors } from "./cors.js";
import { type Problem, sendProblem } from "./problem.js";

export interface HttpContext {
  readonly broker: Broker;
  readonly cluster: ClusterControl;
  readonly metrics: EdgeMetrics;
  readonly expose: Metrics["expose"];
  readonly logger: Logger;
  readonly clock: Clock;
  readonly payloadBytesMax: number;
  readonly autoCreate: boolean;
  readonly cors: Cors;
  /** Large answers that nobody has read yet. */
  readonly answers: AnswerBudget;
  /** Clients of all edges. */
  readonly clients: () => readonly ConnectedClient[];
  readonly kick: (id: string) => boolean;
  /** True once no new connection is taken: answers close theirs. */
  readonly isStopping: () => boolean;
}

/** Refuses a request: counts it and sends the problem. */
export function refuse(
  context: HttpContext,
  response: ServerResponse,
  problem: Problem,
  origin: string | undefined,
): void {
  context.metrics.refused(problem.code);
  sendProblem(response, problem, context.cors.headersFor(origin));
}

/** Submits a command and waits until it is applied. Rejects with a `JangadaError` when it failed. */
export function submitted(context: HttpContext, command: Command): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    context.broker.submit(command, (result) => {
      if (result.kind === "failed") reject(new JangadaError(result.code, result.detail));
      else resolve(result);
    });
  });
}
