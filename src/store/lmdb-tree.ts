/**
 * Goes through the pages of an LMDB tree from its root before LMDB itself does, which takes what a page says without a look and brings the
 * process down where it is not so: every page must say its own number, a kind that fits and a transaction that has been, have one use, and
 * nothing in its used room but its nodes. Keys must be in order, and below a branch where it says: a write would go astray otherwise.
 *
 * A page begins with its number u64, a transaction u64, padding u16, its kind u16, and where its free room begins and ends, u16 each; two
 * bytes a node follow, that say where it is; all three count from the end of the header. A node begins with u16 low and high half of its size (in a branch: of the number of a page, with a
 * third part in its flags), flags u16, bytes of its key u16.
 */
import { readSync } from "node:fs";
import type { LmdbPages } from "./lmdb-pages.js";

const HEADER_BYTES = 24;
const PAGE_TRANSACTION_AT = 8;
/** Where a page says of what kind it is. */
export const KIND_AT = 18;
const LOWER_AT = 20;
const UPPER_AT = 22;
const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;
const NODE_BYTES = 8;
/** What stands for a value on pages of its own: the first page, its transaction, how many they are. */
const REFERENCE_BYTES = 24;
const REFERENCE_PAGES_AT = 16;
const BIG_VALUE = 1;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;
const DEPTH_MAX = 32;

export interface LmdbTree {
  /** Descriptor. Read without turns of the event loop, of which there would be one a page: nothing else runs yet. */
  readonly file: number;
  readonly pageBytes: number;
  readonly root: bigint;
  /** The last that was committed. A page of a later one would be written to in place. */
  readonly transaction: bigint;
  readonly pages: LmdbPages;
  /** Children of a branch: of the entries' one has two, LMDB insists. */
  readonly childrenMin: number;
  /** Of every key: those of the free pages' are numbers of transactions, and the entries' are not empty. */
  readonly isKeyBytes: (bytes: number) => boolean;
  /** The order of keys that have such a length. */
  readonly compareKeys: (a: Buffer, b: Buffer) => number;
  /** Is shown every value, which is valid until it returns; `null` where nobody wants to see them. */
  readonly onValue: ((value: Buffer) => void) | null;
}

/** What is wrong with a tree; `null` for a sound one. */
export function damageOf(tree: LmdbTree): string | null {
  return tree.root === NO_PAGE
    ? null
    : damageAt(tree, Number(tree.root), { depth: 1, low: null, high: null });
}

/** Where a page stands: all its keys are `low` or above, and below `high`; `null` for no bound. */
interface Place {
  readonly depth: number;
  readonly low: Buffer | null;
  readonly high: Buffer | null;
}

function damageAt(tree: LmdbTree, number: number, place: Place): string | null {
  const { file, pageBytes, pages, childrenMin } = tree;
  if (!pages.take(number, 1) || place.depth > DEPTH_MAX)
    return `there is no page ${number}, or it is used twice`;
  const page = Buffer.allocUnsafe(pageBytes);
  readSync(file, page, 0, pageBytes, number * pageBytes);
  // With a bit more it would be a page of another layout.
  const kind = page.readUInt16LE(KIND_AT);
  if (!isPage(tree, page, number) || (kind !== BRANCH && kind !== LEAF)) {
    return `page ${number} is not what it was`;
  }
  const [lower, upper] = [page.readUInt16LE(LOWER_AT), page.readUInt16LE(UPPER_AT)];
  const nodesMin = kind === BRANCH ? childrenMin : 1;
  if (lower % 2 !== 0 || lower < 2 * nodesMin || upper < lower || upper > pageBytes - HEADER_BYTES) {
    return damaged(page);
  }
  const nodes = nodesOf(page, lower, upper, kind);
  if (nodes === null) return damaged(page);
  const keys = keysOf(tree, page, nodes, kind);
  if (keys === null || !areOrdered(tree, keys, place)) return damaged(page);
  for (const [i, node] of nodes.entries()) {
    const below = { depth: place.depth + 1, low: keys[i] ?? place.low, high: keys[i + 1] ?? place.high };
    const damage = kind === BRANCH ? damageBelow(tree, page, node, below) : damageOfLeaf(tree, page, node);
    if (damage !== null) return damage;
  }
  return null;
}

