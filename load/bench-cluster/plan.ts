/** What is measured and what is expected of it. */

/** One measurement: a publisher with that window and that payload. */
export interface Cell {
  readonly payloadBytes: number;
  readonly window: number;
}

export const WINDOWS: readonly number[] = [1, 100, 1000];
export const PAYLOADS: readonly number[] = [100, 1024];

export const CELLS: readonly Cell[] = PAYLOADS.flatMap((payloadBytes) =>
  WINDOWS.map((window) => ({ payloadBytes, window })),
);

export interface RunOptions {
  readonly rounds: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** Ratios of our publishes/s to a peer's at 100 B and window 1000. NATS's default does not fsync; level with it is enough. */
export const RATIO_TARGETS: readonly { readonly key: string; readonly ratio: number }[] = [
  { key: "etcd", ratio: 4 },
  { key: "rabbitmq", ratio: 2 },
  { key: "nats", ratio: 1 },
];
export const TARGET_CELL: Cell = { payloadBytes: 100, window: 1000 };

/** Median latency of a publisher that waits for each publish, 100 B. */
export const WINDOW_1_MS = 2;

export function formatPayload(bytes: number): string {
  return bytes % 1024 === 0 ? `${bytes / 1024} KiB` : `${bytes} B`;
}
