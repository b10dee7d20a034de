/** Planted: an input that begins with "loop" never comes back. */
import type { Target } from "../target.js";

export const target: Target = {
  name: "hang",
  inputBytesMax: 16,
  seeds: () => [Buffer.from("stop")],
  dictionary: ["loop"],
  run: (input) => {
    let turns = 0;
    while (input.toString("latin1", 0, 4) === "loop") turns += 1;
    if (turns > 0) throw new Error("it came back");
  },
};
