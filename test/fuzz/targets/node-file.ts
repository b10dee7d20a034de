/** node.json: an identity that is whole, or one of two coded errors; what is written is read back as it was. */
import { FatalError } from "../../../src/errors.js";
import { encodeIdentity, parseIdentity } from "../../../src/replica/node-identity.js";
import { must, type Target } from "../target.js";

const CODES: ReadonlySet<string> = new Set(["store_corrupt", "data_version"]);
const TICKET = { clusterId: "c", members: [{ id: "1", peer: "127.0.0.1:7001", role: "learner" }] };

export const target: Target = {
  name: "node-file",
  inputBytesMax: 512,
  seeds: () => [
    Buffer.from('{"version":1,"nodeId":"1"}'),
    // Of a release that wrote no checksum: what is changed in it is met by the checks behind that.
    Buffer.from('{"version":2,"nodeId":"1","tag":"00ff","incarnation":5,"ticket":null,"hasRun":true}'),
    Buffer.from(
      encodeIdentity({ version: 2, nodeId: "1", tag: "00ff", incarnation: 5, ticket: TICKET, hasRun: true }),
    ),
    Buffer.from(
      encodeIdentity({ version: 2, nodeId: "7", tag: "ab", incarnation: 0, ticket: null, hasRun: false }),
    ),
  ],
  dictionary: [
    '"ticket":{}',
    '"members":[]',
    '"hasRun":true',
    '"version":2',
    '"check":0',
    "9007199254740990",
    "1e308",
    "-0",
    "{}",
  ],
  run: (input) => {
    try {
      const identity = parseIdentity("node.json", input.toString("utf8"));
      must(Number.isSafeInteger(identity.incarnation + 1), "an incarnation that cannot grow");
      must(identity.version === 1 || identity.tag !== "", "a directory without a tag");
      for (const { id, peer, role } of identity.ticket?.members ?? []) {
        must(
          [id, peer, role].every((text) => typeof text === "string"),
          "a ticket with something else than texts",
        );
      }
      const text = encodeIdentity(identity);
      const isSame = identity.version === 1 || encodeIdentity(parseIdentity("", text)) === text;
      must(isSame, "written again, it reads otherwise");
    } catch (error) {
      if (!(error instanceof FatalError) || !CODES.has(error.code)) throw error;
    }
  },
};
