/** MQTT sessions over HTTP: listed, shown, forgotten; clients disconnected wherever they are. */
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import type {
  OpenSessionCommand,
  SessionCommand,
  SubscriptionOptions,
  Will,
} from "../../src/commands/command.js";
import { NO_PROPERTIES, SESSION_NEVER_EXPIRES } from "../../src/commands/command.js";
import type { ConnectedClient } from "../../src/edges/edge.js";
import type { CommandResult, Opened } from "../../src/state-machine/effects.js";
import { expectProblem } from "../support/answers.js";
import { type HttpHost, startHttpHost } from "../support/http-edge-host.js";

interface Row {
  readonly clientId: string;
}
interface Page {
  readonly sessions: readonly Row[];
  readonly next: string | null;
}

const WILL: Will = {
  topic: "last/words",
  payload: Buffer.from("bye"),
  contentType: "",
  qos: 1,
  retain: false,
  properties: NO_PROPERTIES,
  expirySeconds: 0,
  delaySeconds: 0,
};

let host: HttpHost;
let displaced: string[];
beforeEach(async () => {
  host = await startHttpHost();
  displaced = [];
  host.broker.listenToSessions({
    displaced: ({ clientId, reason }) => displaced.push(`${clientId} ${reason}`),
    assigned: () => undefined,
  });
});
afterEach(() => host.close());

const openSession = (clientId: string, change: Partial<OpenSessionCommand> = {}): OpenSessionCommand => ({
  kind: "open-session",
  clientId,
  cleanStart: false,
  expirySeconds: 60,
  will: null,
  ...change,
});

async function opened(clientId: string, change: Partial<OpenSessionCommand> = {}): Promise<Opened> {
  return (await host.broker.perform(openSession(clientId, change))) as Opened;
}

/** Applies a command that came in on another node. */
function onNode2(command: SessionCommand): CommandResult {
  const { machine } = host.broker;
  const sequence = machine.lastProposalOf("2").sequence + 1;
  const timeMs = host.broker.timeMs;
  const envelope = { origin: "2", incarnation: 1, sequence, timeMs, commands: [command] };
  return machine.apply(envelope, machine.appliedIndex + 1).results[0]!;
}

function subscription(filter: string, change: Partial<SubscriptionOptions> = {}): SubscriptionOptions {
  return {
    filter,
    share: "",
    qos: 1,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
    subscriptionId: 0,
    ...change,
  };
}

const subscribed = ({ session, epoch }: Opened, ...subscriptions: SubscriptionOptions[]) =>
  host.broker.perform({ kind: "subscribe", session, epoch, subscriptions });
const closed = ({ session, epoch }: Opened) =>
  host.broker.perform({
    kind: "close-session",
    session,
    epoch,
    withWill: false,
    expirySeconds: null,
    sentThrough: 0,
  });

const get = (path: string) => fetch(`${host.url}${path}`);
const remove = (path: string) => fetch(`${host.url}${path}`, { method: "DELETE" });
const publish = (topic: string) =>
  fetch(`${host.url}/topics/${topic}/messages`, { method: "POST", body: "x" });
async function pageAt(path: string): Promise<Page> {
  return (await (await get(path)).json()) as Page;
}
const idsOf = ({ sessions }: Page): string[] => sessions.map(({ clientId }) => clientId);

