/**
 * Packet identifiers of deliveries: derived from the message's position, so that they are the same for every subscriber (and stand in the
 * shared bytes) and on every node (and no node has to tell another).
 */

/** Identifiers are 1 to 65,535 (MQTT 5.0, 2.2.1). A test has fewer. */
const PACKET_IDS = 65_535;

/** The identifier of every QoS 1 and 2 delivery of the message at this position. */
export function packetIdOf(position: number, ids = PACKET_IDS): number {
  return ((position - 1) % ids) + 1;
}

/**
 * Whether another position above `after` and up to `through` has the identifier of `position`: two deliveries that must not be under way
 * at a time.
 */
export function isSharedWithin(position: number, after: number, through: number, ids = PACKET_IDS): boolean {
  if (through <= after) return false;
  const highest = through - ((((through - position) % ids) + ids) % ids);
  return (highest === position ? highest - ids : highest) > after;
}

/** The lowest position above `after` whose deliveries have this identifier. */
export function positionAbove(after: number, id: number, ids = PACKET_IDS): number {
  return after + 1 + ((id - packetIdOf(after + 1, ids) + ids) % ids);
}
