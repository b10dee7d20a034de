/** A loader of modules that instruments the decoders on their way in. Runs in a thread of its own, before the decoder is imported. */
import { readFile } from "node:fs/promises";
import type { InitializeHook, LoadHook } from "node:module";
import { fileURLToPath } from "node:url";
import { instrument } from "./instrument.js";

let root = "";
let covers: readonly string[] = [];

export const initialize: InitializeHook<{ readonly root: string; readonly covers: readonly string[] }> = (
  data,
) => {
  root = data.root;
  covers = data.covers;
};

/** Of a compiled file or a package's, from the repository's root. */
function pathOf(url: string): string {
  const path = fileURLToPath(url).slice(root.length + 1);
  return path.replace(/^dist\//, "");
}

export const load: LoadHook = async (url, context, nextLoad) => {
  if (!url.startsWith("file:") || !covers.some((prefix) => pathOf(url).startsWith(prefix))) {
    return nextLoad(url, context);
  }
  const source = await readFile(fileURLToPath(url), "utf8");
  const isScript = context.format !== "module";
  const { code } = instrument(source, isScript, pathOf(url));
  return { format: isScript ? "commonjs" : "module", source: code, shortCircuit: true };
};
