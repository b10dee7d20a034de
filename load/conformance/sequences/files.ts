/** The sequence files of a mosquitto checkout: groups of conversations with a broker, each a list of packets to send and to receive. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { packetOf } from "./script.js";

const TRAITS = {
  /** 3, 4 or 5: level of the protocol. */
  ver: z.number().optional(),
  /** Whether an ordinary CONNECT goes before. */
  connect: z.boolean().optional(),
  /** Whether the broker has to close the connection in the end. */
  expect_disconnect: z.boolean().optional(),
};

const PACKET = { payload: z.string(), comment: z.string().optional() };
const TOPIC = { topic: z.string(), qos: z.union([z.literal(0), z.literal(1), z.literal(2)]) };
const MESSAGE = z.discriminatedUnion("type", [
  z.object({ type: z.literal("send"), ...PACKET }),
  z.object({ type: z.literal("recv"), ...PACKET }),
  z.object({
    type: z.literal("external_publish"),
    ...TOPIC,
    payload: z.string(),
    retain: z.boolean().optional(),
  }),
]);

const FILE = z.array(
  z.object({
    group: z.string(),
    disable: z.boolean().optional(),
    ...TRAITS,
    tests: z.array(z.object({ name: z.string(), ...TRAITS, msgs: z.array(MESSAGE) })),
  }),
);

export type Step =
  | { readonly kind: "send"; readonly bytes: Buffer }
  | { readonly kind: "receive"; readonly bytes: Buffer; readonly comment: string }
  | {
      readonly kind: "publish";
      readonly topic: string;
      readonly qos: 0 | 1 | 2;
      readonly payload: string;
      readonly retain: boolean;
    };

export interface Sequence {
  readonly file: string;
  /** Group and test. */
  readonly name: string;
  readonly level: number;
  readonly connects: boolean;
  readonly closes: boolean;
  readonly steps: readonly Step[];
}

type Message = z.infer<typeof MESSAGE>;

function stepOf(message: Message): Step {
  switch (message.type) {
    case "send":
      return { kind: "send", bytes: packetOf(message.payload) };
    case "recv":
      return { kind: "receive", bytes: packetOf(message.payload), comment: message.comment ?? "" };
    case "external_publish": {
      const { topic, qos, payload, retain = false } = message;
      return { kind: "publish", topic, qos, payload, retain };
    }
  }
}

/** The sequences of one file's text, in its order. Throws when it is not what we know. */
export function sequencesOf(file: string, text: string): readonly Sequence[] {
  return FILE.parse(JSON.parse(text))
    .filter(({ disable }) => disable !== true)
    .flatMap((group) =>
      group.tests.map((test) => ({
        file,
        name: `${group.group} ${test.name}`,
        level: test.ver ?? group.ver ?? 4,
        connects: test.connect ?? group.connect ?? true,
        closes: test.expect_disconnect ?? group.expect_disconnect ?? true,
        steps: test.msgs.map(stepOf),
      })),
    );
}

/** All sequences in a directory, file by file. */
export function readSequences(directory: string): readonly Sequence[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .flatMap((name) => sequencesOf(name, readFileSync(join(directory, name), "utf8")));
}
