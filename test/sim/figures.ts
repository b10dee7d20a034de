/** What many runs come to: seeds, simulated time, work done, faults by kind, and what was broken. */
import type { CampaignRow } from "../../load/reliability/record.js";
import { FAULT_KINDS } from "./fault-kind.js";
import type { Size } from "./profile.js";
import type { Mode, RunResult } from "./simulation.js";

const MS_PER_HOUR = 3_600_000;

/** A number by its name, summed over runs. */
class Sums {
  readonly #sums = new Map<string, number>();

  add(numbers: Readonly<Record<string, number>>): void {
    for (const [name, number] of Object.entries(numbers)) {
      this.#sums.set(name, (this.#sums.get(name) ?? 0) + number);
    }
  }

  /** Those of `names` first, in that order; then whatever else there is. */
  entries(names: readonly string[] = []): [string, number][] {
    const others = [...this.#sums.keys()].filter((name) => !names.includes(name));
    return [...names, ...others].flatMap((name) => {
      const sum = this.#sums.get(name);
      return sum === undefined ? [] : [[name, sum] as [string, number]];
    });
  }
}

/** Of all runs with one number of nodes. */
export class Figures {
  readonly nodes: Size;
  seeds = 0;
  violations = 0;
  simulatedMs = 0;
  /** Of one core. */
  cpuMs = 0;
  longestCpuMs = 0;
  readonly #work = new Sums();
  readonly #faults = new Sums();

  constructor(nodes: Size) {
    this.nodes = nodes;
  }

  add({ violation, simulatedMs, counts, faults }: RunResult, cpuMs: number): void {
    this.seeds += 1;
    if (violation !== null) this.violations += 1;
    this.simulatedMs += simulatedMs;
    this.cpuMs += cpuMs;
    this.longestCpuMs = Math.max(this.longestCpuMs, cpuMs);
    this.#work.add({ ...counts });
    this.#faults.add({ ...faults });
  }

  /** For the record: work as it is called, faults with a mark before their name. */
  row(mode: Mode): CampaignRow {
    return {
      name: `${this.nodes} nodes${mode === "both" ? "" : `, ${mode}`}`,
      rounds: this.seeds,
      violations: this.violations,
      figures: {
        "simulated hours": round(this.simulatedMs / MS_PER_HOUR),
        "core hours": round(this.cpuMs / MS_PER_HOUR),
        "times real time, one core": round(this.simulatedMs / Math.max(1, this.cpuMs)),
        "longest seed s": round(this.longestCpuMs / 1_000),
        ...Object.fromEntries(this.#work.entries()),
        ...Object.fromEntries(
          this.#faults.entries(FAULT_KINDS).map(([kind, count]) => [`fault: ${kind}`, count]),
        ),
      },
    };
  }

  /** A few lines for who waits at a terminal. */
  text(): string {
    const list = (entries: readonly [string, number][]): string =>
      entries.map(([name, count]) => `${name} ${count}`).join(", ");
    const { seeds, simulatedMs, cpuMs, violations } = this;
    const factor = round(simulatedMs / Math.max(1, cpuMs));
    return [
      `${this.nodes} nodes: seeds ${seeds}, simulated ${round(simulatedMs / MS_PER_HOUR)} h, ${factor} times real time on one core, violations ${violations}`,
      `  work: ${list(this.#work.entries())}`,
      `  faults: ${list(this.#faults.entries(FAULT_KINDS))}`,
    ].join("\n");
  }
}

function round(number: number): number {
  return Number(number.toPrecision(4));
}
