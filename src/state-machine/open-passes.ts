/**
 * The passes over retained messages that are not finished, of all sessions, oldest first: whoever takes a retained message away tells them, since
 * a client may have it and wait for its PUBREL.
 */
import { filterMatches } from "../topics/topic-name.js";
import type { PassProgress } from "./delivery-progress.js";
import type { StoredMessage } from "./effects.js";
import { CHANGED_PROGRESS, type SessionState } from "./session-state.js";
import type { Sessions } from "./sessions.js";

interface OpenPass {
  readonly session: SessionState;
  readonly pass: PassProgress;
}

export class OpenPasses {
  readonly #sessions: Sessions;
  /** By source, and so by `asOf`: neither ever falls. */
  #oldestFirst: OpenPass[] = [];

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  /** The session asked for retained messages; the newest pass of all. */
  begin(session: SessionState, pass: PassProgress): void {
    session.passes = [...session.passes, pass];
    this.#oldestFirst.push({ session, pass });
    this.#sessions.touch(session, CHANGED_PROGRESS);
  }

  /** Everything of it is dealt with. */
  finish(session: SessionState, pass: PassProgress): void {
    session.passes = session.passes.filter((it) => it !== pass);
    this.#forget(pass);
  }

  /** The session is over. */
  end(session: SessionState): void {
    for (const pass of session.passes) this.#forget(pass);
  }

  /** Takes those of a loaded session; `loaded` puts all of them in order. */
  load(session: SessionState): void {
    for (const pass of session.passes) this.#oldestFirst.push({ session, pass });
  }

  loaded(): void {
    this.#oldestFirst.sort((a, b) => a.pass.source - b.pass.source);
  }

  /** A retained message was replaced or deleted. Only at QoS 2 is anything left to be said of it (MQTT 5.0, 4.3.3). */
  gone(message: StoredMessage): void {
    if (message.qos < 2) return;
    for (let i = this.#oldestFirst.length - 1; i >= 0; i -= 1) {
      const open = this.#oldestFirst[i];
      if (open === undefined || open.pass.asOf < message.position) return;
      if (isSentAtTwo(open, message) && open.pass.lose(message.position)) {
        this.#sessions.touch(open.session, CHANGED_PROGRESS);
      }
    }
  }

  #forget(pass: PassProgress): void {
    let low = 0;
    let high = this.#oldestFirst.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#oldestFirst[middle]?.pass.source ?? 0) < pass.source) low = middle + 1;
      else high = middle;
    }
    if (this.#oldestFirst[low]?.pass === pass) this.#oldestFirst.splice(low, 1);
  }
}

function isSentAtTwo({ session, pass }: OpenPass, { position, topic, publisher }: StoredMessage): boolean {
  if (position <= pass.through) return false;
  return pass.subscriptions.some(
    ({ filter, qos, noLocal }) =>
      qos === 2 && !(noLocal && publisher === session.number) && filterMatches(filter, topic.name),
  );
}
