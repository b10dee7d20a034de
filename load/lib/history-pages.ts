/** Reads a topic's whole history over HTTP, page by page. */
import { type HttpConnection, topicPath } from "./http-client.js";

/** A record of `GET /topics/:t/messages`. */
export interface HistoryRecord {
  readonly id: string;
  readonly topic: string;
  readonly offset: number;
  readonly timestamp: number | string;
  readonly payload?: string;
}

interface Page {
  readonly messages: readonly HistoryRecord[];
  readonly next: string | null;
}

const PAGE_LIMIT = 1000;

export interface HistoryStart {
  /** The id after which to begin; null for the oldest message. */
  readonly after: string | null;
  /** Records of one page: fewer where payloads are large. */
  readonly pageLimit?: number | undefined;
}

/** Calls `onRecord` for each message, oldest first; a topic that does not exist has none. Throws for any other answer. */
export async function readHistory(
  connection: HttpConnection,
  topic: string,
  onRecord: (record: HistoryRecord) => void,
  start: HistoryStart = { after: null },
): Promise<void> {
  let after = start.after;
  const limit = start.pageLimit ?? PAGE_LIMIT;
  for (;;) {
    const cursor: string = after === null ? "" : `&after=${encodeURIComponent(after)}`;
    const answer = await connection.ask("GET", `${topicPath(topic)}/messages?limit=${limit}${cursor}`);
    if (answer.status === 404) return;
    if (answer.status !== 200) {
      throw new Error(`history of ${topic}: ${answer.status} ${answer.body.slice(0, 200)}`);
    }
    const page = JSON.parse(answer.body) as Page;
    for (const record of page.messages) onRecord(record);
    if (page.messages.length === 0 || page.next === null) return;
    after = page.next;
  }
}
