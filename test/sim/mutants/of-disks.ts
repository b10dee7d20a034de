/** Rules of the files: what is durable when, what a crash may leave, what damage looks like. Each broken by itself. */
import { edit, FORGETFUL_DISKS, type Mutant, mutant } from "./mutant.js";

const LOG = "dist/cluster/log";
const STORE = "dist/src/store";
const DIVERGES =
  /another entry|another state|the log lost its end|a hole|out of range|two leaders|were applied/;
const MISSING = /does not start|stopped by itself|was made durable|were made durable|has lost|was seen/;

/** A third of the seeds run on files: more are needed. */
export const MUTANTS_OF_DISKS: readonly Mutant[] = [
  mutant({
    name: "recovery takes frames whose checksum is wrong",
    rule: "reliability 13: corruption stops or repairs",
    nodes: 3,
    edits: edit(
      `${LOG}/frame-reader.js`,
      "body.byteLength < header.bodyBytes || !bodyChecks(body, header, this.#seed)",
      "body.byteLength < header.bodyBytes",
    ),
    shows: new RegExp(`${DIVERGES.source}|does not start|stopped by itself`),
  }),
  mutant({
    name: "a failed append of the log goes on as if it were durable",
    rule: "reliability 1 and 13: after a failed fsync nothing is said",
    nodes: 3,
    edits: edit(
      `${LOG}/segment-log.js`,
      "throw this.#fail(error, `appending to",
      "if (segment === undefined)\n                throw this.#fail(error, `appending to",
    ),
    shows: new RegExp(`${DIVERGES.source}|${MISSING.source}`),
  }),
  mutant({
    name: "appends of the log are left to the system",
    rule: "reliability 1: fsynced on a quorum",
    nodes: 3,
    edits: edit(`${LOG}/segment-file.js`, 'durability === "fsync" ? "update-durable" : "update"', '"update"'),
    shows: new RegExp(`${DIVERGES.source}|does not start`),
  }),
  mutant({
    name: "a segment of the log has its name before the directory is synced",
    rule: "cluster/log/segment-file.ts: header, then name, each durable before the next",
    nodes: 3,
    edits: edit(`${LOG}/segment-file.js`, "await disk.syncDirectory(dirname(path));", ""),
    shows: new RegExp(`${DIVERGES.source}|does not start`),
  }),
  mutant({
    name: "messages are not synced before the mark says that they are there",
    rule: "ARCHITECTURE: a checkpoint makes the messages durable, then commits",
    nodes: 1,
    edits: edit(`${STORE}/segment-writer.js`, "await this.#catalog.active?.handle.file.sync();", ""),
    shows: /were made durable|was made durable|does not check|no group begins|the segment is/,
  }),
  mutant({
    name: "a new segment of messages has no durable name",
    rule: "src/store/segment-writer.ts: a segment is there before something is written to it",
    nodes: 1,
    edits: edit(`${STORE}/segment-writer.js`, "await disk.syncDirectory(directory);", ""),
    shows: /the segment is missing/,
  }),
  mutant({
    name: "segments of messages are not cut back to the mark",
    rule: "ARCHITECTURE: at start the message segments are cut back to the mark",
    nodes: 1,
    edits: edit(
      `${STORE}/recovery.js`,
      "active.lastPosition = await scanSegment(file, path, bytes,",
      "active.lastPosition = await scanSegment(file, path, size,",
    ),
    shows: /it ends at position|no group begins|cut short|does not check/,
  }),
  mutant({
    name: "blocks of messages are not checked",
    rule: "never: different data served",
    nodes: 3,
    length: "long",
    edits: edit(
      `${STORE}/block.js`,
      "export function isSoundBlock(from, at, end) {",
      "export function isSoundBlock(from, at, end) {\n    return true;",
    ),
    shows: /another message|has another|has lost|stopped by itself|does not start|was seen before/,
  }),
  mutant({
    name: "the mark of the log's end is not looked at",
    rule: "reliability 13: what was acknowledged is never truncated",
    nodes: 3,
    edits: edit(
      `${LOG}/recovery.js`,
      "scan.checkEnd(await provenSequence(disk, dir));",
      "void provenSequence;",
    ),
    conditions: FORGETFUL_DISKS,
    shows: new RegExp(DIVERGES),
    seedsMax: 1_000,
  }),
  mutant({
    name: "what goes into a snapshot is not checked",
    rule: "never: corruption spread by a snapshot",
    nodes: 3,
    edits: edit("dist/src/replica/replica.js", "await messageStore.check({ name, path, from, bytes });", ""),
    shows: /does not check|cut short|cannot read|no group begins/,
    seedsMax: 1_500,
  }),
  mutant({
    name: "a received snapshot is not compared with its checksums",
    rule: "never: corruption spread by a snapshot",
    nodes: 3,
    length: "long",
    edits: edit(
      "dist/cluster/snapshot-receiver.js",
      "crc !== file.crc || offset !== file.bytes",
      "offset !== file.bytes",
    ),
    shows: /does not check|cut short|cannot read|no group begins|is damaged|snapshot|stopped by itself/,
  }),
];
