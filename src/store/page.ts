/** A page of a read while it is filled (pure): counts messages and bytes and says when it is full. */
import { bodyBytes, type StoredMessage } from "../state-machine/effects.js";
import type { ReadPage, ReadQuery } from "./message-store.js";

export class PageBuilder {
  readonly #messages: StoredMessage[] = [];
  readonly #query: ReadQuery;
  #bytes = 0;

  constructor(query: ReadQuery) {
    this.#query = query;
  }

  get full(): boolean {
    return this.#messages.length >= this.#query.messagesMax || this.#bytes >= this.#query.bytesMax;
  }

  get messagesLeft(): number {
    return this.#query.messagesMax - this.#messages.length;
  }

  get bytesLeft(): number {
    return this.#query.bytesMax - this.#bytes;
  }

  /** Adds the next message; false once the page is full with it. */
  add(message: StoredMessage): boolean {
    this.#messages.push(message);
    this.#bytes += bodyBytes(message);
    return !this.full;
  }

  /** `gap` is the position through which something was trimmed. */
  finish(next: number, gap: number): ReadPage {
    return { messages: this.#messages, next, trimmedThrough: gap > this.#query.after ? gap : 0 };
  }
}
