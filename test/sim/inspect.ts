/** What must hold of a node that has just come up, or at rest: its store, its state and its answers agree with what was seen. */
import type { StoredMessage } from "../../src/state-machine/effects.js";
import type { Life } from "./life.js";
import { mayTrim } from "./profile.js";
import type { Setting } from "./setting.js";

async function messagesOf(life: Life, through: number): Promise<StoredMessage[]> {
  const messages: StoredMessage[] = [];
  for (const { id } of life.replica.machine.allTopics()) {
    for (let after = 0; after < through; ) {
      const query = { topics: { ids: [id] }, after, through, messagesMax: 100, bytesMax: 1 << 20 };
      const page = life.store.readRecent(query) ?? (await life.store.read(query));
      messages.push(...page.messages);
      after = page.next;
    }
  }
  return messages;
}

/** Every message is where it was seen first, once; what is missing was trimmed or deleted. */
async function checkStore({ world, ledger, profile }: Setting, id: string, life: Life): Promise<void> {
  const through = life.store.lastPosition;
  const there = new Set<number>();
  const { restores } = life;
  const messages = await messagesOf(life, through);
  // Read from two states, they say nothing.
  if (life.restores !== restores || restores % 2 === 1) return;
  for (const message of messages) {
    const { position } = message;
    world.check(!there.has(position), () => `node ${id} keeps position ${position} twice`);
    there.add(position);
    ledger.observe(`the store of node ${id}`, message);
  }
  for (const { position, topicId, id: messageId } of ledger.facts) {
    if (position > through) break;
    // Deleted by an entry that was applied once, it may be gone before this node has applied that entry again.
    if (there.has(position) || ledger.isDeleted(topicId)) continue;
    const isTrimmed = position <= life.store.trimmedThrough({ ids: [topicId] });
    world.check(
      mayTrim(profile) && isTrimmed,
      () => `node ${id} has lost ${messageId} at position ${position}`,
    );
  }
}

/** A node that applied as much as was ever applied has the state of one that never crashed. */
function checkState({ world, ledger, history }: Setting, id: string, life: Life): void {
  const { machine } = life.replica;
  if (machine.appliedIndex !== history.lastIndex) {
    const isBehind = machine.appliedIndex < history.lastIndex && !life.isAlone;
    world.check(
      isBehind,
      () => `node ${id} serves at entry ${machine.appliedIndex}, ${history.lastIndex} were applied`,
    );
    return;
  }
  world.check(
    machine.stateHash() === history.machine.stateHash(),
    () => `node ${id} has another state at entry ${machine.appliedIndex} than the history gives`,
  );
  world.check(
    life.store.lastPosition === ledger.head,
    () => `node ${id} ends at position ${life.store.lastPosition}, ${ledger.head} were seen`,
  );
  const expected = ledger.retained();
  const retained = machine.retainedMatching(() => true, life.broker.nowMs());
  for (const { topic, position } of retained) {
    const due = expected.get(topic.name);
    world.check(
      due === position,
      () => `node ${id} retains ${position} of ${topic.name}, ${due} is the last`,
    );
    expected.delete(topic.name);
  }
  for (const [topic, position] of expected) {
    const mayExpire = (ledger.at(position)?.expiresAtMs ?? 0) > 0;
    world.check(mayExpire, () => `node ${id} does not retain ${position} of ${topic}`);
  }
}

export async function inspect(setting: Setting, id: string, life: Life): Promise<void> {
  await checkStore(setting, id, life);
  if (!life.scope.alive || life.restores % 2 === 1) return;
  checkState(setting, id, life);
  const hash = life.replica.machine.stateHash();
  setting.world.tell(`n${id}`, `inspected: applied ${life.replica.appliedIndex}, state ${hash}`);
}
