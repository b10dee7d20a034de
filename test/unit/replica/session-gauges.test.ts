/** What GET /metrics says of sessions and shares. */
import { expect, it } from "vitest";
import { registerSessionGauges } from "../../../src/replica/session-gauges.js";
import { createMetrics } from "../../../src/runtime/metrics.js";
import { open, willOf } from "../state-machine/session-script.js";
import { ShareScript } from "../state-machine/share-script.js";

it("says what is there, and counts what was dropped", async () => {
  const script = new ShareScript({ sharedOutstandingMax: 1, sharedBacklogMax: 1 });
  const metrics = createMetrics();
  registerSessionGauges(metrics, () => script.driver.machine);
  const lines = async (): Promise<string[]> => {
    const { text } = await metrics.expose();
    return text.split("\n").filter((line) => /^jangada_(sessions|session_sub|wil|sha)/.test(line));
  };
  script.join("a");
  script.publish(1, 4);
  script.publish(0);
  script.driver.apply(open("b", { will: willOf("gone") }));
  script.driver.apply({ kind: "displace-session", clientId: "b", forget: false });
  const expected = [
    'jangada_sessions{state="connected"} 1',
    'jangada_sessions{state="offline"} 1',
    "jangada_session_subscriptions 1",
    'jangada_wills_total{outcome="published"} 1',
    'jangada_wills_total{outcome="dropped"} 0',
    "jangada_shares 1",
    'jangada_shared_messages{state="held"} 1',
    'jangada_shared_messages{state="waiting"} 1',
    'jangada_shared_messages_dropped_total{reason="no_room"} 2',
    'jangada_shared_messages_dropped_total{reason="ended"} 0',
    'jangada_shared_messages_dropped_total{reason="unheard"} 1',
  ];
  expect(await lines()).toEqual(expected);
  expect(await lines()).toEqual(expected);
});
