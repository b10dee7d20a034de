/** The version of this program, from its package.json wherever the compiler put this file. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** `0.1.0` */
export function version(): string {
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    const manifest = join(at, "package.json");
    if (existsSync(manifest)) return versionIn(readFileSync(manifest, "utf8"));
    if (dirname(at) === at) return "unknown";
  }
}

function versionIn(manifest: string): string {
  const parsed: unknown = JSON.parse(manifest);
  const known = typeof parsed === "object" && parsed !== null && "version" in parsed;
  return known ? String(parsed.version) : "unknown";
}
