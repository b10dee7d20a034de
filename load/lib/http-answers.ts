/** The least that a load generator has to understand of HTTP answers: where one ends, and its status. */

const HEAD_BYTES_MAX = 16 * 1024;
const HEAD_END = "\r\n\r\n";
const LAST_CHUNK = "\r\n0\r\n\r\n";

/** Where the answer at the front of `text` ends; -1 when it is not complete. Throws for one whose end cannot be known. */
function answerEnd(text: string, headEnd: number): number {
  const head = text.slice(0, headEnd);
  const bodyAt = headEnd + HEAD_END.length;
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) {
    const end = bodyAt + Number(length);
    return text.length < end ? -1 : end;
  }
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) throw new Error(`an answer without length:\n${head}`);
  // JSON has no bare line ends, so the last chunk is the first thing that looks like it.
  const lastChunkAt = text.indexOf(LAST_CHUNK, headEnd + 2);
  return lastChunkAt < 0 ? -1 : lastChunkAt + LAST_CHUNK.length;
}

/** Cuts the answers of one connection out of its bytes. */
export class AnswerReader {
  #rest = "";

  /** Takes bytes as latin1 text; returns the statuses of the answers that are now complete. */
  feed(text: string): number[] {
    this.#rest += text;
    const statuses: number[] = [];
    for (;;) {
      const headEnd = this.#rest.indexOf(HEAD_END);
      if (headEnd < 0 && this.#rest.length > HEAD_BYTES_MAX) throw new Error("an answer's head has no end");
      const end = headEnd < 0 ? -1 : answerEnd(this.#rest, headEnd);
      if (end < 0) return statuses;
      statuses.push(Number(this.#rest.slice(9, 12)));
      this.#rest = this.#rest.slice(end);
    }
  }
}
