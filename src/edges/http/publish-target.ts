/**
 * Where a publish goes and how, from the request target alone. Publishers repeat themselves: the last few thousand targets are
 * remembered with all their checks done and the topic's name ready for the answer.
 */
import { JangadaError } from "../../errors.js";
import { Query } from "./query.js";
import { topicNameOf } from "./topic-path.js";

/** The longest time to live, seconds: what MQTT 5 can say (Message Expiry Interval, 3.3.2.3.3). */
const EXPIRES_SECONDS_MAX = 4_294_967_295;
const TARGETS_MAX = 4_096;
/** Longer targets are worked out each time, so that the memory of targets stays small. */
const TARGET_LENGTH_MAX = 512;

export interface PublishTarget {
  readonly name: string;
  /** The name as JSON. */
  readonly json: string;
  /** Whether `json` has as many bytes as characters. */
  readonly isAscii: boolean;
  readonly retain: boolean;
  /** 0 for never. */
  readonly expiresSeconds: number;
  readonly qos: 0 | 1 | 2;
  /** False for `?ack=none`: answered as soon as it is queued. */
  readonly acknowledged: boolean;
}

function qosOf(query: Query): 0 | 1 | 2 {
  const qos = query.integer("qos", 0, 2);
  return qos === 0 || qos === 2 ? qos : 1;
}

function isAcknowledged(query: Query): boolean {
  const ack = query.one("ack");
  if (ack !== undefined && ack !== "none") {
    throw new JangadaError("invalid_request", "?ack= is either none or left out");
  }
  return ack === undefined;
}

/** Works out a target. Throws `invalid_topic` or `invalid_request`. */
export function publishTargetOf(url: string): PublishTarget {
  const name = topicNameOf(url);
  const query = new Query(url);
  const json = JSON.stringify(name);
  return {
    name,
    json,
    isAscii: Buffer.byteLength(json) === json.length,
    retain: query.flag("retain"),
    expiresSeconds: query.integer("expires", 1, EXPIRES_SECONDS_MAX) ?? 0,
    qos: qosOf(query),
    acknowledged: isAcknowledged(query),
  };
}

export class PublishTargets {
  readonly #known = new Map<string, PublishTarget>();

  /** The target of a request. Throws `invalid_topic` or `invalid_request`. */
  of(url: string): PublishTarget {
    const known = this.#known.get(url);
    if (known !== undefined) return known;
    const target = publishTargetOf(url);
    if (url.length <= TARGET_LENGTH_MAX) {
      if (this.#known.size >= TARGETS_MAX) this.#known.clear();
      this.#known.set(url, target);
    }
    return target;
  }
}
