/**
 * This node among its peers: the transport that reaches them, and what the node says of itself when it starts. A node without a peer
 * port is a group of one and reaches nobody.
 */
import { createHash } from "node:crypto";
import type { Origin } from "../cluster/node-options.js";
import type { PeerIdentity, RefusalCode } from "../cluster/transport/handshake.js";
import { MemoryNetwork } from "../cluster/transport/memory-transport.js";
import { TcpTransport } from "../cluster/transport/tcp-transport.js";
import type { Transport } from "../cluster/transport/transport.js";
import { EMPTY_CONF_STATE, type Member, type NodeId } from "../cluster/types.js";
import type { JoinTicket, NewMember } from "./cluster-control.js";
import { joinPeer, peerSettings } from "./config/peer-address.js";
import { readClusterSecret } from "./config/secret-file.js";
import type { ServeConfig } from "./config.js";
import { FatalError } from "./errors.js";
import { joinCluster } from "./join.js";
import type { DataDirectory } from "./replica/data-directory.js";
import { systemClock } from "./runtime/clock.js";
import type { Logger } from "./runtime/logger.js";
import { systemRandom } from "./runtime/random.js";

/** What the membership decides about peers; the Raft node, as the transport sees it. */
export interface Doorkeeper {
  readonly clusterId: () => string;
  readonly refusalOf: (peer: PeerIdentity) => RefusalCode | null;
  readonly meet: (peer: PeerIdentity) => void;
  /** A peer turned this node away, and why. */
  readonly refused: (peer: NodeId, code: RefusalCode, text: string) => void;
}

export interface PeerSide {
  readonly transport: Transport;
  /** `host:port` that is listened on; `null` without a peer port, and before the transport is started. */
  readonly address: () => string | null;
  /** The address is not known before the transport listens. */
  readonly mustListenFirst: boolean;
  /** Joins if that is what the node was told. After `start` of the transport where `mustListenFirst`. */
  origin(): Promise<Origin>;
}

export function createPeerSide(
  config: ServeConfig,
  directory: DataDirectory,
  logger: Logger,
  doorkeeper: Doorkeeper,
): PeerSide {
  const settings = peerSettings(config);
  if (settings === null) {
    return {
      transport: new MemoryNetwork().join(config.nodeId),
      address: () => null,
      mustListenFirst: false,
      origin: async () =>
        directory.ticket === null ? lone(config.nodeId, directory.tag, "") : joined("", directory.ticket),
    };
  }
  const secret = config.clusterSecretFile === null ? null : readClusterSecret(config.clusterSecretFile);
  const transport = new TcpTransport({
    id: config.nodeId,
    host: settings.host,
    port: settings.port,
    advertise: settings.advertise,
    identity: () => ({ clusterId: doorkeeper.clusterId(), tag: directory.tag }),
    secret: secret?.bytes ?? new Uint8Array(0),
    admit: doorkeeper.refusalOf,
    onMet: doorkeeper.meet,
    onRefused: doorkeeper.refused,
    ticker: systemClock,
    random: systemRandom.unit,
    onWarning: (facts, text) => logger.warn(facts, text),
  });
  const told = settings.port === 0 ? null : joinPeer(settings);
  const peer = (): string => settings.advertise ?? transport.address ?? told ?? "";
  return {
    transport,
    address: () => transport.address,
    mustListenFirst: settings.advertise === null && settings.port === 0,
    origin: () => originOf(config, directory, logger, peer()),
  };
}

/** Once in the life of a directory: what the membership is later stands in the log. */
async function join(
  url: string,
  member: NewMember,
  directory: DataDirectory,
  logger: Logger,
): Promise<JoinTicket> {
  if (directory.hasLog) {
    throw new FatalError(
      "join_refused",
      `${directory.root} holds the data of another group: join with an empty --data-dir, or start without --join`,
    );
  }
  const ticket = await joinCluster(url, member, logger);
  await directory.keepTicket(ticket);
  return ticket;
}

async function originOf(
  config: ServeConfig,
  directory: DataDirectory,
  logger: Logger,
  peer: string,
): Promise<Origin> {
  const { nodeId, initialCluster, joinUrl, isLearner } = config;
  // A directory that joined belongs where it joined, whatever is said now: with its log still empty it would found another group.
  if (directory.ticket !== null) return joined(peer, directory.ticket);
  if (joinUrl !== null) {
    const member = { id: nodeId, peer, tag: directory.tag, wantsVote: !isLearner };
    return joined(peer, await join(joinUrl, member, directory, logger));
  }
  if (initialCluster.length === 0) return lone(nodeId, directory.tag, peer);
  const members: Record<NodeId, Member> = {};
  // Tags are written down when the members have met: all begin from the very same entry.
  for (const founder of initialCluster)
    members[founder.id] = { peer: founder.peer, tag: "", wantsVote: true };
  const ids = Object.keys(members).sort();
  const clusterId = clusterIdOf(ids.map((id) => `${id}=${members[id]?.peer}`).join(","));
  const roster = { clusterId, members, removed: [] };
  return { peer, founding: { ...EMPTY_CONF_STATE, voters: ids, roster }, contacts: new Map() };
}

/** A group that is there already. */
function joined(peer: string, { members }: JoinTicket): Origin {
  return { peer, founding: null, contacts: new Map(members.map(({ id, peer: address }) => [id, address])) };
}

/** A group of one begins; it can grow if it has a peer port. */
function lone(id: NodeId, tag: string, peer: string): Origin {
  const roster = {
    clusterId: clusterIdOf(`${id}#${tag}`),
    members: { [id]: { peer, tag, wantsVote: true } },
    removed: [],
  };
  return { peer, founding: { ...EMPTY_CONF_STATE, voters: [id], roster }, contacts: new Map() };
}

function clusterIdOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
