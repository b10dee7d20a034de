/**
 * Requests that come without waiting for answers (RFC 9112, 9.3.2): answered in their order, begun when it is their turn, and not
 * without end. A thousand requests of one packet must not become a thousand answers in memory.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.js";
import type { TopicRef } from "../../src/state-machine/effects.js";
import type { ReadPage } from "../../src/store/message-store.js";
import { type HttpHost, HttpTestBroker, startHttpHost } from "../support/http-edge-host.js";
import { RawConnection } from "../support/raw-http.js";

/** Lets a test see and hold back the reading of history. */
class WatchedBroker extends HttpTestBroker {
  histories = 0;
  /** What the next pages wait for. */
  gate: Promise<void> = Promise.resolve();

  override async history(topic: TopicRef, after: number, limit: number): Promise<ReadPage> {
    this.histories += 1;
    await this.gate;
    return super.history(topic, after, limit);
  }
}

const broker = new WatchedBroker();
let host: HttpHost;
beforeAll(async () => {
  host = await startHttpHost({}, broker);
  await fetch(`${host.url}/topics/a/messages`, { method: "POST", body: "x" });
});
afterAll(() => host.close());
beforeEach(() => {
  broker.histories = 0;
  broker.commands.length = 0;
});

const HISTORY = "GET /topics/a/messages HTTP/1.1\r\nHost: x\r\n\r\n";
const PUBLISH = "POST /topics/a/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx";
const DELETE = "DELETE /topics/gone HTTP/1.1\r\nHost: x\r\n\r\n";

const statuses = (text: string): string[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, code]) => code!);

function heldHistory(): () => void {
  let open: () => void = () => undefined;
  broker.gate = new Promise((resolve) => {
    open = resolve;
  });
  return open;
}

/** Waits until the edge has read what was sent before on other connections. */
async function isRead(): Promise<void> {
  for (let i = 0; i < 3; i += 1) await fetch(`${host.url}/healthz`);
}

describe("on one connection", () => {
  it("a page is read when it is its turn to be answered, not before", async () => {
    const open = heldHistory();
    const raw = await RawConnection.open(host.port);
    raw.send(HISTORY.repeat(500));
    await isRead();
    expect(broker.histories).toBe(1);
    open();
    await raw.until((text) => statuses(text).length === 500);
    expect(broker.histories).toBe(500);
    expect(new Set(statuses(raw.text))).toEqual(new Set(["200"]));
    raw.close();
  });

  it("publishes behind publishes are committed together", async () => {
    const commit = broker.holdCommits();
    const raw = await RawConnection.open(host.port);
    raw.send(PUBLISH.repeat(200));
    await isRead();
    expect(broker.commands).toHaveLength(200);
    commit();
    expect(statuses(await raw.until((text) => statuses(text).length === 200))).not.toContain("503");
    raw.close();
  });

  it("a publish does not overtake what it was sent behind", async () => {
    const open = heldHistory();
    const raw = await RawConnection.open(host.port);
    raw.send(PUBLISH + HISTORY + DELETE + PUBLISH);
    await expect.poll(() => broker.histories).toBe(1);
    await isRead();
    expect(broker.commands.map(({ kind }) => kind)).toEqual(["publish"]);
    open();
    expect(statuses(await raw.until((text) => statuses(text).length === 4))).toEqual([
      "201",
      "200",
      "404",
      "201",
    ]);
    expect(broker.commands.map(({ kind }) => kind)).toEqual(["publish", "delete-topic", "publish"]);
    raw.close();
  });

  it("more than may wait are refused, and the connection ends behind the answers", async () => {
    const open = heldHistory();
    const raw = await RawConnection.open(host.port);
    // More than one read takes in: a socket that is closed with the rest unread is reset, and answers on their way are lost.
    raw.send(HISTORY.repeat(limits.httpPipelinedMax + 3_000));
    await isRead();
    open();
    const answers = statuses(await raw.closed());
    expect(answers.slice(0, -1)).toEqual(Array.from({ length: limits.httpPipelinedMax + 1 }, () => "200"));
    expect(answers.at(-1)).toBe("503");
    expect(raw.text).toContain('"code":"overloaded"');
  });
});

it("what waits on a connection that ends is forgotten", async () => {
  const connections = limits.httpPipelinedHeldMax / limits.httpPipelinedMax;
  for (let round = 0; round < 2; round += 1) {
    const open = heldHistory();
    const raws: RawConnection[] = [];
    for (let i = 0; i < connections; i += 1) {
      const raw = await RawConnection.open(host.port);
      raws.push(raw.send(HISTORY.repeat(limits.httpPipelinedMax + 1)));
    }
    await isRead();
    const late = await RawConnection.open(host.port);
    late.send(HISTORY + HISTORY);
    await isRead();
    for (const raw of raws) raw.close();
    open();
    expect(statuses(await late.closed())).toEqual(["200", "503"]);
    await expect.poll(() => host.edge.connectionsOpen).toBeLessThan(3);
  }
});
