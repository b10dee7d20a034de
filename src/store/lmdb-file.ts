/**
 * Looks at an LMDB data file before it is opened: lmdb-js brings the process down on a file that is not one, where a node has to
 * stop with a clear error.
 *
 * The file begins with two meta pages: a page header of 24 bytes (its number u64, and its kind), then magic u32, format u32, two addresses,
 * the records of two databases (u32, in the first the page size, and flags u16 come first in each), the number of the last page, and that of
 * the transaction. What the flags say is done: with one bit more LMDB would decipher the pages.
 */
import { access, constants, open } from "node:fs/promises";
import { LmdbPages } from "./lmdb-pages.js";
import { damageOf, KIND_AT } from "./lmdb-tree.js";
import { corrupt } from "./segment-format.js";

const MAGIC = 0xbeef_c0de;
const FORMAT = 2;
const MAGIC_AT = 24;
const FORMAT_AT = 28;
const META_PAGE = 8;
const PAGE_BYTES_AT = 48;
/** Of the free pages, whose keys are integers, and of the entries. */
const FLAGS = [
  { at: 52, flags: 8 },
  { at: 100, flags: 0 },
] as const;
const LAST_PAGE_AT = 144;
const TRANSACTION_AT = 152;
const META_BYTES = 160;
const FREE_ROOT_AT = 88;
const ENTRIES_ROOT_AT = 136;
const PAGE_BYTES_MAX = 65_536;

/** Throws `FatalError` `store_corrupt` when the file is there and is not whole; system errors as they are. */
export async function checkLmdbFile(path: string): Promise<void> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (!isThere) return;
  await access(path, constants.R_OK | constants.W_OK);
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    // Made, and nothing written to it yet: LMDB begins anew.
    if (size === 0) return;
    const bytes = Buffer.alloc(PAGE_BYTES_MAX + META_BYTES);
    await file.read(bytes, 0, bytes.length, 0);
    const pageBytes = bytes.readUInt32LE(PAGE_BYTES_AT);
    const isPageSize = pageBytes >= 256 && pageBytes <= PAGE_BYTES_MAX;
    const [first, second] = [bytes, bytes.subarray(pageBytes)];
    if (!isPageSize || !isMeta(first, 0) || !isMeta(second, 1))
      throw corrupt(path, "its first pages are damaged, or this is no LMDB file");
    if (second.readUInt32LE(PAGE_BYTES_AT) !== pageBytes) throw corrupt(path, "its first pages do not agree");
    const newest =
      first.readBigUInt64LE(TRANSACTION_AT) >= second.readBigUInt64LE(TRANSACTION_AT) ? first : second;
    const needed = (Number(newest.readBigUInt64LE(LAST_PAGE_AT)) + 1) * pageBytes;
    if (size < needed) throw corrupt(path, `the file has ${size} bytes where ${needed} were committed`);
    const damage = damageOfTrees(file.fd, newest, pageBytes);
    if (damage !== null) throw corrupt(path, damage);
  } finally {
    await file.close();
  }
}

/** What the trees use is in no list of free pages, which are the values of one of them. */
function damageOfTrees(file: number, meta: Buffer, pageBytes: number): string | null {
  const pages = new LmdbPages(Number(meta.readBigUInt64LE(LAST_PAGE_AT)));
  const whole = { file, pageBytes, pages, transaction: meta.readBigUInt64LE(TRANSACTION_AT) };
  const entries = {
    ...whole,
    root: meta.readBigUInt64LE(ENTRIES_ROOT_AT),
    childrenMin: 2,
    isKeyBytes: (bytes: number) => bytes > 0,
    compareKeys: (a: Buffer, b: Buffer) => a.compare(b),
    onValue: null,
  };
  const lists: Buffer[] = [];
  const onValue = (list: Buffer): number => lists.push(Buffer.from(list));
  const root = meta.readBigUInt64LE(FREE_ROOT_AT);
  const isKeyBytes = (bytes: number): boolean => bytes === 8;
  const compareKeys = (a: Buffer, b: Buffer): number => Number(a.readBigUInt64LE(0) - b.readBigUInt64LE(0));
  const free = { ...whole, root, childrenMin: 1, isKeyBytes, compareKeys, onValue };
  const damage = damageOf(entries) ?? damageOf(free);
  if (damage !== null) return damage;
  return lists.every((list) => pages.takeFree(list)) ? null : "a page that is in use counts as free";
}

/** They write the two pages in turns, and LMDB reads the one whose turn it was. None has written yet: both say so. */
function isBy(transaction: bigint, number: number): boolean {
  return transaction === 0n || Number(transaction % 2n) === number;
}

function isMeta(page: Buffer, number: number): boolean {
  return (
    Number(page.readBigUInt64LE(0)) === number &&
    page.readUInt16LE(KIND_AT) === META_PAGE &&
    page.readUInt32LE(MAGIC_AT) === MAGIC &&
    page.readUInt32LE(FORMAT_AT) === FORMAT &&
    FLAGS.every(({ at, flags }) => page.readUInt16LE(at) === flags) &&
    isBy(page.readBigUInt64LE(TRANSACTION_AT), number)
  );
}
