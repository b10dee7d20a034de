/** A state machine that tells what is applied before it applies it. */
import type { StateMachine } from "../../cluster/state-machine.js";

/** The machine, with everything that is applied told to the history first. */
export function recorded(
  machine: StateMachine,
  tell: (entries: Parameters<StateMachine["apply"]>[0]) => void,
): StateMachine {
  return {
    get durableIndex() {
      return machine.durableIndex;
    },
    apply(entries) {
      tell(entries);
      machine.apply(entries);
    },
    pin: () => machine.pin(),
    restore: (source) => machine.restore(source),
  };
}
