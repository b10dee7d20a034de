/**
 * Envelopes as bytes: what a proposal is in the Raft log and between peers. Versioned, and held still by golden files.
 * The format is described in codec/format.ts.
 */
export { decodeEnvelope } from "./codec/decode.js";
export { EnvelopeEncoder } from "./codec/encode.js";
export { FORMAT_VERSION } from "./codec/format.js";