describe("a session", () => {
  it("is shown with what the group knows of it", async () => {
    const session = await opened("sensor/1", { will: WILL });
    await subscribed(
      session,
      subscription("a/#", {
        qos: 2,
        noLocal: true,
        retainAsPublished: true,
        retainHandling: 2,
        subscriptionId: 7,
      }),
      subscription("b", { share: "pool" }),
    );
    await publish("a");
    await publish("b");
    const shown = await (await get("/sessions/sensor%2F1")).json();
    expect(shown).toEqual({
      clientId: "sensor/1",
      connected: true,
      node: "1",
      kept: true,
      expirySeconds: 60,
      endsAt: null,
      createdAt: expect.any(Number),
      since: expect.any(Number),
      subscriptions: 2,
      lag: 2,
      inFlight: 1,
      will: true,
      filters: [
        {
          filter: "a/#",
          qos: 2,
          noLocal: true,
          retainAsPublished: true,
          retainHandling: 2,
          subscriptionId: 7,
        },
        {
          filter: "$share/pool/b",
          qos: 1,
          noLocal: false,
          retainAsPublished: false,
          retainHandling: 0,
          subscriptionId: null,
        },
      ],
    });
  });

  it("that is offline says when it ends", async () => {
    await closed(await opened("gone"));
    const shown = (await (await get("/sessions/gone")).json()) as { readonly since: number };
    expect(shown).toMatchObject({ connected: false, node: null, endsAt: shown.since + 60_000 });
  });

  it("that never ends has no expiry", async () => {
    await closed(await opened("for-ever", { expirySeconds: SESSION_NEVER_EXPIRES }));
    expect(await (await get("/sessions/for-ever")).json()).toMatchObject({
      expirySeconds: null,
      endsAt: null,
    });
  });

  it("that is not kept has its subscriptions and its lag elsewhere", async () => {
    await opened("brief", { expirySeconds: 0 });
    await publish("a");
    const shown = await (await get("/sessions/brief")).json();
    expect(shown).toMatchObject({ kept: false, expirySeconds: 0, subscriptions: 0, lag: 0, filters: [] });
  });

  it("does not show what was unsubscribed", async () => {
    const session = await opened("changed");
    await subscribed(session, subscription("a"), subscription("b"));
    const filters = [{ filter: "a", share: "" }];
    await host.broker.perform({
      kind: "unsubscribe",
      session: session.session,
      epoch: session.epoch,
      filters,
    });
    expect(await (await get("/sessions/changed")).json()).toMatchObject({
      subscriptions: 1,
      filters: [{ filter: "b" }],
    });
  });

  it("on another node is shown with that node", async () => {
    onNode2(openSession("elsewhere"));
    expect(await (await get("/sessions/elsewhere")).json()).toMatchObject({ connected: true, node: "2" });
  });

  it("that is not there is 404", async () => {
    await expectProblem(await get("/sessions/nobody"), 404, "session_not_found");
    await expectProblem(await get("/sessions/%zz"), 400, "invalid_request");
  });
});

describe("the list", () => {
  it("is in the order in which sessions began, in pages that repeat and skip nothing", async () => {
    for (const id of ["c", "a", "e", "b", "d"]) await opened(id);
    expect(idsOf(await pageAt("/sessions"))).toEqual(["c", "a", "e", "b", "d"]);
    const first = await pageAt("/sessions?limit=2");
    expect(idsOf(first)).toEqual(["c", "a"]);
    await remove("/sessions/a");
    const second = await pageAt(`/sessions?limit=2&cursor=${first.next}`);
    expect(idsOf(second)).toEqual(["e", "b"]);
    const last = await pageAt(`/sessions?limit=2&cursor=${second.next}`);
    expect([idsOf(last), last.next]).toEqual([["d"], null]);
  });

  it("has what a session shows but its filters", async () => {
    await subscribed(await opened("one"), subscription("a"));
    const { filters: _filters, ...shown } = (await (await get("/sessions/one")).json()) as Record<
      string,
      unknown
    >;
    expect((await pageAt("/sessions")).sessions).toEqual([shown]);
  });

  test.each([
    "limit=0",
    "limit=1001",
    "limit=x",
    "cursor=nonsense",
    "cursor=LTE",
    "cursor=MDE",
    "cursor=MS41",
  ])("?%s is refused", async (query) => {
    await expectProblem(await get(`/sessions?${query}`), 400, "invalid_request");
    expect(host.cluster.calls).toEqual([]);
  });
});

describe.each(["/sessions", "/sessions/late"])("%s", (path) => {
  it("waits until this node has caught up, unless it is told not to", async () => {
    host.cluster.onBarrier = async () => void (await opened("late"));
    expect(await (await get(path)).text()).toContain("late");
    expect(host.cluster.calls).toEqual([["readBarrier"]]);
    host.cluster.refusal = "no_leader";
    await expectProblem(await get(path), 503, "no_leader");
    expect((await get(`${path}?consistency=local`)).status).toBe(200);
    await expectProblem(await get(`${path}?consistency=eventual`), 400, "invalid_request");
  });
});

