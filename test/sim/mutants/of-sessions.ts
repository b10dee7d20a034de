/** Rules of sessions, wills, receipts and keys as clients meet them, each broken by itself. */
import { edit, type Mutant, mutant } from "./mutant.js";

const MACHINE = "dist/src/state-machine";
const MQTT = "dist/src/edges/mqtt";

export const MUTANTS_OF_SESSIONS: readonly Mutant[] = [
  mutant({
    name: "PUBREC is sent before the publish is committed",
    rule: "reliability 1 and 8",
    nodes: 3,
    edits: edit(
      `${MQTT}/handlers/handle-publish.js`,
      "if (qos === 2 && isRepeated(client, packetId))\n        return;",
      "if (qos === 2 && isRepeated(client, packetId))\n        return;\n    if (qos === 2)\n        publishes.answer(PacketType.Pubrec, packetId);",
    ),
    shows: /PUBREC for/,
  }),
  mutant({
    name: "a packet identifier is not released by PUBREL",
    rule: "reliability 8: until PUBREL",
    nodes: 1,
    edits: edit(
      `${MACHINE}/progress-commands.js`,
      "if (session.releaseIncoming(command.packetId))",
      "if (session === null)",
    ),
    shows: /which is nowhere|not within/,
  }),
  mutant({
    name: "what is sent again is sent without DUP",
    rule: "reliability 4 and 7: redelivery is marked",
    nodes: 1,
    edits: edit(
      `${MQTT}/delivery/live-feed.js`,
      "const again = qos > 0 && this.#resumption?.mayBeSent(position) === true;",
      "const again = false;",
    ),
    shows: /without DUP|twice|stands for|not within/,
  }),
  mutant({
    name: "a connection that replaces another loses its will",
    rule: "reliability 12; MQTT-3.1.3-9",
    nodes: 1,
    edits: edit(
      `${MACHINE}/session-lifecycle.js`,
      "if (session.will?.delaySeconds === 0)",
      "if (session === null)",
    ),
    shows: /lacks its will|is due, and is not published/,
  }),
  mutant({
    name: "the will of a client that said goodbye is published",
    rule: "reliability 12; MQTT-3.14.4-3",
    nodes: 1,
    edits: edit(`${MACHINE}/session-commands.js`, "if (!command.withWill)", "if (command === null)"),
    shows: /goodbye|is published, and is not due/,
  }),
  mutant({
    name: "every session is said to have been there",
    rule: "reliability 12: session-present tells the truth",
    nodes: 1,
    edits: edit(`${MACHINE}/session-commands.js`, "present: present !== undefined }", "present: true }"),
    shows: /never had|is there as/,
  }),
  mutant({
    name: "a session that was there is said to be new",
    rule: "reliability 12: session-present tells the truth",
    nodes: 1,
    edits: edit(`${MACHINE}/session-commands.js`, "present: present !== undefined }", "present: false }"),
    shows: /finds its session gone|is not there as/,
  }),
  mutant({
    name: "a key is good for another body",
    rule: "reliability 9: another body gives 409",
    nodes: 1,
    edits: edit(`${MACHINE}/publish.js`, "if (first.digest !== digest)", "if (first === null)"),
    shows: /under the key of another|is acknowledged at|messages acknowledged/,
  }),
  mutant({
    name: "what is retained is the first of its topic",
    rule: "reliability 11: the last in log order",
    nodes: 1,
    edits: edit(
      `${MACHINE}/publish.js`,
      "if (message === retained)",
      "if (message === retained && offset < 3)",
    ),
    shows: /retain/,
  }),
];
