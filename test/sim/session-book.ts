/**
 * Sessions as the committed log has them, told by a model of their own, as simple as the standard: who is connected, what outlives what, and
 * which wills are due. Whatever the machine beside it does otherwise breaks a rule at that very entry.
 */
import { type Command, type Envelope, SESSION_NEVER_EXPIRES } from "../../src/commands/command.js";
import type { Applied, CommandResult } from "../../src/state-machine/effects.js";
import { identityOf } from "./ledger.js";
import { ShareBook } from "./share-book.js";
import type { World } from "./world.js";

/** What a client asks for in CONNECT; the identity of its will names the connection. */
export interface Asked {
  readonly clientId: string;
  readonly will: string;
  readonly cleanStart: boolean;
  readonly expirySeconds: number;
  readonly delaySeconds: number;
}

/** One connection that was committed. */
export interface Stay {
  /** Of the session, a number that no other has. */
  readonly session: number;
  readonly epoch: number;
  /** Session Present, as it has to be. */
  readonly isPresent: boolean;
  /** The session outlives its connection, or did when it began. */
  readonly isKept: boolean;
  /** How long the stream was at least when it began. */
  readonly openedAt: number;
  /** The log says that it is over. */
  isOver: boolean;
}

interface Session {
  readonly number: number;
  readonly clientId: string;
  readonly isKept: boolean;
  stay: Stay;
  /** Where it is connected. */
  owner: string | null;
  expirySeconds: number;
  will: string | null;
  delaySeconds: number;
  /** Of the log; `null` for never, or not now. */
  endsAtMs: number | null;
  willAtMs: number | null;
}

type Of<Kind extends Command["kind"]> = Extract<Command, { kind: Kind }>;

export class SessionBook {
  readonly name = "the log";
  readonly shares: ShareBook;
  readonly #world: World;
  #timeMs = 0;
  /** Of the stream, before the present envelope. */
  #head = 0;
  #sessions: Session[] = [];
  /** The start of each node that counts. */
  readonly #incarnations = new Map<string, number>();
  /** By will. */
  readonly #asked = new Map<string, Asked>();
  readonly #stays = new Map<string, Stay>();
  /** Wills that were called off with DISCONNECT. */
  readonly #goodbyes = new Set<string>();
  /** Of the present envelope. */
  #willsDue: string[] = [];

  constructor(world: World) {
    this.#world = world;
    this.shares = new ShareBook(world);
  }

  /** A client is about to send CONNECT. */
  asks(asked: Asked): void {
    this.#asked.set(asked.will, asked);
  }

  /** It sends DISCONNECT, and wants no will. */
  saysGoodbye(will: string): void {
    this.#goodbyes.add(will);
  }

  /** The connection that asked with this will; `undefined` while it is not committed. */
  stayOf(will: string): Stay | undefined {
    return this.#stays.get(will);
  }

  /** What is still to happen by itself; `null` for nothing. */
  get lacks(): string | null {
    for (const { clientId, endsAtMs, willAtMs } of this.#sessions) {
      if (willAtMs !== null) return `the delayed will of ${clientId}`;
      if (endsAtMs !== null) return `the end of the session of ${clientId}`;
    }
    return null;
  }

  /** An envelope was committed, and did something. */
  applied(envelope: Envelope, { results, effects }: Applied): void {
    this.#timeMs = Math.max(this.#timeMs, envelope.timeMs);
    this.#willsDue = [];
    this.shares.begins();
    this.#letHappen();
    for (const [i, command] of envelope.commands.entries()) this.#command(command, results[i], envelope);
    const appended = effects.flatMap((effect) => (effect.kind === "append" ? effect.messages : []));
    this.#compareWills(appended.map(identityOf).filter((id) => this.#isWill(id)));
    this.#head = appended.at(-1)?.position ?? this.#head;
    this.shares.ends(appended, this.#head);
  }

  #isWill(id: string): boolean {
    return /^\w+-w\d+$/.test(id);
  }

