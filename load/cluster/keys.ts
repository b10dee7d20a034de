/** What can be done to a node from the keyboard: a letter, then the node's number. */

export type Deed = "kill" | "stop" | "pause" | "start";

export type KeyCommand = { readonly deed: Deed; readonly nodeId: string } | "quit";

const DEEDS: Readonly<Record<string, Deed>> = { k: "kill", s: "stop", p: "pause", r: "start" };
const CTRL_C = "\u0003";
const CTRL_D = "\u0004";

export const KEY_HELP =
  "k1 kill -9 node 1 · s1 stop it · p1 pause it or go on · r1 start it again · q or Ctrl-C stop all";

/** Puts keys together; a key that fits nothing is forgotten. */
export class KeyReader {
  #letter = "";

  /** The letter that waits for a number, empty for none. */
  get pending(): string {
    return this.#letter;
  }

  /** Takes what was typed; gives the commands that are complete. */
  feed(text: string): KeyCommand[] {
    const commands: KeyCommand[] = [];
    for (const key of text) {
      const deed = DEEDS[this.#letter];
      this.#letter = "";
      if (key === "q" || key === CTRL_C || key === CTRL_D) commands.push("quit");
      else if (deed !== undefined && /[1-9]/.test(key)) commands.push({ deed, nodeId: key });
      else if (DEEDS[key] !== undefined) this.#letter = key;
    }
    return commands;
  }
}
