/** The small language in which the sequence files write packets: decimal numbers by width, text in quotes, and hex. */

const WIDTHS: Readonly<Record<string, number>> = { i: 1, H: 2, k: 2, m: 2, s: 2, L: 4 };

/** A variable byte integer; values beyond what the standard allows give five bytes, which is what some tests want. */
function variableBytes(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const more = rest > 127;
    bytes.push((rest % 128) | (more ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return bytes;
}

function number(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error(`"${text}" is not a number`);
  return value;
}

function bigEndian(value: number, width: number): Buffer {
  const bytes = Buffer.alloc(width);
  bytes.writeUIntBE(value, 0, width);
  return bytes;
}

function word(text: string): Buffer {
  const [head = "", rest] = [text[0], text.slice(1)];
  if (head === "'") return Buffer.from(text.slice(1, -1));
  if (head === "v" || head === "r") return Buffer.from(variableBytes(number(rest)));
  const width = WIDTHS[head];
  if (width !== undefined) return bigEndian(number(rest), width);
  if (!/^([0-9a-f]{2})+$/i.test(text)) throw new Error(`"${text}" is neither a number, a text nor hex`);
  return Buffer.from(text, "hex");
}

/**
 * The bytes of a packet. A word is a letter with a decimal number (`i` one byte; `H`, `k`, `m`, `s` two; `L` four; `v`, `r` a variable
 * byte integer), a text in single quotes, or hex. Throws for anything else.
 */
export function packetOf(script: string): Buffer {
  const words = script.match(/'[^']*'(?= |$)|\S+/g) ?? [];
  return Buffer.concat(words.map(word));
}
