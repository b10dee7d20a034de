/** Every number that a request can carry, taken from the document of the routes: one that is too large, or none at all, is refused by name. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectProblem } from "../support/answers.js";
import { type HttpHost, startHttpHost } from "../support/http-edge-host.js";

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly schema?: { readonly type?: string };
}
interface Document {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly parameters?: readonly Parameter[] }>>>
  >;
}

const NO_NUMBERS = [
  "",
  "-1",
  "-0",
  "1.5",
  "1e3",
  "0x10",
  " 1",
  "1 ",
  "NaN",
  "Infinity",
  "2147483648000000",
  "4294967296",
  "9007199254740993",
  "18446744073709551617",
  "9".repeat(4_000),
  "١",
  "1\0",
  "1\r\nX-Evil: 1",
];

let host: HttpHost;
let numbers: readonly (readonly [method: string, path: string, name: string])[];
beforeAll(async () => {
  host = await startHttpHost();
  await fetch(`${host.url}/topics/a/messages`, { method: "POST", body: "x" });
  const document = (await (await fetch(`${host.url}/openapi.json`)).json()) as Document;
  numbers = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { parameters = [] }]) =>
      parameters
        .filter((one) => one.in === "query" && one.schema?.type === "integer")
        .map(({ name }) => [method.toUpperCase(), path.replace(/\{\w+\}/g, "a"), name] as const),
    ),
  );
});
afterAll(() => host.close());

describe("numbers in queries", () => {
  it("are those of pages, of a message's time and of its QoS", () => {
    expect(numbers.map(([method, path, name]) => `${method} ${path}?${name}`).sort()).toEqual([
      "GET /clients?limit",
      "GET /sessions?limit",
      "GET /topics/a/messages?limit",
      "GET /topics?limit",
      "POST /topics/a/messages?expires",
      "POST /topics/a/messages?qos",
    ]);
  });

  it.each(NO_NUMBERS.map((value) => [JSON.stringify(value).slice(0, 40), value]))(
    "%s is none, on every route",
    async (_shown, value) => {
      for (const [method, path, name] of numbers) {
        const url = `${host.url}${path}?${name}=${encodeURIComponent(value)}`;
        const body = method === "POST" ? { body: "x" } : {};
        await expectProblem(await fetch(url, { method, ...body }), 400, "invalid_request");
      }
      expect(host.broker.topic("a")?.messages).toBe(1);
    },
  );
});

describe("positions in cursors", () => {
  it.each([
    "9007199254740993-0-test",
    "99999999999999999999-0-test",
    "-1-0-test",
    "01-0-test",
    "1e3-0-test",
    "1-99999-test",
  ])("%s is none of ours, in history and in streams", async (id) => {
    for (const path of [`messages?after=${id}`, `stream?lastEventId=${id}`]) {
      await expectProblem(await fetch(`${host.url}/topics/a/${path}`), 400, "invalid_cursor");
    }
    const headers = { "last-event-id": id };
    await expectProblem(await fetch(`${host.url}/topics/a/stream`, { headers }), 400, "invalid_cursor");
  });
});
