/**
 * POST /topics/:topic/messages, from Node's request to Node's response: the body is the payload as it came, the answer is one
 * hand-built string, and nothing in between is parsed, validated by schema or copied. fastify only finds the route.
 */

import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { OutgoingMessage, PublishCommand } from "../../commands/command.js";
import { JangadaError } from "../../errors.js";
import { limits } from "../../limits.js";
import type { CommandResult, Published } from "../../state-machine/effects.js";
import { BodyReader } from "./body.js";
import { type HttpContext, refuse } from "./context.js";
import { refuseBody } from "./linger.js";
import { splitLines } from "./ndjson.js";
import { type Problem, problemOf, problemOfError } from "./problem.js";
import { propertiesOf } from "./properties.js";
import { type PublishTarget, PublishTargets } from "./publish-target.js";

const NDJSON = /^application\/x-ndjson\s*(?:;|$)/i;
/** What a line of NDJSON is by itself. */
const LINE_TYPE = "application/json";

/** What the headers say of a publish, checked. */
interface Head {
  readonly target: PublishTarget;
  readonly contentType: string;
  readonly key: string | undefined;
  /** As in `OutgoingMessage`. */
  readonly properties: Uint8Array;
  readonly isBatch: boolean;
}

/** One request on its way: what the answer needs besides the result. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly head: Head;
}

function checkedContentType(request: IncomingMessage): string {
  const contentType = request.headers["content-type"] ?? "";
  if (contentType.length > limits.contentTypeBytesMax) {
    throw new JangadaError(
      "invalid_request",
      `Content-Type is longer than ${limits.contentTypeBytesMax} bytes`,
    );
  }
  const encoding = request.headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    throw new JangadaError("unsupported_media_type", "the payload is kept as it comes: no Content-Encoding");
  }
  return contentType;
}

function checkedKey(request: IncomingMessage): string | undefined {
  const key = request.headers["idempotency-key"];
  if (key === undefined) return undefined;
  if (typeof key !== "string" || key.length === 0 || key.length > limits.idempotencyKeyBytesMax) {
    const bounds = `1 to ${limits.idempotencyKeyBytesMax} bytes`;
    throw new JangadaError("invalid_request", `Idempotency-Key has ${bounds}`);
  }
  return key;
}

/** What makes two requests with one key the same: where to, how, and every byte. */
function digestOf({ target, contentType, properties }: Head, body: Buffer): string {
  const { name, retain, expiresSeconds, qos } = target;
  const parts: unknown[] = [name, contentType, retain, expiresSeconds, qos];
  // Without any it is what it was before there were some: keys are remembered for a day.
  if (properties.length > 0) parts.push(Buffer.from(properties).toString("base64"));
  const head = JSON.stringify(parts);
  return createHash("sha256").update(head).update("\n").update(body).digest("hex");
}

function answerText(context: HttpContext, { target, isBatch }: Head, result: Published): string {
  const { broker } = context;
  const first = broker.eventId(result.firstPosition);
  if (!isBatch) {
    return `{"topic":${target.json},"id":"${first}","offset":${result.firstOffset},"timestamp":${result.timestampMs}}`;
  }
  const ids = `"firstId":"${first}","lastId":"${broker.eventId(result.lastPosition)}"`;
  const offsets = `"firstOffset":${result.firstOffset},"lastOffset":${result.lastOffset}`;
  return `{"topic":${target.json},"count":${result.count},${ids},${offsets}}`;
}

export class PublishRoute {
  readonly #context: HttpContext;
  readonly #targets = new PublishTargets();
  readonly #bodies = new BodyReader();

  constructor(context: HttpContext) {
    this.#context = context;
  }

