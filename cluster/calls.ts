/**
 * Questions to peers with an answer or a deadline: what only the leader can do, and the bytes of snapshots. A frame that is lost is
 * noticed by the deadline alone.
 */
import { ClusterError, type ClusterErrorCode } from "./errors.js";
import type { CallParams, PeerFrame, RequestFrame, ResponseFrame } from "./transport/transport.js";
import type { GroupId, NodeId } from "./types.js";

/** What a call gave. `bytes` are a view that may be kept. */
export interface CallAnswer {
  readonly params: CallParams;
  readonly bytes: Uint8Array;
}

/** Answers one method. What it throws with a code of ours goes back as that code, anything else as `call_failed`. */
export type CallHandler = (from: NodeId, params: CallParams) => Promise<Partial<CallAnswer>>;

export interface CallsOptions {
  readonly group: GroupId;
  readonly send: (to: NodeId, frame: PeerFrame) => void;
  /** Number before the first call. Another one in each life: an answer to a question of the life before must not be taken for one of this. */
  readonly lastCall: number;
  /** Runs a task after so long; gives what cancels it. */
  readonly after: (delayMs: number, task: () => void) => () => void;
}

interface Waiting {
  readonly to: NodeId;
  readonly settle: (outcome: CallAnswer | ClusterError) => void;
}

/** Codes that mean on this side what they meant on the other; of the rest only the text is passed on. */
const SHARED_CODES: readonly ClusterErrorCode[] = [
  "no_leader",
  "member_unknown",
  "member_exists",
  "member_removed",
  "change_pending",
  "quorum_at_risk",
  "transfer_failed",
  "snapshot_corrupt",
];

/** Calls that wait for an answer, in all: more are refused. */
const WAITING_MAX = 10_000;
const NOTHING: CallAnswer = { params: {}, bytes: new Uint8Array(0) };

export class Calls {
  readonly #options: CallsOptions;
  readonly #handlers = new Map<string, CallHandler>();
  readonly #waiting = new Map<number, Waiting>();
  #last: number;
  #isStopped = false;

  constructor(options: CallsOptions) {
    this.#options = options;
    this.#last = options.lastCall;
  }

  /** Sets who answers a method. */
  handle(method: string, handler: CallHandler): void {
    this.#handlers.set(method, handler);
  }

  /** Asks a peer. Rejects with `call_timeout`, `shutdown`, or what the peer's handler threw. */
  call(
    to: NodeId,
    method: string,
    params: CallParams,
    options: { readonly timeoutMs: number; readonly isBulk?: boolean },
  ): Promise<CallAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#isStopped) return reject(stopped());
      if (this.#waiting.size >= WAITING_MAX) {
        return reject(new ClusterError("call_failed", "too many calls to peers wait for their answers"));
      }
      this.#last += 1;
      const call = this.#last;
      const cancel = this.#options.after(options.timeoutMs, () => {
        this.#settle(call, new ClusterError("call_timeout", `node ${to} did not answer ${method} in time`));
      });
      this.#waiting.set(call, {
        to,
        settle: (outcome) => {
          cancel();
          if (outcome instanceof ClusterError) reject(outcome);
          else resolve(outcome);
        },
      });
      const { group } = this.#options;
      this.#options.send(to, {
        kind: "request",
        group,
        call,
        method,
        params,
        isBulk: options.isBulk ?? false,
      });
    });
  }

  /** A request or an answer came in. */
  receive(from: NodeId, frame: RequestFrame | ResponseFrame): void {
    if (this.#isStopped) return;
    if (frame.kind === "request") {
      void this.#answer(from, frame);
      return;
    }
    // An answer counts only from the peer that was asked.
    if (this.#waiting.get(frame.call)?.to !== from) return;
    const { error, params, bytes } = frame;
    this.#settle(frame.call, error === null ? { params, bytes } : errorOf(error));
  }

  /** Everybody who waits is told `shutdown`; nothing is asked or answered after. */
  stop(): void {
    this.#isStopped = true;
    for (const call of [...this.#waiting.keys()]) this.#settle(call, stopped());
  }

  #settle(call: number, outcome: CallAnswer | ClusterError): void {
    const waiting = this.#waiting.get(call);
    this.#waiting.delete(call);
    waiting?.settle(outcome);
  }

  async #answer(from: NodeId, { call, method, params, isBulk }: RequestFrame): Promise<void> {
    const { group, send } = this.#options;
    const reply = (answer: CallAnswer, error: ResponseFrame["error"]): void => {
      if (!this.#isStopped) send(from, { kind: "response", group, call, isBulk, error, ...answer });
    };
    const handler = this.#handlers.get(method);
    if (handler === undefined) {
      return reply(NOTHING, { code: "call_failed", text: `this release knows no call ${method}` });
    }
    try {
      reply({ ...NOTHING, ...(await handler(from, params)) }, null);
    } catch (error) {
      const code = error instanceof ClusterError ? error.code : "call_failed";
      reply(NOTHING, { code, text: error instanceof Error ? error.message : String(error) });
    }
  }
}

function stopped(): ClusterError {
  return new ClusterError("shutdown", "the node is stopping");
}

function errorOf({ code, text }: { readonly code: string; readonly text: string }): ClusterError {
  return new ClusterError(SHARED_CODES.find((known) => known === code) ?? "call_failed", text);
}
