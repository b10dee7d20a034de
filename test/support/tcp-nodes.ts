/** TCP transports as tests want them: on free ports of 127.0.0.1, with everything that they tell written down. */
import type { PeerIdentity, RefusalCode } from "../../cluster/transport/handshake.js";
import { TcpTransport } from "../../cluster/transport/tcp-transport.js";
import type { PeerFrame } from "../../cluster/transport/transport.js";
import type { TcpTransportOptions } from "../../cluster/transport/transport-options.js";
import { systemClock } from "../../src/runtime/clock.js";
import type { TransportPair } from "../contracts/transport.contract.js";
import { TcpProxy } from "./tcp-proxy.js";

export interface TestPeer {
  readonly transport: TcpTransport;
  readonly received: { readonly from: string; readonly frame: PeerFrame }[];
  readonly unreachable: string[];
  readonly met: PeerIdentity[];
  readonly refused: { readonly peer: string; readonly code: RefusalCode; readonly text: string }[];
  readonly warnings: string[];
}

/** A transport that is not started. */
export function makePeer(id: string, other: Partial<TcpTransportOptions> = {}): TestPeer {
  const peer: Omit<TestPeer, "transport"> = {
    received: [],
    unreachable: [],
    met: [],
    refused: [],
    warnings: [],
  };
  const transport = new TcpTransport({
    id,
    host: "127.0.0.1",
    port: 0,
    advertise: null,
    identity: () => ({ clusterId: "c", tag: `tag-${id}` }),
    secret: new TextEncoder().encode("a secret"),
    admit: () => null,
    onMet: (met) => peer.met.push(met),
    onRefused: (refuser, code, text) => peer.refused.push({ peer: refuser, code, text }),
    ticker: systemClock,
    random: Math.random,
    onWarning: (_facts, text) => peer.warnings.push(text),
    ...other,
  });
  transport.onFrame((from, frame) => peer.received.push({ from, frame }));
  transport.onUnreachable((unreached) => peer.unreachable.push(unreached));
  return { ...peer, transport };
}

/** Where a started transport listens. */
export function addressOf({ transport }: { readonly transport: TcpTransport }): string {
  if (transport.address === null) throw new Error("the transport is not started");
  return transport.address;
}

/** Starts two that know each other; "1" reaches "2" through a proxy. */
export async function startPair(
  one: TestPeer,
  two: TestPeer,
): Promise<{ proxy: TcpProxy; close(): Promise<void> }> {
  await one.transport.start();
  await two.transport.start();
  const proxy = await TcpProxy.to(addressOf(two));
  one.transport.setPeers(new Map([["2", proxy.address]]));
  two.transport.setPeers(new Map([["1", addressOf(one)]]));
  const close = async (): Promise<void> => {
    await Promise.all([one.transport.stop(), two.transport.stop()]);
    await proxy.close();
  };
  return { proxy, close };
}

/** Waits until it holds; at most 10 s. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 25_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("what was awaited did not happen in 10 s");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Some time in which nothing should happen. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** For the contract suite. */
export async function startTcpPair(): Promise<TransportPair> {
  const one = makePeer("1");
  let two = makePeer("2");
  let proxy: TcpProxy | null = null;
  let addresses = new Map<string, string>();
  const start = async (): Promise<void> => {
    await one.transport.start();
    await two.transport.start();
    proxy = await TcpProxy.to(addressOf(two));
    addresses = new Map([
      ["1", addressOf(one)],
      ["2", proxy.address],
    ]);
    one.transport.setPeers(addresses);
    two.transport.setPeers(addresses);
  };
  return {
    one: one.transport,
    two: two.transport,
    start,
    part: () => proxy?.swallow(true),
    stoppedTwo: async () => {
      const port = Number(addressOf(two).split(":")[1]);
      await two.transport.stop();
      two = makePeer("2", { port });
      two.transport.setPeers(addresses);
      return two.transport;
    },
    close: async () => {
      await Promise.all([one.transport.stop(), two.transport.stop()]);
      await proxy?.close();
    },
  };
}