  /** Serves one request to the end. Never throws. */
  handle(request: IncomingMessage, response: ServerResponse): void {
    try {
      const head = this.#headOf(request);
      const bytesMax = head.isBatch ? limits.batchBytesMax : this.#context.payloadBytesMax;
      const exchange = { request, response, head };
      this.#bodies.read(
        request,
        response,
        bytesMax,
        (body) => this.#publish(exchange, body),
        (code) => this.#refuseUnread(exchange, problemOf(code)),
      );
    } catch (error) {
      this.#refuseUnread({ request, response }, this.#problemOf(error));
    }
  }

  #headOf(request: IncomingMessage): Head {
    const target = this.#targets.of(request.url ?? "");
    const contentType = checkedContentType(request);
    const key = checkedKey(request);
    const properties = propertiesOf(request);
    return {
      target,
      contentType,
      key,
      properties,
      isBatch: contentType !== "" && NDJSON.test(contentType),
    };
  }

  #publish(exchange: Exchange, body: Buffer): void {
    try {
      const { head, response } = exchange;
      const { target, isBatch, contentType, key } = head;
      const messages = isBatch ? this.#lines(head, body) : [this.#message(head, body, contentType)];
      // A batch's line ends are no payload; a single body is all payload, and not worth a walk.
      const payloadBytes = isBatch
        ? messages.reduce((bytes, { payload }) => bytes + payload.length, 0)
        : body.length;
      const command: PublishCommand = {
        kind: "publish",
        topic: target.name,
        messages,
        autoCreate: this.#context.autoCreate,
        idempotency: key === undefined ? null : { key, digest: digestOf(head, body) },
        publisher: 0,
        receipt: null,
      };
      this.#context.broker.submit(command, (result) => this.#done(exchange, payloadBytes, result));
      if (target.acknowledged || response.headersSent) return;
      this.#send(exchange, 202, "", false);
    } catch (error) {
      this.#refuse(exchange, this.#problemOf(error));
    }
  }

  #message({ target, properties }: Head, payload: Buffer, contentType: string): OutgoingMessage {
    const { qos, retain, expiresSeconds } = target;
    const expiresAtMs = expiresSeconds === 0 ? 0 : this.#context.broker.nowMs() + expiresSeconds * 1_000;
    return { payload, contentType, qos, retain, expiresAtMs, properties };
  }

  #lines(head: Head, body: Buffer): OutgoingMessage[] {
    const { payloadBytesMax } = this.#context;
    const lines = splitLines(body, limits.batchMessagesMax);
    if (lines === null) throw new JangadaError("batch_too_large");
    if (lines.length === 0) throw new JangadaError("invalid_request", "the batch holds no line");
    if (lines.some((line) => line.length > payloadBytesMax)) throw new JangadaError("payload_too_large");
    return lines.map((line) => this.#message(head, line, LINE_TYPE));
  }

  #done(exchange: Exchange, payloadBytes: number, result: CommandResult): void {
    if (result.kind === "failed") {
      this.#refuse(exchange, problemOf(result.code, result.detail));
      return;
    }
    if (result.kind !== "published") return;
    if (!result.replayed) {
      this.#context.metrics.messagesIn.inc(result.count);
      this.#context.metrics.bytesIn.inc(payloadBytes);
    }
    if (!exchange.head.target.acknowledged) return;
    const text = answerText(this.#context, exchange.head, result);
    this.#send(exchange, 201, text, result.replayed);
  }

  #send({ request, response, head }: Exchange, status: number, text: string, replayed: boolean): void {
    if (response.destroyed) return;
    const headers: Record<string, string | number> = {
      "Content-Type": LINE_TYPE,
      "Content-Length": head.target.isAscii ? text.length : Buffer.byteLength(text),
      "X-Content-Type-Options": "nosniff",
    };
    if (replayed) headers["Idempotent-Replayed"] = "true";
    const cors = this.#context.cors.headersFor(request.headers.origin);
    for (const name in cors) headers[name] = cors[name] ?? "";
    if (this.#context.isStopping()) headers["Connection"] = "close";
    response.writeHead(status, headers);
    response.end(text);
  }

  #problemOf(error: unknown): Problem {
    if (!(error instanceof JangadaError)) this.#context.logger.error({ err: error }, "a publish failed");
    return problemOfError(error);
  }

  #refuse({ request, response }: Exchange, problem: Problem): void {
    refuse(this.#context, response, problem, request.headers.origin);
  }

  /** Refuses before the body was read to its end. */
  #refuseUnread({ request, response }: Pick<Exchange, "request" | "response">, problem: Problem): void {
    const { clock, cors, metrics } = this.#context;
    metrics.refused(problem.code);
    refuseBody(clock, request, response, problem, cors.headersFor(request.headers.origin));
  }
}
