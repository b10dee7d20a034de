/** Where a stream begins and what it replays: cursors of every kind, retained messages, gaps, formats, filters. */
import { EventSource } from "eventsource";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { expectProblem } from "../support/answers.js";
import { type HttpHost, startHttpHost } from "../support/http-edge-host.js";
import { StreamClient } from "../support/stream-client.js";

let host: HttpHost;
const open: StreamClient[] = [];
beforeAll(async () => {
  host = await startHttpHost();
});
afterEach(() => {
  for (const client of open.splice(0)) client.close();
});
afterAll(() => host.close());

async function stream(path: string, headers: Record<string, string> = {}): Promise<StreamClient> {
  const client = await StreamClient.open(`${host.url}${path}`, headers);
  open.push(client);
  return client;
}

/** Publishes and gives the ids. */
async function publish(topic: string, bodies: readonly string[], query = ""): Promise<string[]> {
  const ids: string[] = [];
  for (const body of bodies) {
    const path = `/topics/${encodeURIComponent(topic)}/messages${query}`;
    const response = await fetch(`${host.url}${path}`, { method: "POST", body });
    ids.push(((await response.json()) as { id: string }).id);
  }
  return ids;
}

describe("a stream begins", () => {
  it("live, without a cursor", async () => {
    await publish("s/live", ["before"]);
    const client = await stream("/topics/s%2Flive/stream");
    await client.until(({ text }) => text.includes("\n\n"));
    await publish("s/live", ["after"]);
    expect((await client.count(1)).data).toEqual(["after"]);
  });

  it("after the id of the Last-Event-ID header, and goes on live without gap or repeat", async () => {
    const ids = await publish("s/header", ["0", "1", "2"]);
    const client = await stream("/topics/s%2Fheader/stream", { "last-event-id": ids[0]! });
    await publish("s/header", ["3", "4"]);
    expect((await client.count(4)).data).toEqual(["1", "2", "3", "4"]);
  });

  it.each([
    ["lastEventId", "lastEventId="],
    ["last_event_id", "last_event_id="],
    ["from", "from="],
  ])("after the id of ?%s", async (name, query) => {
    const ids = await publish(`s/${name}`, ["0", "1"]);
    const client = await stream(`/topics/s%2F${name}/stream?${query}${ids[0]}`);
    expect((await client.count(1)).data).toEqual(["1"]);
  });

  it("with the earliest that is kept", async () => {
    await publish("s/early", ["0", "1"]);
    const client = await stream("/topics/s%2Fearly/stream?from=earliest");
    expect((await client.count(2)).data).toEqual(["0", "1"]);
  });

  it("where the stronger cursor says: header, then lastEventId, then from", async () => {
    const ids = await publish("s/strong", ["0", "1", "2"]);
    const header = await stream(`/topics/s%2Fstrong/stream?lastEventId=${ids[0]}&from=earliest`, {
      "last-event-id": ids[1]!,
    });
    expect((await header.count(1)).data).toEqual(["2"]);
    const query = await stream(`/topics/s%2Fstrong/stream?from=earliest&lastEventId=${ids[0]}`);
    expect((await query.count(2)).data).toEqual(["1", "2"]);
  });

  it("as if there were no cursor when it is empty", async () => {
    const client = await stream("/topics/s%2Fempty/stream?lastEventId=", { "last-event-id": "" });
    await publish("s/empty", ["x"]);
    expect((await client.count(1)).data).toEqual(["x"]);
  });

  it("with an id of its own, so that a reader cut off before the first event resumes from there", async () => {
    const client = await stream("/topics/s%2Fown/stream");
    const [, id] = /^id: (.*)\n\n/m.exec((await client.until(({ text }) => text.includes("id:"))).text) ?? [];
    client.close();
    await publish("s/own", ["missed"]);
    const again = await stream("/topics/s%2Fown/stream", { "last-event-id": id! });
    expect((await again.count(1)).data).toEqual(["missed"]);
  });

  it.each([
    ["malformed", "nonsense"],
    ["malformed", "1-0-test "],
    ["of another stream", "1-0-else"],
    ["of another group", "1-1-test"],
    ["in the future", "999999-0-test"],
    ["beyond numbers", "9007199254740993-0-test"],
    ["the word of the query", "earliest"],
  ])("nowhere with an id that is %s: 400", async (_name, id) => {
    const headers = { "last-event-id": id };
    const path = `${host.url}/topics/s%2Flive/stream`;
    if (id.trim() === id) await expectProblem(await fetch(path, { headers }), 400, "invalid_cursor");
    if (id === "earliest") return;
    const response = await fetch(`${path}?from=${encodeURIComponent(id)}`);
    await expectProblem(response, 400, "invalid_cursor");
  });

  it("replays a long history whole and in order", async () => {
    const lines = Array.from({ length: 5_000 }, (_, i) => String(i));
    await fetch(`${host.url}/topics/s%2Flong/messages`, {
      method: "POST",
      body: lines.join("\n"),
      headers: { "content-type": "application/x-ndjson" },
    });
    const client = await stream("/topics/s%2Flong/stream?from=earliest");
    await publish("s/long", ["live"]);
    expect((await client.count(5_001)).data).toEqual([...lines, "live"]);
  });
});

