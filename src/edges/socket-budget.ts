/**
 * The sockets of all edges together. Every socket is a file descriptor, and a node that has none left for its log has to stop: so clients
 * may have what the process may open, less what the node needs for its own files.
 */
export class SocketBudget {
  readonly #socketsMax: number;
  #open = 0;

  /** At most so many at once; `Infinity` for no ceiling but those of the edges. */
  constructor(socketsMax: number) {
    this.#socketsMax = socketsMax;
  }

  /** Takes a place; false when there is none. */
  take(): boolean {
    if (this.#open >= this.#socketsMax) return false;
    this.#open += 1;
    return true;
  }

  /** Gives a place back that was taken. */
  release(): void {
    this.#open -= 1;
  }
}
