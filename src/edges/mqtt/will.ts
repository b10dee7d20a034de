/**
 * The will: what the server publishes for a client whose connection closes without DISCONNECT (MQTT-3.1.2-8): an error, a takeover, silence,
 * a protocol error, an operator.
 */
import type { OutgoingMessage } from "../../commands/command.js";
import type { EdgeContext } from "./context.js";

export interface Will {
  readonly topic: string;
  readonly message: OutgoingMessage;
}

/** Publishes a will the way every message is published. A refusal is counted: nobody is left to be told. */
export function publishWill(context: EdgeContext, clientId: string, will: Will): void {
  const { broker, metrics, logger, autoCreate } = context;
  const { topic, message } = will;
  broker.submit(
    {
      kind: "publish",
      topic,
      messages: [message],
      autoCreate,
      idempotency: null,
      publisher: 0,
      receipt: null,
    },
    (result) => {
      if (result.kind !== "failed") return;
      metrics.dropped(result.code, 1);
      logger.warn({ clientId, topic, code: result.code }, "a will could not be published");
    },
  );
}