describe("trimmed history", () => {
  it("is told as a gap to one who comes with an id, and not to one who asks for the earliest", async () => {
    const ids = await publish("s/trim", ["0", "1", "2"]);
    const topic = host.broker.topic("s/trim");
    host.broker.store.trim(topic!.id, host.broker.positionOf(ids[1]!));
    const resumed = await stream("/topics/s%2Ftrim/stream", { "last-event-id": ids[0]! });
    await resumed.count(2);
    expect(resumed.events).toEqual([
      { event: "gap", id: ids[1], data: JSON.stringify({ after: ids[0], resumedAt: ids[1] }) },
      { event: undefined, id: ids[2], data: "2" },
    ]);
    const earliest = await stream("/topics/s%2Ftrim/stream?from=earliest");
    expect((await earliest.count(1)).data).toEqual(["2"]);
    const lines = await stream("/topics/s%2Ftrim/stream", {
      "last-event-id": ids[0]!,
      accept: "application/x-ndjson",
    });
    await lines.until((client) => client.lines.length === 2);
    expect(lines.lines).toMatchObject([{ gap: { after: ids[0], resumedAt: ids[1] } }, { payload: "2" }]);
  });
});

describe("retained messages", () => {
  it("come first when asked for, without an id: the reader's last id does not go back", async () => {
    await publish("s/kept", ["state"], "?retain=true");
    const client = await stream("/topics/s%2Fkept/stream?retained=true");
    const [id] = await publish("s/kept", ["news"]);
    await client.count(2);
    expect(client.events).toEqual([
      { event: undefined, id: undefined, data: "state" },
      { event: undefined, id, data: "news" },
    ]);
  });

  it("of every topic that matches, as records", async () => {
    await publish("r/a", ["1"], "?retain=true");
    await publish("r/b", ["2"], "?retain=true");
    const client = await stream("/topics/r%2F%2B/stream?retained=true");
    await client.count(2);
    expect(client.data.map((data) => JSON.parse(data).topic)).toEqual(["r/a", "r/b"]);
  });

  it("do not come without being asked for, nor again when a reader reconnects", async () => {
    const [id] = await publish("s/again", ["state"], "?retain=true");
    const plain = await stream("/topics/s%2Fagain/stream");
    const reconnected = await stream("/topics/s%2Fagain/stream?retained=true", { "last-event-id": id! });
    await publish("s/again", ["news"]);
    expect((await plain.count(1)).data).toEqual(["news"]);
    expect((await reconnected.count(1)).data).toEqual(["news"]);
  });
});

describe("formats", () => {
  it("an exact topic gives the payload, or the envelope that history gives when asked", async () => {
    const [id] = await publish("s/form", ['{"a":1}']);
    const raw = await stream("/topics/s%2Fform/stream?from=earliest");
    expect((await raw.count(1)).data).toEqual(['{"a":1}']);
    const json = await stream("/topics/s%2Fform/stream?from=earliest&format=json");
    const history = await fetch(`${host.url}/topics/s%2Fform/messages`);
    const { messages } = (await history.json()) as { messages: object[] };
    await json.count(1);
    expect(JSON.parse(json.data[0]!)).toEqual(messages[0]);
    expect(json.events[0]?.id).toBe(id);
  });

  it("a filter, and /stream, give the envelope", async () => {
    for (const path of ["/topics/s%2Fform%2F%23/stream", "/stream?topic=s/form"]) {
      const client = await stream(`${path}${path.includes("?") ? "&" : "?"}from=earliest`);
      expect(JSON.parse((await client.count(1)).data[0]!)).toMatchObject({
        topic: "s/form",
        payload: '{"a":1}',
      });
    }
  });

  it("lines have the same records, and blank ones for comments", async () => {
    const client = await stream("/topics/s%2Fform/stream?from=earliest", { accept: "application/x-ndjson" });
    expect(client.response.headers.get("content-type")).toBe("application/x-ndjson");
    await client.until(({ lines }) => lines.length === 1);
    expect(client.lines).toMatchObject([{ topic: "s/form", offset: 0, payload: '{"a":1}' }]);
    expect(client.text.startsWith("\n")).toBe(true);
  });

  it("a deleted topic is the last line", async () => {
    await publish("s/over", ["x"]);
    const client = await stream("/topics/s%2Fover/stream?from=earliest", { accept: "application/x-ndjson" });
    await client.until(({ lines }) => lines.length === 1);
    await fetch(`${host.url}/topics/s%2Fover`, { method: "DELETE" });
    expect((await client.ended()).lines.at(-1)).toEqual({ deleted: { topic: "s/over" } });
  });

  it("bytes that are not UTF-8 come as base64", async () => {
    await fetch(`${host.url}/topics/s%2Fbin/messages`, { method: "POST", body: Uint8Array.of(0xff, 0) });
    const raw = await stream("/topics/s%2Fbin/stream?from=earliest");
    expect((await raw.count(1)).events).toMatchObject([{ event: "binary", data: "/wA=" }]);
    const json = await stream("/topics/s%2Fbin/stream?from=earliest&format=json");
    expect(JSON.parse((await json.count(1)).data[0]!)).toMatchObject({ payloadBase64: "/wA=" });
  });

  it("an expired message is not sent any more", async () => {
    await publish("s/brief", ["gone"], "?expires=1");
    await publish("s/brief", ["kept"]);
    host.broker.timeMs += 1_000;
    const client = await stream("/topics/s%2Fbrief/stream?from=earliest");
    expect((await client.count(1)).data).toEqual(["kept"]);
  });
});

