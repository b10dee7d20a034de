/** Where a process of the product may be made to die, by name: its own named points, and before or after the file calls of Node. */

/** As cluster/ready-loop.ts names them; a test holds the two lists together. */
export const NAMED_POINTS = [
  "round-begun",
  "sent-early",
  "persisted",
  "sent",
  "applied",
  "snapshot-pinned",
  "snapshot-written",
  "compacted",
] as const;

/** Appends are `write` (durable when it returns) or `writev`; snapshots are made of `link`, `fdatasync` and `rename`; cutting is `rename` and `unlink`. */
export const CALLS = ["write", "fdatasync", "rename", "link", "unlink"] as const;

export type CrashMoment =
  | { readonly kind: "point"; readonly name: (typeof NAMED_POINTS)[number] }
  | { readonly kind: "call"; readonly name: (typeof CALLS)[number]; readonly side: "before" | "after" };

export const MOMENTS: readonly CrashMoment[] = [
  ...NAMED_POINTS.map((name) => ({ kind: "point", name }) as const),
  ...CALLS.flatMap((name) => [
    { kind: "call", name, side: "before" } as const,
    { kind: "call", name, side: "after" } as const,
  ]),
];

export function nameOf(moment: CrashMoment): string {
  return moment.kind === "point" ? moment.name : `${moment.side} ${moment.name}`;
}

/** What Node is told so that the process dies the nth time that it comes there, once it was sent SIGUSR2. */
export function preloadFor(armedFile: string, moment: CrashMoment, passing: number): readonly string[] {
  const url = new URL(`file://${armedFile}`);
  url.searchParams.set("kind", moment.kind);
  url.searchParams.set("name", moment.name);
  if (moment.kind === "call") url.searchParams.set("side", moment.side);
  url.searchParams.set("passing", String(passing));
  return ["--import", url.href];
}