describe("forgetting", () => {
  it("ends a session, disconnects its client and publishes its will", async () => {
    await opened("sensor", { will: WILL });
    expect((await remove("/sessions/sensor")).status).toBe(204);
    await expectProblem(await get("/sessions/sensor"), 404, "session_not_found");
    expect(displaced).toEqual(["sensor administrative"]);
    expect(host.broker.store.messages.map(({ topic }) => topic.name)).toEqual(["last/words"]);
  });

  it("ends one that is offline", async () => {
    await closed(await opened("offline"));
    expect((await remove("/sessions/offline")).status).toBe(204);
    expect(displaced).toEqual([]);
    await expectProblem(await remove("/sessions/offline"), 404, "session_not_found");
  });

  it("is refused while nothing can be committed", async () => {
    await opened("stays");
    host.broker.refusal = "no_leader";
    await expectProblem(await remove("/sessions/stays"), 503, "no_leader");
  });
});

describe("disconnecting", () => {
  it("reaches a client on another node, and leaves it its session", async () => {
    onNode2(openSession("elsewhere"));
    expect((await remove("/clients/elsewhere")).status).toBe(204);
    expect(host.broker.commands.at(-1)).toEqual({
      kind: "displace-session",
      clientId: "elsewhere",
      forget: false,
    });
    expect(await (await get("/sessions/elsewhere")).json()).toMatchObject({ connected: false });
    await expectProblem(await remove("/clients/elsewhere"), 404, "not_found");
  });

  it("a client of this node takes no commit", async () => {
    const kicked: string[] = [];
    const own = await startHttpHost({ kick: (id) => kicked.push(id) > 0 });
    own.cluster.refusal = "no_leader";
    expect((await fetch(`${own.url}/clients/mine`, { method: "DELETE" })).status).toBe(204);
    expect([kicked, own.broker.commands]).toEqual([["mine"], []]);
    await own.close();
  });

  it("looks at what the group knows before it says that there is none", async () => {
    host.cluster.onBarrier = () => void onNode2(openSession("just-now"));
    expect((await remove("/clients/just-now")).status).toBe(204);
    host.cluster.refusal = "no_leader";
    await expectProblem(await remove("/clients/nobody"), 503, "no_leader");
  });
});

describe("the clients of a node", () => {
  const client = (id: string, edge: "mqtt" | "sse" = "mqtt"): ConnectedClient => ({
    id,
    edge,
    view: () => {
      viewed += 1;
      const address = "127.0.0.1:1";
      return { id, edge, address, connectedAtMs: 5, subscriptions: [], lag: 0, behind: false };
    },
  });
  let viewed = 0;

  it("come in pages, in the order of their ids", async () => {
    const clients = [client("b"), client("sse-1", "sse"), client("ç"), client("a"), client("sse-1")];
    const many = await startHttpHost({ clients: () => clients });
    const found: string[] = [];
    let cursor = "";
    for (let pages = 1; cursor !== "end"; pages += 1) {
      const answer = await fetch(`${many.url}/clients?limit=2&cursor=${cursor}`);
      const page = (await answer.json()) as { clients: { id: string; edge: string }[]; next: string | null };
      found.push(...page.clients.map(({ id, edge }) => `${edge} ${id}`));
      cursor = page.next ?? "end";
      expect(pages).toBeLessThan(4);
    }
    // Whoever is on no page is not looked at.
    expect(viewed).toBe(clients.length);
    expect(found).toEqual(["mqtt a", "mqtt b", "mqtt sse-1", "sse sse-1", "mqtt ç"]);
    await many.close();
  });

  test.each(["limit=0", "limit=1001", "cursor=YQ", "cursor=%%"])("?%s is refused", async (query) => {
    await expectProblem(await get(`/clients?${query}`), 400, "invalid_request");
  });
});
