/** A state machine that tells what is applied before it applies it, and when a snapshot replaces its state. */
import type { StateMachine } from "../../cluster/state-machine.js";

/** The machine, with everything that is applied told to the history first; `onRestore` is called when a restore begins and when it is over. */
export function recorded(
  machine: StateMachine,
  tell: (entries: Parameters<StateMachine["apply"]>[0]) => void,
  onRestore: () => void,
): StateMachine {
  return {
    get durableIndex() {
      return machine.durableIndex;
    },
    apply(entries) {
      tell(entries);
      machine.apply(entries);
    },
    canRead: (data) => machine.canRead(data),
    pin: () => machine.pin(),
    async restore(source) {
      onRestore();
      await machine.restore(source);
      onRestore();
    },
  };
}
