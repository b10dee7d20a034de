/** A machine with shared subscriptions, its clients by name, for tests that read as scripts. */
import type { OpenSessionCommand, SubscriptionOptions } from "../../../src/commands/command.js";
import type { Applied } from "../../../src/state-machine/effects.js";
import type { MachineOptions } from "../../../src/state-machine/machine.js";
import { publishOf } from "../commands/arbitrary-command.js";
import { Driver } from "./driver.js";
import { close, open, progress, subscribe } from "./session-script.js";

export const SHARE = { share: "g", filter: "t/#" };

export class ShareScript {
  readonly driver: Driver;
  readonly #clients = new Map<string, { session: number; epoch: number }>();

  constructor(options: MachineOptions = {}) {
    this.driver = new Driver(options);
  }

  /** Connects on node 1, or another one. */
  open(client: string, changes: Partial<OpenSessionCommand> = {}, node = "1"): string {
    const applied = this.driver.applyFrom(node, open(client, changes));
    const [result] = applied.results;
    if (result?.kind !== "opened") throw new Error(`not opened: ${JSON.stringify(result)}`);
    this.#clients.set(client, result);
    return this.told(applied);
  }

  /** Connects and becomes a member. */
  join(
    client: string,
    options: Partial<SubscriptionOptions> = {},
    changes: Partial<OpenSessionCommand> = {},
  ): string {
    this.open(client, changes);
    return this.subscribe(client, options);
  }

  subscribe(client: string, options: Partial<SubscriptionOptions> = {}): string {
    const { session, epoch } = this.of(client);
    return this.told(this.driver.apply(subscribe(session, epoch, { ...SHARE, ...options })));
  }

  unsubscribe(client: string): string {
    const { session, epoch } = this.of(client);
    const { share, filter } = SHARE;
    return this.told(
      this.driver.apply({ kind: "unsubscribe", session, epoch, filters: [{ filter, share }] }),
    );
  }

  /** Messages of one QoS, one command each. */
  publish(qos: 0 | 1 | 2, count = 1, topic = "t/1"): string {
    return this.told(
      this.driver.apply(...Array.from({ length: count }, () => publishOf(topic, "x", {}, { qos }))),
    );
  }

  close(client: string, expirySeconds: number | null = null): string {
    const { session, epoch } = this.of(client);
    return this.told(this.driver.apply(close(session, epoch, { expirySeconds })));
  }

  /** PUBACK or PUBCOMP. */
  done(client: string, ...positions: number[]): string {
    return this.#progress(client, { done: positions });
  }

  /** PUBREC. */
  received(client: string, ...positions: number[]): string {
    return this.#progress(client, { received: positions });
  }

  of(client: string): { session: number; epoch: number } {
    return this.#clients.get(client)!;
  }

  /** Number of the share that the client is subscribed to. */
  source(client: string): number {
    const { subscriptions } = this.driver.machine.session(this.of(client).session)!;
    return subscriptions.find(({ share }) => share !== "")!.source;
  }

  /** What the client holds, as `told` writes it. */
  held(client: string): string {
    const { shared } = this.driver.machine.session(this.of(client).session)!;
    return shared.map(itemText).join(" ");
  }

  /** Who was given what: "a 1q1 2q2; b 3q1!", with `!` for again and `r` for received. */
  told(applied: Applied): string {
    const names = new Map([...this.#clients].map(([name, { session }]) => [session, name]));
    const parts: string[] = [];
    for (const effect of applied.effects) {
      if (effect.kind !== "shared-assigned") continue;
      parts.push(`${names.get(effect.session)} ${effect.items.map(itemText).join(" ")}`);
    }
    return parts.join("; ");
  }

  #progress(client: string, news: { done?: number[]; received?: number[] }): string {
    const { session, epoch } = this.of(client);
    const command = progress(session, epoch, { source: this.source(client), ...news });
    return this.told(this.driver.apply(command));
  }
}

/** With these members, all of the same share. */
export function scriptOf(options: MachineOptions, ...clients: string[]): ShareScript {
  const script = new ShareScript(options);
  for (const client of clients) script.join(client);
  return script;
}

function itemText(item: { position: number; qos: number; received: boolean; again: boolean }): string {
  return `${item.position}q${item.qos}${item.received ? "r" : ""}${item.again ? "!" : ""}`;
}
