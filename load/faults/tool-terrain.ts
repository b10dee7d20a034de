/** Loopback, with each node in the hands of a tool: a program or a variable in front of it that makes its clock, disk or limits lie. */
import { findProgram } from "../lib/paths.js";
import { LoopbackTerrain, type Place } from "../lib/terrain.js";

/** What is changed of a node's place. */
export type Equipment = (id: number, place: Place) => Promise<Partial<Place>>;

export class ToolTerrain extends LoopbackTerrain {
  readonly #equip: Equipment;
  readonly #putAway: () => Promise<void>;

  /** `putAway` undoes what `equip` did, when the nodes have ended. */
  constructor(directory: string, equip: Equipment, putAway = async (): Promise<void> => undefined) {
    super(directory);
    this.#equip = equip;
    this.#putAway = putAway;
  }

  override async place(id: number): Promise<Place> {
    const place = await super.place(id);
    return { ...place, ...(await this.#equip(id, place)) };
  }

  override async close(): Promise<void> {
    await this.#putAway();
  }
}

/** A launcher that runs a node with variables of its own. */
export function withVariables(variables: Readonly<Record<string, string>>): readonly string[] {
  return [
    findProgram("env") ?? "env",
    ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
  ];
}

/** A launcher that runs a line of shell first: a limit, a group. */
export function afterShell(line: string): readonly string[] {
  return [findProgram("bash") ?? "bash", "-c", `${line} && exec "$0" "$@"`];
}
