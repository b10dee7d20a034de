/** The numbers of replicated sessions, wills and shared subscriptions. All nodes apply the same log, so that each gives (nearly) the same. */
import type { Metrics } from "../runtime/metrics.js";
import type { Machine } from "../state-machine/machine.js";

/** `machine`: the present one, asked for each time. */
export function registerSessionGauges(metrics: Metrics, machine: () => Machine): void {
  metrics.gauges("sessions", "Sessions of the whole group, by state", "state", () => {
    const { sessions, connected } = machine().sessionCounts();
    return [
      ["connected", connected],
      ["offline", sessions - connected],
    ];
  });
  metrics.gauge(
    "session_subscriptions",
    "Subscriptions in replicated sessions",
    () => machine().sessionCounts().subscriptions,
  );
  metrics.totals("wills", "Wills whose time came, by outcome", "outcome", () => {
    const { willsPublished, willsDropped } = machine().sessionCounts();
    return [
      ["published", willsPublished],
      ["dropped", willsDropped],
    ];
  });
  metrics.gauge("shares", "Shared subscriptions, by name and filter", () => machine().sharedCounts().shares);
  metrics.gauges(
    "shared_messages",
    "Messages that members of shares have not acknowledged, and that wait for a member with room",
    "state",
    () => {
      const { held, waiting } = machine().sharedCounts();
      return [
        ["held", held],
        ["waiting", waiting],
      ];
    },
  );
  metrics.totals(
    "shared_messages_dropped",
    "Messages of shares that no member got: no room was left; their session or the last subscription ended; QoS 0 and nobody had room",
    "reason",
    () => {
      const { lost, ended, unheard } = machine().sharedCounts();
      return [
        ["no_room", lost],
        ["ended", ended],
        ["unheard", unheard],
      ];
    },
  );
}
