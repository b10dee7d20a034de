/**
 * Every ceiling, with its reason, in one place. The relations between them are asserted when the module loads.
 * What an operator may change is a flag (config.ts) whose default comes from here.
 */
import { assertInvariant } from "./errors.js";

const KIB = 1024;
const MIB = 1024 * KIB;
const HOUR_MS = 3_600_000;

export const limits = Object.freeze({
  /** A topic name or filter, UTF-8 bytes. MQTT allows 65,535; names are kept in memory and in every record's index. */
  topicBytesMax: 1 * KIB,
  /** Levels of a name or filter: matching walks them one by one. */
  topicLevelsMax: 128,
  /** Topics on the node (`--max-topics`): each costs about half a KiB of memory. Checked when a command is submitted. */
  topicsMax: 200_000,
  /** Topics in the replicated state: decides what a command gives, so it is the same on every node and for ever. */
  topicsInStateMax: 1_000_000,

  /**
   * Stored sessions, their subscriptions and their wills (payload and properties), all in memory on every node. They decide what a command
   * gives, so they are the same everywhere and for ever. A session of ten subscriptions costs about 1.5 KiB.
   */
  sessionsInStateMax: 1_000_000,
  subscriptionsInStateMax: 10_000_000,
  willBytesInStateMax: 256 * MIB,

  /**
   * Shared subscriptions: messages that one member may have unacknowledged before it is passed over. More would keep them from members that
   * are quicker; fewer would let a member wait for its acknowledgements to be committed.
   */
  sharedOutstandingMax: 256,
  /** Messages that a share keeps while none of its members has room: past it the oldest are lost, and counted. */
  sharedBacklogMax: 100_000,
  /** The same of all shares together, in memory on every node: what members have, and what waits. About 100 and 70 bytes each. */
  sharedHeldInStateMax: 1_000_000,
  sharedWaitingInStateMax: 1_000_000,

  /** One payload (`--max-payload-bytes`): it is held in memory from the socket to the slowest live subscriber. */
  payloadBytesMax: 1 * MIB,
  contentTypeBytesMax: 256,
  /** MQTT 5 properties that one message carries on: they are kept and copied with it, and a payload they are not. */
  messagePropertiesBytesMax: 64 * KIB,
  idempotencyKeyBytesMax: 255,
  /** Idempotency keys remembered: past it the oldest are forgotten first. */
  idempotencyKeysMax: 100_000,
  idempotencyAgeMs: 24 * HOUR_MS,

  /** Messages in one NDJSON publish: they are committed as one entry. */
  batchMessagesMax: 10_000,
  /** Body of one NDJSON publish. */
  batchBytesMax: 8 * MIB,

  /** Commands gathered into one log entry before another is begun: 64 to 256 KiB a commit is where the disk is best. */
  proposalBytesTarget: 256 * KIB,
  /** Entries proposed and not yet applied: one being written, one being filled. */
  proposalsInFlightMax: 4,
  /** Bytes submitted and not yet committed on this node: past it publishers are slowed, then refused. */
  submitBytesMax: 32 * MIB,
  submitCommandsMax: 100_000,
  /** How long a caller waits for its command to be applied: several elections fit in. */
  submitPatienceMs: 10_000,
  /** How long there may be no leader before commands are refused at once and readiness says so: an election fits in. */
  leaderlessMsMax: 2_000,

  /** A node from which nothing came for a second, and then for so long, is gone: its clients count as lost. */
  nodeGoneAfterMs: 1_000,

  /** Retained messages in all, in memory. */
  retainedMessagesMax: 200_000,
  retainedBytesMax: 128 * MIB,

  /** A topic broker's queue: flushed at once when it is this long. */
  flushBytesMax: 256 * KIB,
  flushMessagesMax: 4_096,
  /** The longest that a message waits for a fuller flush under load. */
  flushDelayMsMax: 50,
  /** Encoded batches kept for subscribers that are only a little behind, all brokers together. */
  recentBatchBytesMax: 32 * MIB,
  /** Bytes that may wait in one subscriber's socket before it counts as slow and reads from the store instead. */
  subscriberBufferBytesMax: 256 * KIB,
  /** One page of a catching-up subscriber. */
  catchUpPageBytesMax: 256 * KIB,
  catchUpPageMessagesMax: 2_000,

  /** Messages kept in memory behind the head, so that readers near it never touch the disk. */
  recentMessageBytesMax: 16 * MIB,

  /** Connections by edge (`--max-connections`). */
  connectionsMax: 20_000,
  /** Connections that the operating system may queue while the event loop is busy: those beyond it try again after a second. */
  acceptBacklog: 4_096,
  /** Topic filters of one connection. */
  subscriptionsPerConnectionMax: 1_000,
  /** Filters in one GET /stream. */
  streamFiltersMax: 64,
  /** History page. */
  historyLimitMax: 1_000,
  historyLimitDefault: 100,
  historyBytesMax: 8 * MIB,
  listLimitMax: 1_000,
  listLimitDefault: 100,

  /**
   * MQTT: the largest packet is a payload with its topic, properties and header. CONNECT is smaller: nobody is known before it. So is
   * what has no payload: acknowledgements, DISCONNECT, AUTH.
   */
  connectPacketBytesMax: 64 * KIB,
  /** MQTT and HTTP: how long a stranger may take to say what it wants. */
  connectTimeoutMs: 5_000,
  /** QoS 1 and 2 messages sent to one connection and not yet acknowledged. */
  inflightMax: 1_024,
  /**
   * Messages that a kept session was sent above the oldest that it has not acknowledged, or that are acknowledged and not committed: one lost
   * acknowledgement must not make its state grow without bound.
   */
  unsettledMax: 4_096,
  /** Messages of shares at QoS 0 that wait for one member to take them: it has nothing to slow the publishers with. */
  sharedWaitingMax: 4_096,
  /** What clients acknowledged is committed this often, gathered; the cursors of sessions that nothing is sent to this seldom. */
  progressPeriodMs: 50,
  cursorPeriodMs: 10_000,
  /**
   * QoS 2 packet identifiers of one kept session that its client has not released. They are part of the replicated state; a client that
   * answers PUBREC with PUBREL has as many as it publishes at a time.
   */
  unreleasedMax: 4_096,
  /** MQTT 5: topics of one connection that have an alias towards it. */
  topicAliasesOutMax: 1_024,
  /** QoS 1 publishes of one connection waiting for commit: past it its socket is not read. */
  publishesInFlightMax: 1_024,
  publishBytesInFlightMax: 4 * MIB,
  /**
   * MQTT: Receive Maximum of the server, QoS 1 and 2 publishes without their last answer. Clients of 5.0 keep to it; those of 3.1.1 have
   * as many as there are packet identifiers. What a session that is kept has of QoS 2 is replicated.
   */
  receiveMax: 1_024,
  /** MQTT 5: topic aliases of one connection: each may keep a topic's name. */
  topicAliasesMax: 64,
  /** MQTT: SUBSCRIBEs and UNSUBSCRIBEs of one connection waiting for commit: past it the connection is not read. */
  subscribesInFlightMax: 32,
  /** MQTT: a client id is a map key and a log field. The standard asks for 23 at least (MQTT-3.1.3-5). */
  clientIdBytesMax: 256,
  /** MQTT: sockets beyond `connectionsMax` that may wait for a CONNECT, to be told why they are refused. */
  handshakesMax: 1_024,
  /** MQTT: acknowledgements and answers that a client left unread: past it its socket is not read either. */
  replyBytesMax: 64 * KIB,
  /** MQTT: SUBSCRIBE and UNSUBSCRIBE take one pass of the codec over every filter. */
  subscribePacketBytesMax: 256 * KIB,
  /** MQTT: how long a closed connection may take to read its last bytes. */
  closeLingerMs: 1_000,

  /**
   * One WebSocket message: it is gathered before any of it is read. Browsers' clients put all that they have to say into one, so it is some
   * times the largest packet; it is never less than that (`--max-payload-bytes`).
   */
  webSocketMessageBytesMax: 4 * MIB,

  /** HTTP request headers (Node's default, said aloud) and bodies of management requests. */
  headerBytesMax: 16 * KIB,
  managementBodyBytesMax: 64 * KIB,
  /** HTTP: user properties in the headers of one publish. */
  userPropertiesMax: 256,
  /** HTTP: properties of a message in the headers of an answer: more would not get through most clients and proxies. */
  propertyHeaderBytesMax: 4 * KIB,
  /** HTTP publish bodies that have begun and are not complete, all connections together: slow senders must not fill the memory. */
  httpBodyBytesUnderWayMax: 64 * MIB,
  /** HTTP answers that are more than small and that nobody has read yet, all connections together. */
  httpAnswerBytesMax: 64 * MIB,
  /** HTTP requests of one connection behind the one that is being answered, and those of all connections that have not begun. */
  httpPipelinedMax: 1_024,
  httpPipelinedHeldMax: 8_192,
  /** SSE: a comment this often keeps proxies awake; `retry:` tells browsers how long to wait before reconnecting. */
  sseCommentPeriodMs: 15_000,
  sseRetryMs: 1_000,

  /** Payload bytes of one append to a peer; in flight to it are at most this many of them. */
  raftMessageBytesMax: 1 * MIB,
  raftInflightMessagesMax: 16,
  /** Snapshots on their way to peers, all together: the rest of disk, network and processor belongs to publishers. */
  snapshotBytesPerSecondMax: 64 * MIB,
  /** Payload bytes applied in one round of the Ready loop. */
  raftApplyBytesMax: 16 * MIB,

  /** Raft log segments and message segments: one is the step of retention and of compaction. */
  logSegmentBytes: 64 * MIB,
  messageSegmentBytes: 64 * MIB,
  /** A snapshot is taken when the log has grown this much since the last. */
  snapshotLogBytes: 128 * MIB,
  /** Applied state is made durable by itself this often, so that a restart replays little. */
  checkpointPeriodMs: 500,

  /** Default retention: a day, and 1 GiB on the node. */
  retentionAgeMs: 24 * HOUR_MS,
  retentionBytes: 1024 * MIB,
  retentionPeriodMs: 10_000,

  /** What kept sessions that are behind may hold back from retention, beyond `retentionBytes`. */
  sessionBacklogBytes: 1024 * MIB,
  /** `$SYS` topics are published this often, as mosquitto does. */
  sysIntervalMs: 10_000,

  /** How long the end waits for the group to know that this node's clients are gone: an election fits in. */
  sessionsCloseMs: 3_000,
  /** From SIGTERM to exit. */
  shutdownMs: 10_000,
});

