/** Reads what a node has stored of a topic, as the checker wants it. */
import { readHistory } from "../lib/history-pages.js";
import type { HttpConnection } from "../lib/http-client.js";
import type { Stored } from "./checker.js";
import { keyInPayload } from "./publishers.js";

/** Appends to `stored` what comes after its last record. */
export async function readStored(
  connection: HttpConnection,
  topic: string,
  stored: Stored[],
  pageLimit?: number,
): Promise<void> {
  const from = { after: stored.at(-1)?.id ?? null, pageLimit };
  await readHistory(
    connection,
    topic,
    ({ id, offset, payload = "" }) => {
      stored.push({ id, offset, key: keyInPayload(payload) });
    },
    from,
  );
}
