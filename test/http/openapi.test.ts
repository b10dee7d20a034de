/** The document at /openapi.json: OpenAPI 3.1, complete, and true to the routes. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type HttpHost, startHttpHost } from "../support/http-edge-host.js";

type Json = { readonly [key: string]: Json } & { readonly [at: number]: Json };
interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
  }[];
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Record<string, { schema: object }> }>
  >;
  readonly requestBody?: { readonly content: Record<string, object> };
}
interface Document {
  readonly openapi: string;
  readonly info: object;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

let host: HttpHost;
let document: Document;
beforeAll(async () => {
  host = await startHttpHost();
  const response = await fetch(`${host.url}/openapi.json`);
  expect(response.headers.get("content-type")).toMatch(/^application\/json/);
  document = (await response.json()) as Document;
});
afterAll(() => host.close());

const operations = (): [string, string, Operation][] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, string, Operation] => [
      method,
      path,
      operation,
    ]),
  );

/** Every value of a key, at any depth. */
function valuesOf(key: string, value: unknown): unknown[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [
    ...(name === key ? [inner] : []),
    ...valuesOf(key, inner),
  ]);
}

it("has every route of the contract", () => {
  expect(document.openapi).toBe("3.1.0");
  expect(
    operations()
      .map(([method, path]) => `${method.toUpperCase()} ${path}`)
      .sort(),
  ).toEqual(
    [
      "DELETE /clients/{id}",
      "DELETE /sessions/{id}",
      "DELETE /cluster/members/{id}",
      "DELETE /topics/{topic}",
      "GET /clients",
      "GET /cluster",
      "GET /healthz",
      "GET /metrics",
      "GET /mqtt",
      "GET /openapi.json",
      "GET /readyz",
      "GET /sessions",
      "GET /sessions/{id}",
      "GET /stream",
      "GET /topics",
      "GET /topics/{topic}",
      "GET /topics/{topic}/messages",
      "GET /topics/{topic}/retained",
      "GET /topics/{topic}/stream",
      "PATCH /topics/{topic}",
      "POST /cluster/leader",
      "POST /cluster/members",
      "POST /cluster/members/{id}/promote",
      "POST /topics",
      "POST /topics/{topic}/messages",
    ].sort(),
  );
});

it("names every operation once and says what it answers", () => {
  const ids = operations().map(([, , { operationId }]) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const [method, path, { summary, tags, responses, parameters = [] }] of operations()) {
    const where = `${method} ${path}`;
    expect([where, summary.length > 0, tags.length]).toEqual([where, true, 1]);
    expect([where, Object.keys(responses).some((status) => /^(?:101|2)/.test(status))]).toEqual([
      where,
      true,
    ]);
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const described = parameters.filter((one) => one.in === "path").map(({ name }) => name);
    expect([where, described]).toEqual([where, inPath]);
    for (const [status, { description, content }] of Object.entries(responses)) {
      expect(description).not.toBe("");
      const types = Object.keys(content ?? {});
      if (Number(status) >= 400) expect(types).toEqual(["application/problem+json"]);
      if (status === "204" || status === "202") expect(types).toEqual([]);
    }
  }
});

it("has no reference that leads nowhere and no name that JSON Schema does not know", () => {
  const references = valuesOf("$ref", document).map(String);
  expect(references.length).toBeGreaterThan(20);
  for (const reference of references) {
    const [root, components, schemas, name = ""] = reference.split("/");
    expect([root, components, schemas]).toEqual(["#", "components", "schemas"]);
    expect(document.components.schemas).toHaveProperty(name);
  }
  expect(valuesOf("nullable", document)).toEqual([]);
  expect(valuesOf("$id", document)).toEqual([]);
});

describe("a publish", () => {
  it("has its options, headers and bodies", () => {
    const publish = document.paths["/topics/{topic}/messages"]?.["post"];
    const parameters = publish?.parameters?.map(({ name, in: place }) => `${place} ${name}`).sort();
    expect(parameters).toEqual(
      [
        "header Idempotency-Key",
        "header Jangada-Correlation-Data",
        "header Jangada-Response-Topic",
        "header Jangada-User-Property",
        "path topic",
        "query ack",
        "query expires",
        "query qos",
        "query retain",
      ].sort(),
    );
    expect(Object.keys(publish?.requestBody?.content ?? {})).toEqual(["*/*", "application/x-ndjson"]);
    expect(Object.keys(publish?.responses ?? {})).toEqual(
      expect.arrayContaining(["201", "202", "400", "404", "409", "413", "415", "503", "504", "507"]),
    );
  });
});

