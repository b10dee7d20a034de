/** Golden files: one case a line, a name and its bytes in hexadecimal; lines that begin with # are comments. */
import { readFileSync } from "node:fs";

/** Name to bytes, in the order of the file beside this one. */
export function readGolden(file: string): Map<string, Buffer> {
  const text = readFileSync(new URL(file, import.meta.url), "utf8");
  const cases = new Map<string, Buffer>();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [name, hex] = line.split(" ");
    cases.set(name!, Buffer.from(hex ?? "", "hex"));
  }
  return cases;
}