/** Where the nodes begin, in the order of their keys; `null` where they do not fill the used room, one behind the other. */
function nodesOf(page: Buffer, lower: number, upper: number, kind: number): readonly number[] | null {
  const nodes: number[] = [];
  for (let at = HEADER_BYTES; at < HEADER_BYTES + lower; at += 2)
    nodes.push(HEADER_BYTES + page.readUInt16LE(at));
  let end = HEADER_BYTES + upper;
  for (const node of [...nodes].sort((a, b) => a - b)) {
    if (node !== end || node + NODE_BYTES > page.length) return null;
    const bytes = NODE_BYTES + page.readUInt16LE(node + 6) + (kind === BRANCH ? 0 : heldBytes(page, node));
    end = node + bytes + (bytes % 2);
  }
  return end === page.length ? nodes : null;
}

/** Of the value, within the page. */
function heldBytes(page: Buffer, node: number): number {
  return page.readUInt16LE(node + 4) === BIG_VALUE ? REFERENCE_BYTES : sizeOf(page, node);
}

/** `null` for the first of a branch, which stands for whatever is below the second; nothing at all where one has no good length. */
function keysOf(
  tree: LmdbTree,
  page: Buffer,
  nodes: readonly number[],
  kind: number,
): readonly (Buffer | null)[] | null {
  const keys: (Buffer | null)[] = [];
  for (const [i, node] of nodes.entries()) {
    const bytes = page.readUInt16LE(node + 6);
    const isFree = kind === BRANCH && i === 0;
    if (!isFree && !tree.isKeyBytes(bytes)) return null;
    keys.push(isFree ? null : page.subarray(node + NODE_BYTES, node + NODE_BYTES + bytes));
  }
  return keys;
}

function areOrdered({ compareKeys }: LmdbTree, keys: readonly (Buffer | null)[], place: Place): boolean {
  let { low } = place;
  let isFirst = true;
  for (const key of keys) {
    if (key === null) continue;
    const order = low === null ? 1 : compareKeys(key, low);
    // Only the lowest of a page may be what the branch above says.
    if (order < 0 || (order === 0 && !isFirst)) return false;
    [low, isFirst] = [key, false];
  }
  return low === null || place.high === null || compareKeys(low, place.high) < 0;
}

function isPage({ transaction }: LmdbTree, head: Buffer, number: number): boolean {
  return (
    Number(head.readBigUInt64LE(0)) === number && head.readBigUInt64LE(PAGE_TRANSACTION_AT) <= transaction
  );
}

/** Something in the page itself, which says its number rightly. */
function damaged(page: Buffer): string {
  return `page ${page.readBigUInt64LE(0)} is damaged`;
}

function damageBelow(tree: LmdbTree, page: Buffer, node: number, place: Place): string | null {
  return damageAt(tree, sizeOf(page, node) + page.readUInt16LE(node + 4) * 0x1_0000_0000, place);
}

function damageOfLeaf(tree: LmdbTree, page: Buffer, node: number): string | null {
  const flags = page.readUInt16LE(node + 4);
  // Other flags tell of databases within this one, and of several values of a key.
  if (flags !== 0 && flags !== BIG_VALUE) return damaged(page);
  const begin = node + NODE_BYTES + page.readUInt16LE(node + 6);
  const size = sizeOf(page, node);
  if (flags === BIG_VALUE) return damageOfBig(tree, page.subarray(begin), size);
  tree.onValue?.(page.subarray(begin, begin + size));
  return null;
}

function sizeOf(page: Buffer, node: number): number {
  return page.readUInt16LE(node) + page.readUInt16LE(node + 2) * 0x1_0000;
}

/** A value on pages of its own: the first says how many they are, as the reference does. */
function damageOfBig(tree: LmdbTree, reference: Buffer, size: number): string | null {
  const { file, pageBytes, pages, onValue } = tree;
  const number = Number(reference.readBigUInt64LE(0));
  const damage = `page ${number} is not what it was`;
  if (!pages.has(number)) return damage;
  const head = Buffer.alloc(HEADER_BYTES);
  readSync(file, head, 0, HEADER_BYTES, number * pageBytes);
  const count = head.readUInt32LE(LOWER_AT);
  const isSaid = Number(reference.readBigUInt64LE(REFERENCE_PAGES_AT)) === count;
  const isRight = isSaid && isPage(tree, head, number) && head.readUInt16LE(KIND_AT) === OVERFLOW;
  if (!isRight || count * pageBytes < HEADER_BYTES + size || !pages.take(number, count)) return damage;
  if (onValue === null) return null;
  const value = Buffer.allocUnsafe(size);
  readSync(file, value, 0, size, number * pageBytes + HEADER_BYTES);
  onValue(value);
  return null;
}