assertInvariant(limits.topicsMax <= limits.topicsInStateMax, "what a node takes, the state must take");
assertInvariant(limits.payloadBytesMax <= limits.batchBytesMax, "one payload must fit into a batch");
assertInvariant(limits.batchBytesMax < limits.logSegmentBytes / 2, "a batch must fit into a log segment");
assertInvariant(
  limits.batchBytesMax < limits.messageSegmentBytes / 2,
  "a batch must fit into a message segment",
);
assertInvariant(
  limits.historyBytesMax < limits.httpAnswerBytesMax / 2,
  "a page must fit into the answers that stand",
);
assertInvariant(
  limits.batchBytesMax < limits.submitBytesMax,
  "a batch must fit into what may wait for commit",
);
assertInvariant(
  limits.flushBytesMax <= limits.recentBatchBytesMax,
  "a flush must fit into the recent batches",
);
assertInvariant(limits.inflightMax < limits.unsettledMax, "a window must fit into what may be unsettled");
assertInvariant(
  limits.publishesInFlightMax < limits.unreleasedMax,
  "whoever stays within the window of his publishes can release them all",
);
assertInvariant(limits.unsettledMax < 65_535 / 2, "packet identifiers are 16 bits (MQTT 3.1.1, 2.3.1)");
assertInvariant(
  limits.publishesInFlightMax <= limits.receiveMax,
  "a client of QoS 1 is slowed before it has passed Receive Maximum",
);
assertInvariant(limits.retentionBytes > 2 * limits.messageSegmentBytes, "retention drops whole segments");
