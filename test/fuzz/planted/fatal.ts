/** Planted: an input that begins with "die" brings its process down, each time. */
import type { Target } from "../target.js";

export const target: Target = {
  name: "fatal",
  inputBytesMax: 16,
  seeds: () => [Buffer.from("live")],
  dictionary: ["die"],
  run: (input) => {
    if (input.toString("latin1", 0, 3) === "die") process.kill(process.pid, "SIGKILL");
  },
};
