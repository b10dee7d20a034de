/** What the gateway writes down, and how it is read: one line for each thing that happens to a test. */
import { z } from "zod";

const LINE = z.object({
  /** Its groups and its name. */
  test: z.string(),
  /** `relayed`: its client speaks to the broker. `threw`: a handler did, which fails the test whatever it says afterwards. */
  event: z.enum(["began", "relayed", "threw", "passed", "failed"]),
  detail: z.string().optional(),
});
export type TestLine = z.infer<typeof LINE>;

export interface Outcome {
  /** Null until it has ended. */
  passed: boolean | null;
  detail: string;
  relayed: boolean;
}

/** Undefined for what is printed besides. */
export function testLine(text: string): TestLine | undefined {
  return text.startsWith('@{"test":') ? LINE.parse(JSON.parse(text.slice(1))) : undefined;
}

/** Outcomes by test; the first failure counts, and one that did not end has failed. */
export class Outcomes {
  readonly all = new Map<string, Outcome>();

  add({ test, event, detail = "" }: TestLine): void {
    const outcome = this.all.get(test) ?? { passed: null, detail: "did not end", relayed: false };
    this.all.set(test, outcome);
    if (event === "relayed") outcome.relayed = true;
    if (event === "began" || event === "relayed" || outcome.passed === false) return;
    outcome.passed = event === "passed";
    outcome.detail = detail;
  }
}
