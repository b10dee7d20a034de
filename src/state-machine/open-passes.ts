/**
 * The passes over retained messages that are not finished, of all sessions, oldest first: whoever takes a retained message away tells them, since
 * a client may have it and wait for its PUBREL.
 */
import { limits } from "../limits.js";
import { filterMatches } from "../topics/topic-name.js";
import type { PassProgress } from "./delivery-progress.js";
import type { StoredMessage } from "./effects.js";
import { firstIndex } from "./first-index.js";
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
    const passes = this.#oldestFirst;
    /** Sessions that keep track of enough: none of their newer passes has a place for it. */
    const full = new Set<SessionState>();
    for (let i = firstIndex(passes, ({ pass }) => pass.asOf >= message.position); i < passes.length; i += 1) {
      const open = passes[i];
      if (open === undefined || full.has(open.session) || !isSentAtTwo(open, message)) continue;
      if (!open.pass.lose(message.position)) continue;
      this.#sessions.touch(open.session, CHANGED_PROGRESS);
      if (forgetBeyond(open.session) === open.pass) full.add(open.session);
    }
  }

  #forget(pass: PassProgress): void {
    const index = firstIndex(this.#oldestFirst, (open) => open.pass.source >= pass.source);
    if (this.#oldestFirst[index]?.pass === pass) this.#oldestFirst.splice(index, 1);
  }
}

/**
 * Passes are walked one after the other, each in position order, and a connection has `unsettledMax` exchanges at most, with those that
 * it passed over and that are not committed: what a client may have is among so many of the first. Returns the pass of one that is beyond.
 */
function forgetBeyond({ passes }: SessionState): PassProgress | null {
  let count = 0;
  for (const { gone } of passes) count += gone.length;
  if (count <= limits.unsettledMax) return null;
  const last = passes.findLast(({ gone }) => gone.length > 0);
  last?.forgetGone();
  return last ?? null;
}

function isSentAtTwo({ session, pass }: OpenPass, { position, topic, publisher }: StoredMessage): boolean {
  if (position <= pass.through) return false;
  return pass.subscriptions.some(
    ({ filter, qos, noLocal }) =>
      qos === 2 && !(noLocal && publisher === session.number) && filterMatches(filter, topic.name),
  );
}
