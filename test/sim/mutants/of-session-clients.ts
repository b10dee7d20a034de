/** Rules of shares, of sessions that end, of wills that wait, of subscriptions and what is retained: each broken by itself. */
import { edit, type Mutant, mutant } from "./mutant.js";

const MACHINE = "dist/src/state-machine";
const MQTT = "dist/src/edges/mqtt";

export const MUTANTS_OF_SESSION_CLIENTS: readonly Mutant[] = [
  mutant({
    name: "a message of a share goes to two members",
    rule: "MQTT 5.0, 4.8.2: to one of the sessions",
    nodes: 1,
    edits: edit(
      `${MACHINE}/shared-group.js`,
      "if (this.#give(item, position, false, effects))\n            return;",
      "if (this.#give(item, position, false, effects)) {\n            this.#give(item, position, false, effects);\n            return;\n        }",
    ),
    shows: /which is with/,
  }),
  mutant({
    name: "what a member of a share held is not given on",
    rule: "reliability 12; ARCHITECTURE: QoS 1 of a member that leaves goes to others",
    nodes: 1,
    edits: edit(`${MACHINE}/shared-group.js`, "const items = member.takeReturnable();", "const items = [];"),
    shows: /for its share/,
  }),
  mutant({
    name: "what a member of a share is done with is given on",
    rule: "reliability 7: acknowledged is over",
    nodes: 1,
    edits: edit(
      `${MACHINE}/shared-member.js`,
      "return this.#sent.delete(position) || this.#received.delete(position);",
      "return this.#sent.has(position) || this.#received.delete(position);",
    ),
    shows: /which was done with/,
  }),
  mutant({
    name: "what went at QoS 2 is given on to another member",
    rule: "MQTT-4.8.2-4",
    nodes: 1,
    edits: edit(
      `${MACHINE}/shared-member.js`,
      ".filter(({ qos }) => qos === 1)",
      ".filter(({ qos }) => qos > 0)",
    ),
    shows: /went to .* at QoS 2/,
  }),
  mutant({
    name: "a member that unsubscribed is given more of its share",
    rule: "MQTT-3.10.4-2",
    nodes: 1,
    edits: edit(
      `${MACHINE}/shared-group.js`,
      "unsubscribe(member) {\n        this.#setTerms(member, false, 0);",
      "unsubscribe(member) {",
    ),
    shows: /and had left it/,
  }),
  mutant({
    name: "a session ends after half its time",
    rule: "MQTT 5.0, 3.1.2.11.2",
    nodes: 1,
    edits: edit(
      `${MACHINE}/session-state.js`,
      "nowMs + this.expirySeconds * 1000",
      "nowMs + this.expirySeconds * 500",
    ),
    shows: /is not there as|is published, and is not due/,
  }),
  mutant({
    name: "a session does not end when its time is over",
    rule: "MQTT 5.0, 3.1.2.11.2",
    nodes: 1,
    edits: edit(
      `${MACHINE}/session-state.js`,
      "return this.expirySeconds === SESSION_NEVER_EXPIRES ? 0",
      "return this.expirySeconds > 0 ? 0",
    ),
    shows: /is there as|is due, and is not published/,
  }),
  mutant({
    name: "a clean start finds the session",
    rule: "MQTT-3.1.2-4",
    nodes: 1,
    edits: edit(
      `${MACHINE}/session-commands.js`,
      "if (cleanStart || known.expirySeconds === 0) {",
      "if (known.expirySeconds === 0) {",
    ),
    shows: /is there as/,
  }),
  mutant({
    name: "a clean start is told of a new session, and gets the old one",
    rule: "MQTT-3.1.2-4",
    nodes: 1,
    edits: [
      ...edit(
        `${MACHINE}/session-commands.js`,
        "if (cleanStart || known.expirySeconds === 0) {",
        "if (known.expirySeconds === 0) {",
      ),
      ...edit(
        `${MACHINE}/session-commands.js`,
        "present: present !== undefined }",
        "present: present !== undefined && !command.cleanStart }",
      ),
    ],
    shows: /older than what it asked for|never asked for|this session never had/,
  }),
  mutant({
    name: "a will that is to wait is published at once",
    rule: "MQTT 5.0, 3.1.3.2.2",
    nodes: 1,
    edits: edit(
      `${MACHINE}/session-lifecycle.js`,
      "if (delaySeconds === 0)\n        publishWill",
      "if (delaySeconds >= 0)\n        publishWill",
    ),
    shows: /is published, and is not due/,
  }),
  mutant({
    name: "a will that waits is not called off by another connection",
    rule: "MQTT-3.1.3-9",
    nodes: 1,
    edits: [
      ...edit(
        `${MACHINE}/session-lifecycle.js`,
        "if (session.will?.delaySeconds === 0)\n        publishWill",
        "if (session.will !== null)\n        publishWill",
      ),
      ...edit(
        `${MACHINE}/session-commands.js`,
        "if (known.owner !== null)\n        replaceConnection",
        "if (known.epoch > 0)\n        replaceConnection",
      ),
    ],
    shows: /is published, and is not due/,
  }),
  mutant({
    name: "a will that waited stays in the session when it was published",
    rule: "MQTT-3.1.2-10: once",
    nodes: 1,
    edits: edit(
      `${MACHINE}/session-lifecycle.js`,
      "publishWill(state, session, effects);\n        state.sessions.touch(session, CHANGED_SESSION);",
      "const { will } = session;\n        publishWill(state, session, effects);\n        state.sessions.setWill(session, will);",
    ),
    shows: /is published, and is not due|a second time/,
  }),
  mutant({
    name: "a will that waits is forgotten",
    rule: "MQTT 5.0, 3.1.3.2.2",
    nodes: 1,
    edits: edit(
      `${MACHINE}/session-lifecycle.js`,
      "session.willAtMs = timeMs + delaySeconds * 1000;",
      "session.willAtMs = 0;",
    ),
    shows: /is due, and is not published/,
  }),
  mutant({
    name: "DISCONNECT with 0x04 forgets the will",
    rule: "MQTT 5.0, 3.14.2.1",
    nodes: 1,
    edits: edit(
      `${MQTT}/handlers/handle-disconnect.js`,
      "client.leave(reason !== Reason.Success, granted);",
      "client.leave(false, granted);",
    ),
    shows: /nobody said goodbye/,
  }),
  mutant({
    name: "UNSUBSCRIBE is answered and not committed",
    rule: "MQTT-3.10.4-2; ARCHITECTURE: committed before it is said",
    nodes: 1,
    edits: edit(
      `${MQTT}/handlers/handle-unsubscribe.js`,
      "replicated.push({ at, name });",
      "replicated.splice(0);",
    ),
    shows: /for which it is not subscribed|and had left it/,
  }),
  mutant({
    name: "UNSUBSCRIBE is committed and ends nothing",
    rule: "MQTT-3.10.4-2",
    nodes: 1,
    edits: edit(`${MACHINE}/subscription-commands.js`, "present.end = this.#head;", "present.end = 0;"),
    shows: /for which it is not subscribed/,
  }),
  mutant({
    name: "an empty retained message deletes nothing",
    rule: "reliability 11: an empty payload deletes",
    nodes: 1,
    edits: edit(`${MACHINE}/retained.js`, "this.delete(id);\n            return;", "return;"),
    shows: /retains \d+ of|as retained, which it was not/,
  }),
  mutant({
    name: "Retain Handling 2 is taken for 0",
    rule: "MQTT 5.0, 3.8.3.1",
    nodes: 1,
    edits: edit(
      `${MACHINE}/subscription-commands.js`,
      "if (retainHandling === 2 || (retainHandling === 1 && existed))",
      "if (retainHandling === 1 && existed)",
    ),
    shows: /as retained/,
  }),
  mutant({
    name: "Retain Handling 1 is taken for 0",
    rule: "MQTT-3.3.1-10",
    nodes: 1,
    edits: edit(
      `${MACHINE}/subscription-commands.js`,
      "if (retainHandling === 2 || (retainHandling === 1 && existed))",
      "if (retainHandling === 2)",
    ),
    shows: /as retained once more|as retained, and never asked/,
  }),
  mutant({
    name: "SUBSCRIBE brings nothing that is retained",
    rule: "MQTT-3.3.1-9",
    nodes: 1,
    edits: edit(
      `${MACHINE}/subscription-commands.js`,
      "if (this.#asking.size > 0)\n            this.#addPass();",
      "",
    ),
    shows: /which is retained/,
  }),
  mutant({
    name: "what was retained after SUBSCRIBE comes as retained",
    rule: "MQTT-3.3.1-9, 3.3.1-12",
    nodes: 1,
    edits: edit(
      `${MQTT}/delivery/retained-feed.js`,
      "message?.position === plan.positionAt(pass.next)",
      "message !== undefined",
    ),
    shows: /as retained, which it was not|as retained once more/,
  }),
  mutant({
    name: "Clean Session 0 of 3.1.1 keeps no session",
    rule: "MQTT 3.1.1, 3.1.2.4",
    nodes: 1,
    edits: edit(
      `${MQTT}/packets/connect.js`,
      "const keepsSession = level === LEVEL_3_1_1 && !cleanStart;",
      "const keepsSession = level === LEVEL_3_1_1 && cleanStart;",
    ),
    shows: /is not what is committed/,
  }),
  mutant({
    name: "a 3.1.1 client with Clean Session 1 gets its old session",
    rule: "MQTT-3.1.2-6",
    nodes: 1,
    edits: edit(
      `${MQTT}/packets/connect.js`,
      "        cleanStart,\n",
      "        cleanStart: cleanStart && level !== LEVEL_3_1_1,\n",
    ),
    shows: /is not what is committed/,
  }),
  mutant({
    name: "a session goes on behind what was sent to it, acknowledged or not",
    rule: "reliability 7; MQTT-4.4.0-1",
    nodes: 1,
    edits: edit(
      `${MQTT}/delivery/own-subscription.js`,
      "resume({ subscriptions, live }) {",
      "resume({ subscriptions, live: before, sentThrough }) {\n        const live = { ...before, through: Math.max(before.through, sentThrough) };",
    ),
    shows: /once more|lacks position|never got position|PUBREL for/,
  }),
  mutant({
    name: "a connection that was taken over stays up",
    rule: "reliability 12; MQTT-3.1.4-3",
    nodes: 3,
    edits: edit(
      `${MQTT}/server.js`,
      "this.#context.clients.of(session, epoch)?.displaced(reason);",
      "void [session, epoch, reason];",
    ),
    shows: /the end of an earlier connection/,
  }),
  mutant({
    name: "a retained message that is replaced is given up where a client may have it",
    rule: "MQTT-4.4.0-1, 4.3.3: PUBREL comes",
    nodes: 1,
    edits: edit(`${MACHINE}/open-passes.js`, "if (message.qos < 2)", "if (message.qos < 3)"),
    shows: /lacks PUBREL/,
  }),
];
