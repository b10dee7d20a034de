/** Nodes that start and nodes that are given up: their connections count as lost. */
import type { Envelope, NodeDownCommand, NodeUpCommand } from "../commands/command.js";
import type { EffectList } from "./effect-list.js";
import type { CommandResult } from "./effects.js";
import type { NodeState } from "./nodes.js";
import { displace, loseConnections } from "./session-lifecycle.js";
import type { SessionState } from "./session-state.js";
import type { State } from "./state.js";
import { DONE } from "./topic-commands.js";

export function applyNodeUp(
  state: State,
  command: NodeUpCommand,
  envelope: Envelope,
  effects: EffectList,
): CommandResult {
  const { origin, incarnation } = envelope;
  const known = state.nodes.get(origin);
  if (known !== undefined && known.owner.incarnation < incarnation)
    loseConnections(state, sessionsOf(known), effects);
  state.nodes.start(origin, incarnation, command.mqtt);
  return DONE;
}

/** The node's connections are lost. A node that is alive hears of it and closes them. */
export function applyNodeDown(state: State, command: NodeDownCommand, effects: EffectList): CommandResult {
  const node = state.nodes.get(command.node);
  if (node?.owner.incarnation !== command.incarnation) return DONE;
  const sessions = sessionsOf(node);
  for (const session of sessions) displace(session, "node_down", effects);
  loseConnections(state, sessions, effects);
  state.nodes.down(node);
  return DONE;
}

/** The node that a client connects to, which may not have said that it started. */
export function nodeOf(state: State, node: string, incarnation: number, effects: EffectList): NodeState {
  const known = state.nodes.get(node);
  if (known?.owner.incarnation === incarnation) return known;
  if (known !== undefined) loseConnections(state, sessionsOf(known), effects);
  return state.nodes.start(node, incarnation, "");
}

/** In the order of their numbers: the order in which they connected is not part of the state. */
function sessionsOf(node: NodeState): readonly SessionState[] {
  return [...node.sessions].sort((a, b) => a.number - b.number);
}
