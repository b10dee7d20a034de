/** Bugs of the product that were found on the way: what, who would have been hurt, the seed, test or corpus that is kept, and where it was fixed. */

export interface Bug {
  readonly what: string;
  readonly whom: string;
  readonly kept: string;
  readonly fixed: string;
}

export const BUGS: readonly Bug[] = [
  {
    what: "One node's wall clock an hour ahead moved the log's time: kept sessions, will delays and idempotency keys ran out an hour early on every node, messages were trimmed early there, and after the clock was set back nothing was due for an hour",
    whom: "everybody with a kept session or an idempotency key, after one wrong NTP step or resume",
    kept: "the rule LogTimeRule of the simulator (seeds 12 and 20 of `--nodes 3` with wall-clock stamps), table and property tests: test/unit/commands/log-clock.test.ts",
    fixed: "src/commands/log-clock.ts, src/replica/timekeeper.ts, cluster/wall-clocks.ts",
  },
  {
    what: "A node under a small limit of open files (ulimit -n 120) ended at its start with EMFILE: all modules' files were opened at once",
    whom: "operators of small devices and containers",
    kept: "test/cli/descriptors.test.ts",
    fixed: "src/cli/serve.ts",
  },
  {
    what: "(found before merge) The clock of suspensions threw when no descriptor was left to ask the system for its uptime",
    whom: "a node that clients keep out of descriptors",
    kept: "test/cli/descriptors.test.ts",
    fixed: "src/runtime/clock.ts",
  },
  {
    what: "The name of `messages/` was not synced when the store made it: after a power loss the directory could be gone though everything in it was synced, and the node refused to start (`store_corrupt`)",
    whom: "whoever restores a node from its snapshot or log with an empty store and loses power later",
    kept: "simulator with the stores of production, seed 17 of 5 nodes at that time; kept: test/unit/store/segment-store.power-loss.test.ts",
    fixed: "src/store/segment-store.ts",
  },
  {
    what: "An old entry of the log that cannot be read (EIO in the middle of a step, or at a start) came out as the system's bare error: the node stopped without its stable code `disk_failed`",
    whom: "whoever has to find out why a node stopped, and tools that act on codes",
    kept: "simulator with disk faults, seed 1 of 3 nodes; kept: test/unit/cluster/log/disk-faults.test.ts",
    fixed: "cluster/log/segment-log.ts",
  },
  {
    what: "A record or segment header of the log whose numbers are no whole numbers (or a header length that is no multiple of 8) was taken, where its checksum was right: the log opened and then named entries that it could not read back, or grew to other contents when it was written to",
    whom: "a node over a log that a faulty program or an editor wrote; random damage is caught by the checksums",
    kept: "fuzzing, forged checksums (test/fuzz/corpus/raft-log.found.txt)",
    fixed: "cluster/log/segment-header.ts, cluster/log/record.ts",
  },
  {
    what: "A message block with positions outside of its group, or no whole numbers, was taken, where its checksum was right: a reader could be sent round without end, holding up the node",
    whom: "readers of a segment that a faulty program wrote, or that came in a snapshot from such a node",
    kept: "fuzzing, forged checksums (test/fuzz/corpus/message-segments.found.txt)",
    fixed: "src/store/block.ts, src/store/segment-walk.ts",
  },
  {
    what: "A node.json that lost its tag was taken for one of the first format and silently got a new tag; an incarnation at the largest number could not grow any more, so two lives had the same; a damaged ticket was believed",
    whom: "an operator who restored or edited node.json: the node would be turned away as wiped, or its proposals taken for those of the life before",
    kept: "reading for the fuzzer's rules (test/unit/replica/data-directory.test.ts)",
    fixed: "src/replica/node-identity.ts",
  },
  {
    what: "One flipped bit in node.json, which had no checksum, was told as a newer release, as another node's directory or as a wiped disk; or it was believed: a lower incarnation, a log that was never begun",
    whom: "an operator with a bad disk, who would look for a newer release or another directory; with the incarnation, a node whose proposals come to nothing",
    kept: "corruption, which took such codes for clear ones; kept: test/unit/replica/node-identity.test.ts",
    fixed: "src/replica/node-identity.ts (a file without a checksum is read as before)",
  },
  {
    what: "Eight bytes of a frame's header made a node set aside up to 64 MiB for a body of which nothing had come",
    whom: "the memory of a node, from any proven peer (without a cluster secret: anybody at the peer port)",
    kept: "fuzzing: room taken at once against bytes that came (test/fuzz/corpus/peer-frames.txt, rule in test/fuzz/target.ts)",
    fixed: "cluster/transport/frame-codec.ts",
  },
  {
    what: "Damage to the last frame of the log could not be told from a write that never finished: the node cut in silence an entry (or a vote) that it had acknowledged, and another loss could lose it to the group",
    whom: "anyone with a flipped bit at the end of one node's log",
    kept: "known hole of the format; kept: test/unit/cluster/log/end-mark.test.ts",
    fixed:
      "cluster/log/end-mark.ts, segment-log.ts, recovery.ts (the end is written down behind the appends; a log without the mark is read as before)",
  },
  {
    what: 'A call of a peer that adds, promotes or removes a member was proposed with whatever stood in place of the id ("", "0", "constructor"): such a change would stand in the log for every node to apply',
    whom: "the whole group, from one faulty peer (without a cluster secret: from anybody at the peer port)",
    kept: "fuzzing (test/fuzz/corpus/peer-calls.found.txt)",
    fixed: "cluster/member-changes.ts, cluster/types.ts",
  },
  {
    what: "A log whose opening failed closed its segments' descriptors, and closed them once more with the node: by then the numbers may be another file's of the process, which was closed in its stead",
    whom: "whoever embeds a node and starts it again in the same process; a start that fails while others go on",
    kept: "every disk call failing once; kept: test/disk-calls/disk-calls.test.ts",
    fixed: "cluster/log/segment-log.ts",
  },
  {
    what: "A clean stop whose last checkpoint met a failing disk left the log open and the directory locked",
    whom: "the same",
    kept: "test/disk-calls/disk-calls.test.ts",
    fixed: "src/node.ts",
  },
  {
    what: "Messages that were damaged on a node's disk before their first snapshot went into it with a checksum that fitted the damage: a member that was sent that snapshot stopped with `store_corrupt` (or answered reads with errors), so damage on one node became damage on two",
    whom: "a group with one bad disk that gets a new member",
    kept: "simulator with damage on a minority, seeds 42 and 61 of 3 nodes on files; kept: test/unit/store/file-check.test.ts",
    fixed:
      "src/store/file-check.ts, src/replica/replica.ts (what is new is read before it goes into a snapshot)",
  },
  {
    what: "The directory of node.json stayed open after a sync that failed, until garbage collection closed it",
    whom: "nobody yet: a descriptor less",
    kept: "warnings of the sweep: test/disk-calls/disk-calls.test.ts",
    fixed: "src/replica/data-directory.ts",
  },
  {
    what: "The names `groups/` and `0/` of a new data directory were never synced: strictly, a power loss may take them with everything that was synced below",
    whom: "a new node that loses power soon on a file system that keeps POSIX to the letter (ext4, XFS in practice do not)",
    kept: "by the rule that the simulator's file system keeps, then by reading; no test of its own; a real power loss would show it: load/faults/power-loss.ts",
    fixed: "src/replica/data-directory.ts",
  },
  {
    what: "A removed node that is started again went on applying what its log had beyond its removal before it stopped",
    whom: "nobody: what it applied was committed",
    kept: 'simulator, `--seed 72 --nodes 3 --short`, and seed 13 of 3 nodes on files (rule "goes on with entry")',
    fixed: "cluster/node.ts, cluster/ready-loop.ts",
  },
  {
    what: "A Raft frame with a change of membership that is no JSON went through the codec; the core could not read it, and an uncoded error stopped the node",
    whom: "every node that a faulty peer (without a cluster secret: anybody at the peer port) sends one frame",
    kept: "reading for the fuzzer's rules (test/unit/cluster/message-codec.test.ts; rule in test/fuzz/targets/peer-frames.ts)",
    fixed: "cluster/change-data.ts, cluster/transport/message-codec.ts",
  },
  {
    what: "A damaged row in the index of a closed message segment (its checksum covers only the first part) was met by every reader of that topic for ever: reads answered 500 until somebody removed the file",
    whom: "readers of old messages on a node with one flipped bit in an index",
    kept: "corruption campaign, index of messages; kept: test/unit/store/segment-store.restart.test.ts",
    fixed:
      "src/store/recovery.ts (rows are checked at the start, and a damaged index is made again from its segment)",
  },
  {
    what: "A node that joins ended in silence (exit code 13, no line) when the member it asked closed the connection as soon as it had accepted it: Node's fetch then waits without keeping the process alive; so did every client command",
    whom: "whoever adds a node while a member stops or has no room for connections; scripts around `jangada pub` and the others",
    kept: "corruption campaign (a replacement did not start); kept: test/cli/closed-connection.test.ts",
    fixed: "src/runtime/held-fetch.ts, src/join.ts, src/cli/http.ts",
  },
  {
    what: "A JSON body that is not UTF-8 was read with U+FFFD in the place of its bad bytes: a topic of another name than the client gave was made, the same one for different names",
    whom: "whoever makes topics over HTTP from bytes in another encoding",
    kept: "test/bad-input/json-bodies.test.ts",
    fixed: "src/edges/http/topics.ts",
  },
  {
    what: "A page of the lmdb file that was zeroed, lost, or an old one in its place changed the state in silence (22% of zeroed sectors, 45% of swapped pages: sessions, topics or retained messages were gone or old, each value sound in itself), and what could not be read came out without its stable code",
    whom: "whoever's disk loses or misdirects one write: that node alone has another state than its group, and gives it on in snapshots",
    kept: "damaging every kind of page of a data file, 600 times; kept: test/unit/store/lmdb-state-store.test.ts",
    fixed: "src/store/state-sum.ts, src/store/lmdb-state-store.ts",
  },
  {
    what: '(simulator) "member removed" counted every time that a removal was asked for (216 in one seed), not removals',
    whom: "whoever read the figures",
    kept: "reading seed 56 of 5 nodes",
    fixed: "test/sim/membership-nemesis.ts",
  },
  {
    what: "A damaged page of the lmdb file brought the process down by a signal, at its start or later at a write, without a line that says why (5 of 150 flipped bits, 12% of those in headers of pages)",
    whom: "whoever has to find out why a node is gone",
    kept: "damaging every kind of page of a data file, 600 times; corruption campaign (state (lmdb): pages swapped, seed 21); kept: test/unit/store/lmdb-state-store.test.ts",
    fixed: "src/store/lmdb-tree.ts, src/store/lmdb-file.ts (the tree is gone through before LMDB meets it)",
  },
  {
    what: "A leader appended whatever bytes a peer handed it for the log, also by a Raft message of a kind that no peer sends: ones that cannot be read stopped every node, at each of its starts",
    whom: "everybody, for good, once a faulty or newer peer (or a stranger at the peer port of a group without a secret) had sent one such frame",
    kept: "test/bad-input/proposals.test.ts, test/unit/cluster/message-codec.test.ts",
    fixed:
      "cluster/proposals.ts, cluster/state-machine.ts, src/replica/replica.ts, cluster/transport/message-codec.ts",
  },
  {
    what: "A leader whose own snapshot was damaged offered it on and on, and knew nothing of it: whoever needed one did not catch up until the next was due",
    whom: "a group with a member that was away or new, while little is written: one more loss and it stands still",
    kept: "test/unit/cluster/rejoining.test.ts, test/unit/cluster/snapshot-keeper.test.ts, test/unit/cluster/snapshot-sender.test.ts",
    fixed: "cluster/snapshot-sender.ts, cluster/snapshot-keeper.ts, cluster/snapshot-receiver.ts",
  },
  {
    what: "Retention by the bytes of all topics dropped a message that came while it found out what would go: who needs it had not been asked about it",
    whom: "a kept session that was away: an acknowledged message of QoS 1 or 2 was lost to it, where little is retained",
    kept: "seed 301789 of 5 nodes (at f75627d), test/contracts/message-store.holds.contract.ts",
    fixed: "src/store/segment-store.ts",
  },
  {
    what: "A member whose disk had no room for a snapshot since the newest voter was added said nothing to that one, no vote either: two that need each other's votes elected nobody",
    whom: "a group of four after one more loss: no leader, for minutes",
    kept: "seed 300090 of 3 nodes (at f75627d), test/unit/cluster/group.test.ts",
    fixed: "cluster/newcomers.ts",
  },
  {
    what: "A list of trimmed topics or an index of messages with a fitting checksum and counts that lie was believed: 64 GiB asked for, or an error that names nothing",
    whom: "nobody by chance, as the checksum keeps damage out: whoever can write into the data directory",
    kept: "test/unit/store/trims.test.ts, test/fuzz/corpus/store-sidecars.found.txt",
    fixed: "src/store/trims.ts, src/store/sidecar.ts, src/store/sealed-index.ts",
  },
  {
    what: "A flipped bit in the version of a message segment's header passed for a newer format: the checksum was looked at only after it",
    whom: "whoever runs the node: told to run a newer program where the disk is damaged",
    kept: "test/unit/store/segment-store.restart.test.ts",
    fixed: "src/store/segment-format.ts",
  },
  {
    what: "A node that had lost its state, and had been sent a snapshot from beyond its log, restored the state before the log began anew behind it: a crash between the two left a state without its log",
    whom: "whoever runs the node: it did not start again (log_corrupt), or took entries of its log for committed that never were, where the log was longer",
    kept: "seed 20 of 3 nodes with a loop made slow, test/unit/cluster/restart.test.ts",
    fixed: "cluster/restart.ts",
  },
  {
    what: "A member of a share whose node caught up by a peer's snapshot was not sent what it had been given within it: such messages lay with it until it connected again. And whoever was disconnected within it, as its node was thought dead, heard that another connection had taken over, whereupon many clients do not come back",
    whom: "clients of a node that was cut off or slow for long: messages late, not lost; clients that stay away",
    kept: "short seed 1282 of 3 nodes (at 26803f8), test/unit/replica/session-events.test.ts",
    fixed: "src/replica/session-events.ts",
  },
  {
    what: "A start after a crash removed the older snapshot, or messages that a newer list of trims or a snapshot's files took the place of, before the name of what replaced them was on the disk: a power loss within the start could bring the old name back without what it stood for",
    whom: "whoever runs a node on a file system that does not keep the order of names (on ext4 and XFS a journal does): it did not start again (snapshot_corrupt, store_corrupt)",
    kept: "short seed 1852 of 5 nodes with publishers alone on slow disks (at c455d2d), test/unit/cluster/log/snapshot-faults.test.ts, test/unit/store/two-crashes.test.ts",
    fixed: "cluster/log/file-snapshot-store.ts, src/store/replacement.ts, src/store/segment-store.ts",
  },
  {
    what: "A topic that was made, or deleted, within a peer's snapshot in which nothing was published went unnoticed by subscribers of the node that took it: who was behind read past the first messages of the new one, and the stream of one that was deleted did not end",
    whom: "subscribers by wildcard that were slow on a node that had been cut off: messages lost to them",
    kept: "test/unit/topics/catch-up.test.ts",
    fixed: "src/topics/registry.ts",
  },
  {
    what: "That a member was taken out was committed, told and answered while no other disk had the commit: where all started again, and one more member was gone for good, they counted with the one that was out. Of two, the one that stays waited for the other's vote for ever",
    whom: "a group in which a member was removed just before a power cut: no leader any more",
    kept: "seeds 516200 of 3 nodes, 516047 and 516363 of groups that grow from one (at c0b2e31), test/unit/cluster/removal.test.ts",
    fixed: "cluster/ready-loop.ts, cluster/member-changes.ts",
  },
  {
    what: "A flipped bit in the small state's file had LMDB believe that its pages are enciphered, of another layout, of another transaction or one that is under way: the process died of it (SIGSEGV, SIGABRT)",
    whom: "whoever runs the node: it ends at every start without a word, where it should say that the disk damaged its state",
    kept: "test/unit/store/lmdb-state-store.test.ts, test/fuzz/corpus/state-store.found.txt",
    fixed: "src/store/lmdb-file.ts, src/store/lmdb-tree.ts, src/store/lmdb-pages.ts",
  },
  {
    what: "The log's time, which runs a twentieth faster to come up to what a majority's clocks say, ran past that where the node stood still for more than twenty seconds",
    whom: "nobody that would notice: wills and ends of sessions some milliseconds early",
    kept: "test/unit/commands/log-clock.test.ts",
    fixed: "src/commands/log-clock.ts",
  },
  {
    what: "A flipped bit in the small state's list of free pages had LMDB write over a page that is in use, or beyond the file",
    whom: "whoever runs the node: what a sound commit wrote over was missed at the next start, or the process died of it",
    kept: "test/unit/store/lmdb-state-store.test.ts, test/unit/store/lmdb-pages.test.ts",
    fixed: "src/store/lmdb-pages.ts, src/store/lmdb-file.ts",
  },
  {
    what: "The log that a newcomer needs behind its snapshot was cut away when more was logged during the transfer than eight times what is between two snapshots, however large the snapshot: it was sent another one, and so on",
    whom: "a group that retains and logs much: a new member, or one that was away, never caught up while publishers went on",
    kept: "test/unit/cluster/snapshot-keeper.test.ts, npm run test:faults -- --only newcomer",
    fixed: "cluster/snapshot-keeper.ts",
  },
  {
    what: "What a leader answered was believed: an index that is none let a read go on at once, from before the question, and a node that is none was given out as the new leader; what asked to be let in with an address that is no text was written down as `[object Object]`",
    whom: "nobody among sound nodes of one release: who reads by way of a leader that is none of ours",
    kept: "test/unit/cluster/reads.test.ts, test/unit/cluster/member-changes.test.ts, test/fuzz/corpus/peer-answers.txt, test/fuzz/corpus/peer-calls.found.txt",
    fixed: "cluster/reads.ts, cluster/member-changes.ts",
  },
  {
    what: "A flipped bit in a key of LMDB's branches sent writes to another leaf than reads, and one in a length had nodes overlap: a commit was not there at the next start, or failed with words about a disk",
    whom: "whoever runs the node: its small state lost what a sound commit wrote, where it should say that the disk damaged it",
    kept: "test/fuzz/corpus/state-store.found.txt",
    fixed: "src/store/lmdb-tree.ts",
  },
  {
    what: "A retained message that a client had at QoS 2, with its PUBREC on the way, was given up when it was replaced, deleted or expired before the client came back: neither PUBLISH nor PUBREL came (MQTT-4.4.0-1)",
    whom: "a device that had just subscribed when its connection was lost: the packet identifier stood for that message until its session ended, and a later QoS 2 message with that identifier was taken for a copy of it and lost",
    kept: "seeds 45 and 334 of one node, short (at 3ec79a5); test/unit/mqtt/delivery/resume-retained.test.ts",
    fixed: "src/state-machine/open-passes.ts, src/edges/mqtt/delivery/retained-feed.ts",
  },
  {
    what: "A message that was to come live and, by a second SUBSCRIBE, as a retained one too was sent first as the one at one node and as the other at the next, with one packet identifier for both",
    whom: "a device that subscribed twice and moved between the two: it took the one copy for the other, or got the message once more than it should",
    kept: "seed 550 of test/unit/mqtt/delivery/exactly-once.test.ts; resume-retained.test.ts",
    fixed: "src/edges/mqtt/delivery/retained-feed.ts",
  },
  {
    what: "A snapshot that was on a node's disk already was not looked at again when a leader offered one that it was good enough for: damaged meanwhile, it became the node's state",
    whom: "whoever is served by that node: one flipped bit in an idempotency key, a session or a retained message stood there as a fact, and a snapshot of it would have gone to others",
    kept: "seed 547804 of 3 nodes (at 0a50a7f): a state unlike the others'; test/unit/cluster/snapshot-transfer.test.ts",
    fixed: "cluster/snapshot-receiver.ts (it is checked, and another fetched)",
  },
  {
    what: "Of a message that comes by a share and as a retained one, which have one packet identifier, the retained copy could be given up first (after UNSUBSCRIBE): its PUBREL ended the share's, which was then sent again",
    whom: "a device with both subscriptions: a QoS 2 message twice",
    kept: "reading; kept: test/unit/mqtt/delivery/resume-retained.test.ts",
    fixed: "src/edges/mqtt/delivery/shared-feed.ts, retained-feed.ts",
  },
  {
    what: "Messages that were passed over unsent at QoS 2 (expired, too large, unsubscribed) behind one that is not acknowledged had no bound: each was one more number in the session's state",
    whom: "everybody: one client that does not acknowledge could make the replicated state grow by as much as is retained or expires",
    kept: "reading; kept: test/unit/mqtt/delivery/resume-retained.test.ts",
    fixed: "src/edges/mqtt/delivery/link.ts",
  },
  {
    what: "QoS 0 messages that a slow client of a kept session had not been sent when its connection ended counted as sent: they were in no metric (reliability 6)",
    whom: "an operator who looks for where messages went",
    kept: "reading; kept: test/unit/mqtt/delivery/resume.test.ts",
    fixed: "src/edges/mqtt/delivery/live-feed.ts, delivery.ts",
  },
];
