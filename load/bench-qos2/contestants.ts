/** Who is measured: three nodes of ours, and mosquitto, which has but one. */

import { mosquitto } from "../bench/contestants.js";
import { at, NODES, ServerGroup } from "../bench-cluster/contestant.js";
import { leaderOf, startThree } from "../bench-cluster/jangada.js";
import type { Address } from "../lib/server.js";

export interface Ends {
  readonly publisher: Address;
  readonly subscriber: Address;
  stop(): Promise<void>;
}

export interface Qos2Contestant {
  readonly name: string;
  readonly isOurs: boolean;
  /** Why it cannot be measured here; null when it can. */
  readonly missing: string | null;
  start(): Promise<Ends>;
}

/** The publisher on one node that does not lead, the subscriber on the other: every message crosses all three. */
async function startOurs(): Promise<Ends> {
  const group = new ServerGroup("bench-qos2");
  try {
    const servers = await startThree(group);
    const leader = await leaderOf(servers);
    return {
      publisher: at(servers, (leader + 1) % NODES).mqtt,
      subscriber: at(servers, (leader + 2) % NODES).mqtt,
      stop: () => group.stop(),
    };
  } catch (error) {
    await group.stop();
    throw error;
  }
}

export function qos2Contestants(): readonly Qos2Contestant[] {
  // Not pinned to a core: ours are not either.
  const peer = mosquitto({ pinned: false });
  return [
    { name: "jangada, three nodes", isOurs: true, missing: null, start: startOurs },
    {
      name: "mosquitto, one node",
      isOurs: false,
      missing: peer.missing,
      async start() {
        const { mqtt, stop } = await peer.start();
        if (mqtt === null) throw new Error("does not speak MQTT");
        return { publisher: mqtt, subscriber: mqtt, stop };
      },
    },
  ];
}
