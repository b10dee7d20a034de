/** What a topic has kept: paging, limits, formats, trimmed history, the retained message. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectProblem, jsonOf } from "../support/answers.js";
import { type HttpHost, startHttpHost } from "../support/http-edge-host.js";

let host: HttpHost;
let ids: string[];

const get = (path: string, headers: Record<string, string> = {}) => fetch(`${host.url}${path}`, { headers });
const publish = async (topic: string, body: string, query = ""): Promise<string> => {
  const path = `/topics/${encodeURIComponent(topic)}/messages${query}`;
  const response = await fetch(`${host.url}${path}`, {
    method: "POST",
    body,
    headers: { "content-type": "t/x" },
  });
  return (await jsonOf(response)).id;
};

beforeAll(async () => {
  host = await startHttpHost();
  ids = [];
  for (let i = 0; i < 5; i += 1) {
    ids.push(await publish("h/a", `m${i}`));
    await publish("other", "x");
  }
});
afterAll(() => host.close());

describe("history", () => {
  it("is the topic's messages, oldest first, as records", async () => {
    const response = await get("/topics/h%2Fa/messages");
    expect(response.headers.get("content-type")).toMatch(/^application\/json/);
    const { messages, next } = await jsonOf(response);
    expect(messages).toHaveLength(5);
    expect(messages[1]).toEqual({
      id: ids[1],
      topic: "h/a",
      offset: 1,
      timestamp: expect.any(Number),
      payload: "m1",
      contentType: "t/x",
    });
    expect(next).toBeNull();
  });

  it("pages on from `next`, and the Link header says the same", async () => {
    const offsets: number[] = [];
    let path: string | undefined = "/topics/h%2Fa/messages?limit=2";
    while (path !== undefined) {
      const response: Response = await get(path);
      const page = await jsonOf(response);
      offsets.push(...page.messages.map(({ offset }) => offset));
      path = /<(.*)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
      expect(path === undefined).toBe(page.next === null);
      if (page.next !== null) expect(path).toContain(`after=${page.next}`);
    }
    expect(offsets).toEqual([0, 1, 2, 3, 4]);
  });

  it("starts after an id", async () => {
    const { messages } = await jsonOf(await get(`/topics/h%2Fa/messages?after=${ids[2]}`));
    expect(messages.map(({ payload }) => payload)).toEqual(["m3", "m4"]);
  });

  it("is lines when lines are asked for", async () => {
    const response = await get("/topics/h%2Fa/messages?limit=2", { accept: "application/x-ndjson" });
    expect(response.headers.get("content-type")).toMatch(/^application\/x-ndjson/);
    expect(response.headers.get("link")).toContain(`after=${ids[1]}`);
    const lines = (await response.text()).split("\n");
    expect(lines.pop()).toBe("");
    expect(lines.map((line) => JSON.parse(line).id)).toEqual(ids.slice(0, 2));
  });

  it("of a topic without messages is empty", async () => {
    await fetch(`${host.url}/topics`, {
      method: "POST",
      body: '{"name":"none"}',
      headers: { "content-type": "application/json" },
    });
    expect(await jsonOf(await get("/topics/none/messages"))).toEqual({ messages: [], next: null });
    expect(await (await get("/topics/none/messages", { accept: "application/x-ndjson" })).text()).toBe("");
  });

  it("tells of what retention took, when it is asked to go on from a place", async () => {
    const first = await publish("trimmed", "a");
    await publish("trimmed", "b");
    await publish("trimmed", "c");
    const topic = host.broker.topic("trimmed");
    const resumedAt = host.broker.head - 1;
    host.broker.store.trim(topic!.id, resumedAt);
    const gap = { after: first, resumedAt: host.broker.eventId(resumedAt) };
    const page = await jsonOf(await get(`/topics/trimmed/messages?after=${first}`));
    expect(page).toMatchObject({ messages: [{ payload: "c" }], gap });
    const lines = await get(`/topics/trimmed/messages?after=${first}`, { accept: "application/x-ndjson" });
    expect((await lines.text()).split("\n")[0]).toBe(JSON.stringify({ gap }));
    expect(await jsonOf(await get("/topics/trimmed/messages"))).not.toHaveProperty("gap");
  });

  it.each([
    ["limit=0", "invalid_request"],
    ["limit=1001", "invalid_request"],
    ["limit=1e2", "invalid_request"],
    ["limit=18446744073709551617", "invalid_request"],
    ["limit=", "invalid_request"],
    ["after=", "invalid_cursor"],
    ["after=nonsense", "invalid_cursor"],
    ["after=1-0-else", "invalid_cursor"],
    ["after=9007199254740993-0-test", "invalid_cursor"],
    ["after=-1-0-test", "invalid_cursor"],
    ["after=1-0-test&after=2-0-test", "invalid_request"],
  ])("?%s is 400 %s", async (query, code) => {
    await expectProblem(await get(`/topics/h%2Fa/messages?${query}`), 400, code);
  });

  it("of a topic that is not there is 404, in a type that is not ours 406", async () => {
    await expectProblem(await get("/topics/nowhere/messages"), 404, "topic_not_found");
    await expectProblem(await get("/topics/h%2Fa/messages", { accept: "text/html" }), 406, "not_acceptable");
  });
});

describe("the retained message", () => {
  it("is the last that was retained, as a record", async () => {
    await publish("kept", "old", "?retain=true");
    const id = await publish("kept", "new", "?retain=true");
    await publish("kept", "passing");
    expect(await jsonOf(await get("/topics/kept/retained"))).toMatchObject({ id, payload: "new" });
  });

  it("is gone after an empty one, and after its time", async () => {
    await publish("cleared", "x", "?retain=true");
    await publish("cleared", "", "?retain=true");
    await expectProblem(await get("/topics/cleared/retained"), 404, "retained_not_found");
    await publish("brief", "x", "?retain=true&expires=5");
    expect((await get("/topics/brief/retained")).status).toBe(200);
    host.broker.timeMs += 5_000;
    await expectProblem(await get("/topics/brief/retained"), 404, "retained_not_found");
  });

  it("of a topic that is not there is 404", async () => {
    await expectProblem(await get("/topics/nowhere/retained"), 404, "topic_not_found");
  });
});
