/** Clients that ask for pages and read none of them: what stands for all of them together is bounded. */
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { AnswerBudget } from "../../src/edges/http/answer-budget.js";
import { limits } from "../../src/limits.js";
import type { TopicRef } from "../../src/state-machine/effects.js";
import type { ReadPage } from "../../src/store/message-store.js";
import { HttpTestBroker, startHttpHost } from "../support/http-edge-host.js";
import { ManualClock } from "../support/manual-clock.js";
import { problemCodeIn, RawConnection } from "../support/raw-http.js";

/** A response on a socket; what matters is its end. */
function response(): ServerResponse {
  const answer = new ServerResponse(new IncomingMessage(new Socket()));
  answer.assignSocket(new Socket());
  return answer;
}

describe("the budget", () => {
  const clock = new ManualClock();

  it("has room up to its ceiling, again when an answer was read, and always for one by itself", () => {
    const budget = new AnswerBudget(clock, 100);
    const [first, second] = [response(), response()];
    budget.count(first, 150);
    expect(() => budget.count(second, 1)).toThrow(expect.objectContaining({ code: "overloaded" }));
    first.emit("close");
    budget.count(second, 60);
    expect(budget.bytes).toBe(60);
  });

  it("counts an answer once: what is known of its size later takes the place of the guess", () => {
    const budget = new AnswerBudget(clock, 100);
    const only = response();
    budget.count(only, 80);
    budget.count(only, 300);
    budget.count(only, 20);
    expect(budget.bytes).toBe(20);
    only.emit("close");
    expect(budget.bytes).toBe(0);
  });

  it("takes the place of an answer that has stood for long, the oldest first", () => {
    const budget = new AnswerBudget(clock, 100);
    const [old, newer, next] = [response(), response(), response()];
    budget.count(old, 60);
    clock.advance(9_000);
    budget.count(newer, 40);
    expect(() => budget.count(next, 50)).toThrow("large answers");
    clock.advance(2_000);
    budget.count(next, 50);
    expect([old.socket?.destroyed, newer.socket?.destroyed, budget.bytes]).toEqual([true, false, 90]);
    expect(() => budget.count(response(), 20)).toThrow("large answers");
    old.emit("close");
    expect(budget.bytes).toBe(90);
  });
});

/** Gives as much in a page as a node does. */
class RoomyBroker extends HttpTestBroker {
  override async history(topic: TopicRef, after: number, limit: number): Promise<ReadPage> {
    const query = { topics: { ids: [topic.id] }, after, through: this.head };
    const page = this.store.readRecent({ ...query, messagesMax: limit, bytesMax: limits.historyBytesMax });
    return page ?? { messages: [], next: after, trimmedThrough: 0 };
  }
}

it("pages that nobody reads: past the ceiling the next is 503, others go on, and a reader makes room", async () => {
  const host = await startHttpHost({}, new RoomyBroker());
  const url = `${host.url}/topics/large/messages`;
  for (let i = 0; i < 8; i += 1) await fetch(url, { method: "POST", body: Buffer.alloc(1_000_000, "x") });
  const raws: RawConnection[] = [];
  const refused = () => raws.filter(({ text }) => text.startsWith("HTTP/1.1 503"));
  while (refused().length === 0 && raws.length < 30) {
    const raw = await RawConnection.open(host.port);
    raws.push(raw.sendHead("GET /topics/large/messages?limit=1000 HTTP/1.1", "Host: x", "Connection: close"));
    await raw.until((text) => text !== "");
    raw.socket.pause();
  }
  expect(raws.length).toBeGreaterThan(limits.httpAnswerBytesMax / limits.historyBytesMax - 1);
  expect(problemCodeIn(refused()[0]?.text ?? "")).toBe("overloaded");
  expect((await fetch(`${host.url}/topics`)).status).toBe(200);
  for (const raw of raws) raw.close();
  await expect.poll(async () => (await fetch(url)).status).toBe(200);
  await host.close();
}, 30_000);