describe("filters", () => {
  it("several are one stream, in the order of the whole", async () => {
    const client = await stream("/stream?topic=f/a&topic=f/b/%23&topic=f/%2B/c");
    await publish("f/a", ["1"]);
    await publish("f/b/x", ["2"]);
    await publish("f/no", ["-"]);
    await publish("f/z/c", ["3"]);
    await publish("f/b", ["4"]);
    await client.count(4);
    expect(client.data.map((data) => JSON.parse(data).payload)).toEqual(["1", "2", "3", "4"]);
  });

  it("make the topics that they name", async () => {
    await stream("/stream?topic=made/by/stream&topic=not/%23");
    expect(host.broker.topic("made/by/stream")).toBeDefined();
  });

  it("without auto-create, a topic that is not there is 404", async () => {
    const strict = await startHttpHost({ autoCreate: false });
    await expectProblem(await fetch(`${strict.url}/topics/a/stream`), 404, "topic_not_found");
    await expectProblem(await fetch(`${strict.url}/stream?topic=a&topic=%23`), 404, "topic_not_found");
    const wild = await StreamClient.open(`${strict.url}/topics/%23/stream`);
    wild.close();
    await strict.close();
  });

  it.each([
    ["/topics/a%23/stream", 400, "invalid_filter"],
    ["/topics//stream", 400, "invalid_filter"],
    ["/topics/%24SYS%2Fx/stream", 400, "invalid_topic"],
    ["/topics/%zz/stream", 400, "invalid_request"],
    ["/stream", 400, "invalid_request"],
    ["/stream?topic=", 400, "invalid_filter"],
    ["/stream?topic=a%00", 400, "invalid_filter"],
    ["/stream?topic=%zz", 400, "invalid_request"],
    [`/stream?${"topic=a&".repeat(65)}`, 400, "too_many_subscriptions"],
    ["/topics/a/stream?format=xml", 400, "invalid_request"],
    ["/topics/a/stream?retained=1", 400, "invalid_request"],
    ["/topics/a/stream?from=earliest&from=earliest", 400, "invalid_request"],
  ])("%s is %i %s", async (path, status, code) => {
    await expectProblem(await fetch(`${host.url}${path}`), status, code);
  });

  it("a type that is not ours is 406", async () => {
    const response = await fetch(`${host.url}/topics/a/stream`, { headers: { accept: "text/html" } });
    await expectProblem(response, 406, "not_acceptable");
  });
});

describe("an EventSource of somebody else's making", () => {
  it("receives, is cut off, comes back by itself and misses nothing", async () => {
    const source = new EventSource(`${host.url}/topics/s%2Fes/stream`);
    const received: string[] = [];
    source.onmessage = ({ data, lastEventId }) => received.push(`${lastEventId} ${data}`);
    await new Promise((resolve) => source.addEventListener("open", resolve, { once: true }));
    const ids = await publish("s/es", ["0"]);
    await expect.poll(() => received).toEqual([`${ids[0]} 0`]);
    for (const { id } of host.edge.clients()) host.edge.kick(id);
    ids.push(...(await publish("s/es", ["1", "2"])));
    await expect.poll(() => received, { timeout: 10_000 }).toHaveLength(3);
    ids.push(...(await publish("s/es", ["3\nlines"])));
    await expect.poll(() => received).toHaveLength(4);
    expect(received).toEqual(["0", "1", "2", "3\nlines"].map((data, at) => `${ids[at]} ${data}`));
    source.close();
  });

  it("gets named events", async () => {
    await publish("s/named", ["x"]);
    const source = new EventSource(`${host.url}/topics/s%2Fnamed/stream`);
    const deleted = new Promise<string>((resolve) =>
      source.addEventListener("deleted", ({ data }) => resolve(data), { once: true }),
    );
    await new Promise((resolve) => source.addEventListener("open", resolve, { once: true }));
    await fetch(`${host.url}/topics/s%2Fnamed`, { method: "DELETE" });
    expect(JSON.parse(await deleted)).toEqual({ topic: "s/named" });
    source.close();
  });
});
