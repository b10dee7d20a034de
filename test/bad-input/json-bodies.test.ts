/** Bodies that are almost JSON: refused whole, at once, and nothing is made of a part. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { expectProblem } from "../support/answers.js";
import { type HttpHost, startHttpHost } from "../support/http-edge-host.js";

let host: HttpHost;
beforeAll(async () => {
  host = await startHttpHost();
});
afterAll(() => host.close());

const post = (body: string | Uint8Array): Promise<Response> =>
  fetch(`${host.url}/topics`, { method: "POST", body, headers: { "content-type": "application/json" } });

it.each<[string, string | Uint8Array]>([
  ["a name that is not UTF-8", Buffer.from('{"name":"\xff"}', "latin1")],
  ["an overlong escape of a slash in a name", Buffer.from('{"name":"a\xc0\xafb"}', "latin1")],
  ["an encoded surrogate in a name", Buffer.from('{"name":"\xed\xa0\x80"}', "latin1")],
  ["a name that ends within a character", Buffer.from('{"name":"a\xe2\x98"}', "latin1")],
  ["UTF-16", Buffer.from('\ufeff{"name":"wide"}', "utf16le")],
  ["lists in lists", "[".repeat(60_000)],
  ["lists in lists that end", `${"[".repeat(30_000)}${"]".repeat(30_000)}`],
  ["objects in the place of a name", `{"name":${'{"a":'.repeat(9_000)}1${"}".repeat(9_000)}}`],
  ["a prototype", '{"name":"proto","__proto__":{"retention":{}}}'],
  ["a constructor", '{"name":"proto","constructor":{"prototype":{}}}'],
  ["a number beyond numbers", '{"name":"big","retention":{"ageMs":1e400}}'],
  ["a number that no double holds", '{"name":"big","retention":{"bytes":9007199254740993}}'],
  ["two values", '{"name":"one"}{"name":"two"}'],
])("%s is 400", async (_name, body) => {
  await expectProblem(await post(body), 400, "invalid_request");
  expect(host.broker.topics("", null, 10)).toEqual([]);
});
