/** Strangers that take their time, byte by byte: each is cut off when its time is over, whatever it keeps sending, and others are served. */
import { afterEach, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.js";
import { until } from "../mqtt/support/edge.js";
import { connectPacket } from "../mqtt/support/raw-client.js";
import { type HttpHost, startHttpHost } from "../support/http-edge-host.js";
import { ManualClock } from "../support/manual-clock.js";
import { parsedResponse, RawConnection } from "../support/raw-http.js";
import { clientFrame, Opcode } from "../support/websocket-frames.js";
import { closeAll, sendOpening } from "../support/websocket-host.js";
import { binary, startWebSocketMqtt } from "../support/websocket-mqtt.js";

const DRIP_MS = 20;

const drips: NodeJS.Timeout[] = [];
const hosts: HttpHost[] = [];
afterEach(async () => {
  for (const drip of drips.splice(0)) clearInterval(drip);
  await closeAll();
  for (const host of hosts.splice(0)) await host.close();
});

async function impatientHost(): Promise<HttpHost> {
  const host = await startHttpHost({ headersTimeoutMs: 200, requestTimeoutMs: 400 });
  hosts.push(host);
  return host;
}

/** Sends the same bytes now and then until the connection is closed; gives what came. */
function dripped(raw: RawConnection, bytes: string | Uint8Array): Promise<string> {
  drips.push(setInterval(() => raw.send(bytes), DRIP_MS));
  return raw.closed();
}

describe("over HTTP", () => {
  it.each<[string, string, string]>([
    [
      "a WebSocket handshake whose headers never end",
      "GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nX: ",
      "a",
    ],
    [
      "a body, a byte now and then",
      "POST /topics/a/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
      "a",
    ],
    [
      "a body in chunks of one byte without an end",
      "POST /topics/a/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
      "1\r\na\r\n",
    ],
    [
      "the body of a request to a route of fastify's",
      "POST /topics HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n",
      " ",
    ],
  ])("%s is 408, and closed", async (_name, start, drop) => {
    const host = await impatientHost();
    const raw = await RawConnection.open(host.port);
    expect(parsedResponse(await dripped(raw.send(start), drop)).status).toBe(408);
    expect((await fetch(`${host.url}/healthz`)).status).toBe(200);
    expect(host.edge.connectionsOpen).toBeLessThanOrEqual(1);
  });

  it("a connection that is kept alive gets no more time for its next request than a new one", async () => {
    const host = await impatientHost();
    const raw = await RawConnection.open(host.port);
    raw.sendHead("GET /healthz HTTP/1.1", "Host: x");
    await raw.until((text) => text.endsWith('{"status":"ok"}'));
    raw.clear();
    expect(parsedResponse(await dripped(raw.send("GET /healthz HTTP/1.1\r\nX: "), "a")).status).toBe(408);
  });

  it("hundreds of them are gone together, and who comes meanwhile is answered", async () => {
    const host = await impatientHost();
    const strangers = await Promise.all(Array.from({ length: 300 }, () => RawConnection.open(host.port)));
    for (const raw of strangers) raw.send("GET /healthz HTTP/1.1\r\nX: ");
    expect((await fetch(`${host.url}/healthz`)).status).toBe(200);
    const statuses = await Promise.all(
      strangers.map(async (raw) => parsedResponse(await raw.closed()).status),
    );
    expect(new Set(statuses)).toEqual(new Set([408]));
    await until(() => host.edge.connectionsOpen <= 1);
  });
});

describe("on a WebSocket", () => {
  it.each<[string, (step: number) => Uint8Array]>([
    ["silence", () => new Uint8Array(0)],
    ["pings alone", () => clientFrame(Opcode.Ping, "alive")],
    ["empty messages", () => binary(new Uint8Array(0))],
    ["a CONNECT of a byte a message", (step) => binary(connectPacket("slow").subarray(step, step + 1))],
    [
      "fragments of one message",
      (step) => clientFrame(step === 0 ? Opcode.Binary : Opcode.Continuation, "", { fin: false }),
    ],
  ])("%s is no CONNECT: closed when its time is over", async (_name, said) => {
    const clock = new ManualClock();
    const server = await startWebSocketMqtt({ clock });
    const raw = await server.open();
    await until(() => clock.nextTimerMs === limits.connectTimeoutMs);
    for (let step = 0; step < 10; step += 1) {
      raw.send(said(step));
      clock.advance(limits.connectTimeoutMs / 11);
    }
    expect(server.mqtt.metrics.of("refused connect_timeout")).toBe(0);
    clock.advance(limits.connectTimeoutMs / 10);
    expect(server.mqtt.metrics.of("refused connect_timeout")).toBe(1);
    // Nor is it waited for when it does not agree to the end.
    clock.advance(limits.closeLingerMs);
    await raw.closed();
    await server.close();
  });

  it("one that upgrades and is cut off has left the count of connections", async () => {
    const host = await startHttpHost({ serveMqtt: (stream) => stream.on("error", () => undefined) });
    hosts.push(host);
    const raw = await RawConnection.open(host.port);
    sendOpening(raw);
    await raw.until((text) => text.includes(" 101 "));
    expect(host.edge.connectionsOpen).toBe(1);
    raw.close();
    await until(() => host.edge.connectionsOpen === 0);
  });
});
