/** Standard output of the client commands: waits for slow readers, and ends quietly when the reader has gone. */
import { once } from "node:events";

/** `jangada sub ... | head -1` closes the pipe: that is an end, not an error. */
export function endQuietlyOnBrokenPipe(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
}

/** Writes and, when the reader is slow, waits until it has read. */
export async function print(bytes: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(bytes)) await once(process.stdout, "drain");
}

/** One line for people, on standard error. */
export function note(text: string): void {
  process.stderr.write(`jangada: ${text}\n`);
}