  #compareWills(published: readonly string[]): void {
    for (const will of published) {
      this.#world.check(this.#willsDue.includes(will), () => `the will ${will} is published, and is not due`);
    }
    for (const will of this.#willsDue) {
      this.#world.check(published.includes(will), () => `the will ${will} is due, and is not published`);
    }
  }

  /** The earliest first: an end that comes before the will publishes it. */
  #letHappen(): void {
    for (const session of [...this.#sessions]) {
      const { endsAtMs, willAtMs } = session;
      const endsMs = endsAtMs ?? Number.POSITIVE_INFINITY;
      if (endsMs <= this.#timeMs) {
        this.#world.counts["sessions expired"] += 1;
        this.#end(session);
      } else if (willAtMs !== null && willAtMs <= this.#timeMs) {
        session.willAtMs = null;
        this.#world.counts["delayed wills"] += 1;
        this.#publishWill(session);
      }
    }
  }

  #command(command: Command, result: CommandResult | undefined, envelope: Envelope): void {
    const { origin, incarnation } = envelope;
    switch (command.kind) {
      case "open-session":
        this.#starts(origin, incarnation);
        if (result?.kind === "opened") this.#open(command, result, origin);
        return;
      case "close-session":
        this.#close(command);
        return;
      case "node-up":
        this.#starts(origin, incarnation);
        return;
      case "node-down":
        if (this.#incarnations.get(command.node) === command.incarnation) this.#lose(command.node);
        return;
      case "subscribe":
        if (result?.kind === "subscribed") this.shares.subscribes(command, result);
        return;
      case "unsubscribe":
        if (result?.kind === "unsubscribed") this.shares.unsubscribes(command);
        return;
      case "progress":
        for (const entry of command.entries) if (this.#speaker(entry) !== undefined) this.shares.done(entry);
        return;
      default:
    }
  }

  #starts(node: string, incarnation: number): void {
    const known = this.#incarnations.get(node) ?? 0;
    if (known >= incarnation) return;
    this.#incarnations.set(node, incarnation);
    this.#lose(node);
  }

  /** Of a node that is gone. */
  #lose(node: string): void {
    for (const session of this.#sessions.filter(({ owner }) => owner === node)) this.#disconnect(session);
  }

  #open(command: Of<"open-session">, opened: Extract<CommandResult, { kind: "opened" }>, node: string): void {
    const { clientId, cleanStart, expirySeconds } = command;
    const will = command.will === null ? null : identityOf(command.will);
    const known = this.#sessions.find((session) => session.clientId === clientId);
    const before = known === undefined ? undefined : this.#goesOn(known, cleanStart);
    const isPresent = before !== undefined;
    const isTold = opened.present === isPresent;
    this.#world.check(
      isTold,
      () => `the session of ${clientId} is ${opened.present ? "" : "not "}there as ${will} connects`,
    );
    const isSame = before === undefined || before.number === opened.session;
    this.#world.check(
      isSame,
      () => `${clientId} gets session ${opened.session} instead of ${before?.number}`,
    );
    const isKept = before?.isKept ?? expirySeconds > 0;
    const stay: Stay = {
      session: opened.session,
      epoch: opened.epoch,
      isPresent,
      isKept,
      openedAt: this.#head,
      isOver: false,
    };
    if (will !== null) this.#connected(will, command, stay);
    const delaySeconds = command.will?.delaySeconds ?? 0;
    this.#sessions.push({
      number: opened.session,
      clientId,
      isKept,
      stay,
      owner: node,
      expirySeconds,
      will,
      delaySeconds,
      endsAtMs: null,
      willAtMs: null,
    });
  }

  /** The client's own words came into the log. */
  #connected(will: string, command: Of<"open-session">, stay: Stay): void {
    this.#stays.set(will, stay);
    const asked = this.#asked.get(will);
    if (asked === undefined) return;
    const isAsAsked =
      asked.cleanStart === command.cleanStart &&
      asked.expirySeconds === command.expirySeconds &&
      asked.delaySeconds === command.will?.delaySeconds;
    this.#world.check(isAsAsked, () => `what ${will} asks for as it connects is not what is committed`);
  }

  /** Without its connection, and out of the list; `undefined` when it is over. */
  #goesOn(known: Session, cleanStart: boolean): Session | undefined {
    if (cleanStart || known.expirySeconds === 0) {
      if (cleanStart) this.#world.counts["clean starts"] += 1;
      this.#end(known);
      return undefined;
    }
    known.stay.isOver = true;
    if (known.owner !== null && known.delaySeconds === 0) this.#publishWill(known);
    else if (known.will !== null) this.#world.counts["delayed wills called off"] += 1;
    this.#sessions = this.#sessions.filter((session) => session !== known);
    return known;
  }

  #close(command: Of<"close-session">): void {
    const session = this.#speaker(command);
    if (session === undefined) return;
    const { will } = session;
    if (!command.withWill && will !== null) {
      const isWished = this.#goodbyes.has(will) || !this.#asked.has(will);
      this.#world.check(isWished, () => `the will ${will} is forgotten, and nobody said goodbye`);
      session.will = null;
    }
    if (command.expirySeconds !== null && session.expirySeconds > 0)
      session.expirySeconds = command.expirySeconds;
    this.#disconnect(session);
  }

  #speaker(of: { readonly session: number; readonly epoch: number }): Session | undefined {
    return this.#sessions.find(
      ({ number, stay, owner }) => number === of.session && stay.epoch === of.epoch && owner !== null,
    );
  }

  #disconnect(session: Session): void {
    session.owner = null;
    session.stay.isOver = true;
    const { expirySeconds, delaySeconds, will } = session;
    if (expirySeconds === 0) {
      this.#end(session);
      return;
    }
    if (expirySeconds !== SESSION_NEVER_EXPIRES) session.endsAtMs = this.#timeMs + expirySeconds * 1_000;
    if (will === null) return;
    if (delaySeconds === 0) this.#publishWill(session);
    else session.willAtMs = this.#timeMs + delaySeconds * 1_000;
  }

  #end(session: Session): void {
    session.stay.isOver = true;
    this.#publishWill(session);
    this.shares.gone(session.number);
    this.#sessions = this.#sessions.filter((other) => other !== session);
  }

  #publishWill(session: Session): void {
    if (session.will !== null) this.#willsDue.push(session.will);
    session.will = null;
  }
}
