/**
 * Planted: an input that begins with "die" brings its process down, as native code does that meets what it does not expect; once a
 * campaign.
 */
import { existsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Target } from "../target.js";

const mark = join(tmpdir(), "died");

export const target: Target = {
  name: "crash",
  inputBytesMax: 16,
  seeds: () => [Buffer.from("live")],
  dictionary: ["die"],
  run: (input) => {
    if (input.toString("latin1", 0, 3) !== "die" || existsSync(mark)) return;
    writeFileSync(mark, "");
    process.kill(process.pid, "SIGKILL");
  },
};
