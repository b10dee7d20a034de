/** The proxy between peers: it passes everything on, holds back exactly what a cut forbids, and gives it up afterwards. */
import { connect, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { delay, waitUntil } from "../../load/lib/support.js";
import type { Cut, Place } from "../../load/lib/terrain.js";
import { ProxyTerrain } from "./proxy-terrain.js";

const WAIT_MS = 5_000;
const QUIET_MS = 50;

/** Node 2 answers each byte with "!"; node 1 dials it. */
describe("ProxyTerrain", () => {
  const terrain = new ProxyTerrain("/nowhere");
  const heard = { byOne: "", byTwo: "" };
  let dialer: Socket;
  let place: Place;
  const listener = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      heard.byTwo += bytes.toString();
      socket.write("!".repeat(bytes.length));
    });
  });

  beforeEach(async () => {
    heard.byOne = "";
    heard.byTwo = "";
    place ??= await terrain.place(2);
    if (!listener.listening) {
      await new Promise<void>((resolve) => listener.listen(place.peer.port, place.peer.host, resolve));
    }
    dialer = connect(place.advertised);
    dialer.on("data", (bytes) => {
      heard.byOne += bytes.toString();
    });
    dialer.write('{"id":"1"}');
    await waitUntil(() => heard.byOne.length === 10, WAIT_MS, 1);
  });

  afterEach(async () => {
    dialer.destroy();
    await terrain.heal();
  });

  it("passes bytes in both directions", () => {
    expect(heard).toEqual({ byOne: "!".repeat(10), byTwo: '{"id":"1"}' });
  });

  const cuts: readonly (readonly [number, Cut, "none" | "all"])[] = [
    [1, "both", "none"],
    [1, "speaking", "none"],
    [1, "hearing", "all"],
    [2, "both", "none"],
    [2, "hearing", "none"],
    [2, "speaking", "all"],
    [3, "both", "all"],
  ];
  it.each(cuts)(
    "node %i cut off %s: node 2 hears %s of it, and everything afterwards",
    async (id, cut, what) => {
      await terrain.cut(id, cut);
      dialer.write("more");
      if (what === "all") expect(await waitUntil(() => heard.byTwo.endsWith("more"), WAIT_MS, 1)).toBe(true);
      await delay(QUIET_MS);
      expect(heard.byTwo.endsWith("more")).toBe(what === "all");
      expect(heard.byOne.length === 14).toBe(id === 3);
      await terrain.heal();
      expect(await waitUntil(() => heard.byOne.length === 14, WAIT_MS, 1)).toBe(true);
      expect(heard.byTwo).toBe('{"id":"1"}more');
    },
  );

  it("ends", async () => {
    const closed = new Promise((resolve) => dialer.once("close", resolve));
    await terrain.close();
    await closed;
    listener.close();
  });
});
