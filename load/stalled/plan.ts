/** How the stalled-subscribers run is made up, and when it passes. */

export interface StalledPlan {
  /** Subscribers of each kind, sampled and stalled ones included. */
  readonly sse: number;
  readonly mqtt: number;
  /** Of them, how many stop reading; half of the MQTT ones are QoS 1. */
  readonly stalledSse: number;
  readonly stalledMqtt: number;
  /** Of them, how many are parsed and timed, and how many MQTT subscribers beside those are QoS 1. */
  readonly sampledEach: number;
  readonly qos1: number;
  readonly payloadBytes: number;
  readonly publishesPerSecond: number;
  /** Before anybody stalls: what latency is compared with. */
  readonly baselineSeconds: number;
  readonly stalledSeconds: number;
}

export const RESIDENT_MIB_MAX = 400;
/** How long the stalled ones may take to get everything once they read again. */
export const CATCH_UP_MS_MAX = 60_000;

export interface PhaseLatency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** The others do not slow down: within a half at the median and twice at p99, plus what the machine's own noise is worth. */
export function keepsPace(baseline: PhaseLatency, stalled: PhaseLatency): boolean {
  return stalled.p50Ms <= baseline.p50Ms * 1.5 + 10 && stalled.p99Ms <= baseline.p99Ms * 2 + 50;
}
