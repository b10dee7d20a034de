/** What the benchmark is expected to reach, as ratios to the peer measured in the same run. */

/** HTTP publishes/s over the naive Node app's, by number of SSE subscribers. */
export const HTTP_TARGETS: ReadonlyMap<number, number> = new Map([
  [50, 10],
  [100, 15],
  [500, 40],
  [1000, 60],
  [2000, 100],
]);

/** Deliveries/s from one publisher to 500 subscribers at QoS 0, over mosquitto's. */
export const FANOUT_TARGET = 3;

/** Acknowledged publishes/s at QoS 1, over mosquitto's, which does not fsync. */
export const QOS1_TARGET = 0.6;
