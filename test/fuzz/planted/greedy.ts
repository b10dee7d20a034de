/** Planted: a length of four bytes is believed, and that much room taken for it. */
import type { Target } from "../target.js";

const FREE_BYTES = 1024;

export const target: Target = {
  name: "greedy",
  inputBytesMax: 16,
  seeds: () => [Buffer.from([1, 0, 0, 0, 65])],
  allocationMax: () => FREE_BYTES,
  run: (input) => {
    if (input.length < 4) return;
    // Less than it takes to harm whoever runs this.
    const body = Buffer.alloc(input.readUInt32LE(0) % 100_000);
    input.copy(body, 0, 4);
  },
};
