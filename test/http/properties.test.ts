/** MQTT 5 properties over HTTP: what a publish's headers say is in the record, the stream and the retained message. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectProblem, jsonOf } from "../support/answers.js";
import { type HttpHost, startHttpHost } from "../support/http-edge-host.js";
import { StreamClient } from "../support/stream-client.js";

const HEADERS: [string, string][] = [
  ["Jangada-User-Property", "unit=%C2%B0C"],
  ["Jangada-User-Property", "sensor=7, unit=K"],
  ["Jangada-Response-Topic", "answers/7"],
  ["Jangada-Correlation-Data", "AP8="],
];
const FIELDS = {
  userProperties: [
    ["unit", "°C"],
    ["sensor", "7"],
    ["unit", "K"],
  ],
  responseTopic: "answers/7",
  correlationData: "AP8=",
};

let host: HttpHost;
beforeAll(async () => {
  host = await startHttpHost();
});
afterAll(() => host.close());

const publish = (
  topic: string,
  body: string,
  headers: readonly (readonly [string, string])[] = HEADERS,
  query = "",
): Promise<Response> => {
  const init = {
    method: "POST",
    body,
    headers: headers.map(([name, value]): [string, string] => [name, value]),
  };
  return fetch(`${host.url}/topics/${topic}/messages${query}`, init);
};
const get = (path: string) => fetch(`${host.url}/topics/${path}`);

describe("what the headers of a publish say", () => {
  it("is in history", async () => {
    await publish("record", "x");
    await publish("record", "bare", []);
    const { messages } = await jsonOf(await get("record/messages"));
    expect(messages[0]).toMatchObject({ payload: "x", ...FIELDS });
    expect(Object.keys(messages[1]!)).toEqual([
      "id",
      "topic",
      "offset",
      "timestamp",
      "payload",
      "contentType",
    ]);
  });

  it("is in every message of a batch", async () => {
    await publish("batch", "1\n2\n", [...HEADERS, ["Content-Type", "application/x-ndjson"]]);
    const { messages } = await jsonOf(await get("batch/messages"));
    expect(messages).toMatchObject([
      { payload: "1", ...FIELDS },
      { payload: "2", ...FIELDS },
    ]);
  });

  it("is in the retained message, as fields and as headers", async () => {
    await publish("kept", "x", HEADERS, "?retain=true");
    const response = await get("kept/retained");
    expect(response.headers.get("jangada-user-property")).toBe("unit=%C2%B0C, sensor=7, unit=K");
    expect(response.headers.get("jangada-response-topic")).toBe("answers/7");
    expect(response.headers.get("jangada-correlation-data")).toBe("AP8=");
    expect(await jsonOf(response)).toMatchObject({ payload: "x", ...FIELDS });
  });

  it("is in the records of a stream, and nothing of it in the bare payload", async () => {
    const records = await StreamClient.open(`${host.url}/topics/live/stream?format=json`);
    const bare = await StreamClient.open(`${host.url}/topics/live/stream`);
    await publish("live", "x");
    const [record = ""] = (await records.count(1)).data;
    expect(JSON.parse(record)).toMatchObject({ payload: "x", ...FIELDS });
    expect((await bare.count(1)).events).toMatchObject([{ data: "x" }]);
    records.close();
    bare.close();
  });

  it("counts for Idempotency-Key like everything else of the request", async () => {
    const key = ["Idempotency-Key", "k"] as const;
    const answers: number[] = [];
    for (const headers of [HEADERS, HEADERS, [], HEADERS.slice(1)]) {
      answers.push((await publish("once", "x", [...headers, key])).status);
    }
    expect(answers).toEqual([201, 201, 409, 409]);
    expect((await jsonOf(await get("once/messages"))).messages).toHaveLength(1);
  });

  it.each([
    ["Jangada-User-Property", "no-value"],
    ["Jangada-Response-Topic", "a/%23"],
    ["Jangada-Correlation-Data", "%"],
  ])("is refused when it is none: %s: %s", async (...header) => {
    await expectProblem(await publish("refused", "x", [header]), 400, "invalid_request");
  });
});

describe("pages of other origins", () => {
  it("may send and read these headers where they may publish", async () => {
    const open = await startHttpHost({ corsOrigins: ["https://app.example"] });
    const response = await fetch(`${open.url}/topics/a/messages`, {
      method: "OPTIONS",
      headers: { Origin: "https://app.example", "Access-Control-Request-Method": "POST" },
    });
    const names = "Jangada-User-Property, Jangada-Response-Topic, Jangada-Correlation-Data";
    expect(response.headers.get("access-control-allow-headers")).toContain(names);
    expect(response.headers.get("access-control-expose-headers")).toContain(names);
    await open.close();
  });
});
