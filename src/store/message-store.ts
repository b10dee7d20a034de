/**
 * Port: the messages that are kept. Written behind the log, read by cursor. Implementations: segment-store.ts (disk) and
 * memory-store.ts (twin). One contract suite runs on both.
 */
import type { StoredMessage, TopicRef } from "../state-machine/effects.js";

/** A place up to which everything appended is durable; after a restart the store is cut back to the mark it is opened with. */
export interface StoreMark {
  /** Number of the segment that was written last, from 1; 0 in an empty store. */
  readonly segment: number;
  /** Bytes of that segment which are durable. */
  readonly bytes: number;
  /** Position of the last message covered; 0 when there is none. */
  readonly position: number;
}

/** Which topics a read is about: a few by id, or a test on each (used when a wildcard matches many). */
export type TopicSelection =
  | { readonly ids: readonly number[] }
  | { readonly accepts: (topicId: number) => boolean };

export interface ReadQuery {
  readonly topics: TopicSelection;
  /** Messages above this position. */
  readonly after: number;
  /** ... and up to this one; beyond the newest message it stands for the newest. */
  readonly through: number;
  readonly messagesMax: number;
  /** Stops once this many bytes of payloads and properties are gathered (at least one message is given). */
  readonly bytesMax: number;
}

export interface ReadPage {
  /** In position order. */
  readonly messages: readonly StoredMessage[];
  /** Every matching message up to here is in this page or was before it: the next page's `after`. */
  readonly next: number;
  /**
   * 0, or the highest position above `after` at which a matching message was trimmed by retention: an explicit gap that the
   * reader has to be told of. What other topics still keep below it comes all the same, in this page and the next ones.
   */
  readonly trimmedThrough: number;
}

/** What a topic holds now. */
export interface TopicStats {
  readonly messages: number;
  readonly bytes: number;
  /** 0 when the topic holds none. */
  readonly firstPosition: number;
}

/** For each topic the position above which somebody needs its messages; Infinity when nobody does. */
export type HoldAbove = (topicId: number) => number;

/** Limits for one round of retention. */
export interface RetentionPolicy {
  readonly nowMs: number;
  /** All segments together, the oldest dropped first. Those that are held do not count. */
  readonly bytesMax: number;
  /** Segments that are dropped only because of `bytesMax` and that are held: the oldest of them go past so many bytes (0 when missing). */
  readonly heldBytesMax?: number;
  /** Per topic: age and bytes in force (topic's own or the node's default); `null` for a topic that is gone. */
  readonly topic: (topicId: number) => { readonly ageMs: number; readonly bytes: number } | null;
  /**
   * What is held back. Asked once a round, when something would go: the topics, and the positions up to which they would. Nothing else goes
   * in this round.
   */
  readonly holds?: (wouldGo: ReadonlyMap<number, number>) => Promise<HoldAbove>;
}

/** What a round of retention took from those who needed it. */
export interface RetentionOutcome {
  /** So many messages at most. */
  readonly lostMessages: number;
  /** Their topics, with the positions up to which they went. */
  readonly lost: ReadonlyMap<number, number>;
}

export interface MessageStore {
  /**
   * Opens and cuts back to `mark` (what is beyond was applied after it and will be applied again).
   * `resolve` turns a topic id into the topic, `undefined` when it was deleted: its messages are then skipped for ever.
   * Throws `FatalError` `store_corrupt` when less is there than the mark says or a sealed segment does not check.
   */
  open(mark: StoreMark, resolve: (topicId: number) => TopicRef | undefined): Promise<void>;

  /** Takes applied messages, contiguous positions above everything before. Synchronous; written to disk behind. */
  append(messages: readonly StoredMessage[]): void;

  /** Resolves when everything appended before the call is durable, with its mark. Rejects with `disk_full` or `disk_failed`. */
  sync(): Promise<StoreMark>;

  /** Position of the newest message. */
  readonly lastPosition: number;

  /** The same as `read` when everything asked for is still in memory, else `null`. Never touches the disk. */
  readRecent(query: ReadQuery): ReadPage | null;

  /** Reads by cursor. Pages on with `next` until it reaches `through`. */
  read(query: ReadQuery): Promise<ReadPage>;

  stats(topicId: number): TopicStats;

  /** The highest position that was trimmed out of any of these topics; 0 when nothing was. */
  trimmedThrough(topics: TopicSelection): number;

  /** Lets go of what is past its limits: drops whole sealed segments, hides older messages of a topic with a shorter limit. */
  retain(policy: RetentionPolicy): Promise<RetentionOutcome>;

  /** The topic was deleted: its messages are not read any more. */
  forget(topicId: number): void;

  /** Bytes on disk. */
  bytes(): number;

  /** Files that hold everything up to a mark, for a snapshot: each an append-only file and how much of it counts. */
  files(mark: StoreMark): readonly { readonly name: string; readonly path: string; readonly bytes: number }[];

  /**
   * Reads bytes `from` to `bytes` of one of those files, at whatever name it has now, before it may go into a snapshot. Rejects with
   * `store_corrupt` when they do not check.
   */
  check(file: {
    readonly name: string;
    readonly path: string;
    readonly from: number;
    readonly bytes: number;
  }): Promise<void>;

  /** Holds back the dropping of segments while a snapshot links them; the function given back lets go. */
  hold(): () => void;

  /**
   * Throws everything away and takes the files of a snapshot instead (as `files` gave them); `read` gives their bytes, `link` a file
   * itself where the disk can (false: it cannot). `open` is called after, with the snapshot's mark.
   */
  replace(
    files: readonly { readonly name: string; readonly bytes: number }[],
    read: (name: string, offset: number, length: number) => Promise<Uint8Array>,
    link?: (name: string, path: string) => Promise<boolean>,
  ): Promise<void>;

  close(): Promise<void>;
}
