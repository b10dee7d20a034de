/**
 * Event ids: what users see of a position. `<position>-<group>-<stream tag>`: the tag is drawn once in the life of a stream, so
 * that an id of another one is recognised as foreign.
 */
import { JangadaError } from "../errors.js";

const PATTERN = /^(0|[1-9][0-9]{0,15})-([0-9]{1,5})-([a-z0-9]{4})$/;

export class EventIds {
  readonly #suffix: string;

  /** `streamTag` is four characters of [a-z0-9]. */
  constructor(group: number, streamTag: string) {
    this.#suffix = `-${group}-${streamTag}`;
  }

  /** Printable ASCII, no spaces. */
  format(position: number): string {
    return position + this.#suffix;
  }

  /** Throws `invalid_cursor` for what is malformed, of another stream, or above `head`. */
  parse(eventId: string, head: number): number {
    const parts = PATTERN.exec(eventId);
    if (parts === null) throw new JangadaError("invalid_cursor", "the event id is malformed");
    const position = Number(parts[1]);
    if (!eventId.endsWith(this.#suffix)) {
      throw new JangadaError("invalid_cursor", "the event id belongs to another stream");
    }
    if (!Number.isSafeInteger(position) || position > head) {
      throw new JangadaError("invalid_cursor", "the event id is in the future of this stream");
    }
    return position;
  }
}
