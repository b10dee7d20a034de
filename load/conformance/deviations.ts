/**
 * What we fail on purpose: tests of others that ask for more than the standard does, or for something else, each with the clause
 * that we hold against it. Everything that fails and is not here is a failure.
 */

import { MQTTJS_TESTS } from "./names.js";

export interface Deviation {
  readonly suite: string;
  /** Which tests: matched against the whole name of a failure. */
  readonly pattern: RegExp;
  /** Clause of the standard, by its number there. */
  readonly clause: string;
  readonly reason: string;
}

export const DEVIATIONS: readonly Deviation[] = [
  {
    suite: MQTTJS_TESTS,
    pattern: /should emit error on invalid clientId$/,
    clause: "MQTT-3.1.3-5",
    reason: "its own server refuses the client identifier `invalid`, which every server has to accept",
  },
  {
    suite: MQTTJS_TESTS,
    pattern: /should resubscribe when clean=false and sessionPresent=false$/,
    clause: "MQTT-3.2.2-2",
    reason: "its own server says that there is no session when there is one",
  },
];

export function deviationOf(suite: string, name: string): Deviation | undefined {
  return DEVIATIONS.find((one) => one.suite === suite && one.pattern.test(name));
}