/** The operation of a method and a path. */
function operationOf(method: string, path: string): Operation {
  const found = document.paths[path]?.[method];
  if (found === undefined) throw new Error(`no ${method} ${path}`);
  return found;
}

it("says which reads may be local", () => {
  const readsWith = operations().filter(([, , { parameters = [] }]) =>
    parameters.some(({ name, in: place }) => name === "consistency" && place === "query"),
  );
  expect(readsWith.map(([method, path]) => `${method} ${path}`).sort()).toEqual([
    "get /cluster",
    "get /sessions",
    "get /sessions/{id}",
    "get /topics",
    "get /topics/{topic}",
    "get /topics/{topic}/retained",
  ]);
  for (const [, , { responses }] of readsWith) expect(responses["503"]?.description).toContain("no_leader");
});

it("says which answers tell their position", () => {
  const telling = operations().filter(([, , { responses }]) =>
    valuesOf("Jangada-Position", responses["200"]).some((header) => typeof header === "object"),
  );
  expect(telling.map(([method, path]) => `${method} ${path}`).sort()).toEqual([
    "get /stream",
    "get /topics/{topic}/messages",
    "get /topics/{topic}/retained",
    "get /topics/{topic}/stream",
  ]);
});

it("says what changes of the group are refused with", () => {
  const codes = (method: string, path: string): string =>
    Object.values(operationOf(method, path).responses)
      .map(({ description }) => description)
      .join();
  const adding = codes("post", "/cluster/members");
  const removing = codes("delete", "/cluster/members/{id}");
  for (const code of ["member_exists", "member_removed", "change_pending", "no_leader", "outcome_unknown"]) {
    expect(adding).toContain(`\`${code}\``);
  }
  for (const code of ["member_unknown", "quorum_at_risk", "no_leader"]) {
    expect(removing).toContain(`\`${code}\``);
  }
  expect(codes("post", "/cluster/leader")).toContain("`transfer_failed`");
  expect(operationOf("post", "/topics/{topic}/messages").responses).toHaveProperty("504");
});

it("says of bodies what the routes insist on: known fields only, and a name", () => {
  const { NewTopic, TopicChange, Retention } = document.components.schemas;
  expect(NewTopic).toMatchObject({ additionalProperties: false, properties: { name: { minLength: 1 } } });
  expect(TopicChange).toMatchObject({
    additionalProperties: false,
    properties: { retention: { additionalProperties: false } },
  });
  expect(Retention).toMatchObject({ additionalProperties: false });
  const { NewMember, NewLeader } = document.components.schemas;
  expect(NewMember).toMatchObject({ additionalProperties: false, required: ["id", "peer"] });
  expect(NewLeader).toMatchObject({ additionalProperties: false, required: [] });
});

it("the answers are of the shapes that it describes", async () => {
  const shape = (name: string): Json => document.components.schemas[name] as Json;
  const keysOf = (name: string): string[] => Object.keys(shape(name)["properties"] ?? {}).sort();
  const properties = {
    "jangada-user-property": "a=b",
    "jangada-response-topic": "a",
    "jangada-correlation-data": "",
  };
  const post = (path: string, body: string, type: string) =>
    fetch(`${host.url}${path}`, { method: "POST", body, headers: { ...properties, "content-type": type } });
  const keys = async (response: Response): Promise<string[]> =>
    Object.keys((await response.json()) as object).sort();
  expect(await keys(await post("/topics", '{"name":"a"}', "application/json"))).toEqual(keysOf("Topic"));
  expect(await keys(await post("/topics/a/messages", "x", "t/x"))).toEqual(keysOf("Published"));
  expect(await keys(await post("/topics/a/messages?retain=true", "1", "application/x-ndjson"))).toEqual(
    keysOf("PublishedBatch"),
  );
  const envelope = keysOf("Envelope").filter((key) => key !== "payloadBase64");
  expect(await keys(await fetch(`${host.url}/topics/a/retained`))).toEqual(envelope);
  expect(await keys(await fetch(`${host.url}/topics`))).toEqual(keysOf("TopicPage"));
  expect(await keys(await fetch(`${host.url}/cluster`))).toEqual(keysOf("Cluster"));
  const added = await post("/cluster/members", '{"id":"4","peer":"a:1"}', "application/json");
  expect(await keys(added)).toEqual(keysOf("JoinTicket"));
  expect(await keys(await fetch(`${host.url}/cluster/leader`, { method: "POST" }))).toEqual(
    keysOf("LeaderId"),
  );
  const promoted = await fetch(`${host.url}/cluster/members/4/promote`, { method: "POST" });
  expect(await keys(promoted)).toEqual(keysOf("MemberId"));
  expect(await keys(await fetch(`${host.url}/nope`))).toEqual(keysOf("Problem"));
});
