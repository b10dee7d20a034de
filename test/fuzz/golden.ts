/** The golden files of the repository as inputs to begin with. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "./corpus.js";

/** Name and bytes of each case. */
export function goldenCases(file: string): [string, Buffer][] {
  const text = readFileSync(join(repositoryRoot(), "test", "golden", file), "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [name = "", hex = ""] = line.split(" ");
      return [name, Buffer.from(hex, "hex")];
    });
}
