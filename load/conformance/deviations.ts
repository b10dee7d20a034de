/**
 * What we fail on purpose: tests of others that ask for more than the standard does, or for something else, each with the clause
 * that we hold against it. Everything that fails and is not here is a failure.
 */
import { MQTTJS_TESTS, PAHO_5, SEQUENCES } from "./names.js";

export interface Deviation {
  readonly suite: string;
  /** Which tests: matched against the whole name of a failure. */
  readonly pattern: RegExp;
  /** Clause of the standard, by its number there; of 5.0 where nothing else is said. */
  readonly clause: string;
  readonly reason: string;
}

const OF_SEQUENCES: readonly Omit<Deviation, "suite">[] = [
  {
    pattern:
      /^(AUTH|CONNACK|DISCONNECT|PUBREL)\.json v5\.0 {3}\w+ ([0-9A-F]{2}( \[MQTT-3\.14\.1-1\]| unsolicited)?|issue 2163 v5)$/,
    clause: "MQTT-2.1.3-1",
    reason: "flags that are reserved make a packet malformed: reason 0x81, not 0x82",
  },
  {
    pattern: /^CONNECT\.json v3\.1 {3}CONNECT|^CONNACK\.json v3\.1\.1 CONNACK issue 2163 v3$/,
    clause: "MQTT-3.1.2-2",
    reason: "level 3 (MQTT 3.1) is not spoken here: CONNACK 0x01, unacceptable protocol level",
  },
  {
    pattern: /^CONNECT\.json v3\.1\.1 CONNECT 10 proto ver 2 \[MQTT-3\.1\.2-2\]$/,
    clause: "MQTT-3.1.2-2 of 3.1.1",
    reason:
      "a level below ours is answered in the form of 3.1.1, with 0x01; a client of that age knows no other",
  },
  {
    pattern: /^PUBLISH\.json v5\.0 {3}PUBLISH 30 topic 0$/,
    clause: "MQTT-3.3.2.1",
    reason: "an empty topic name without an alias is a protocol error: reason 0x82, not 0x81",
  },
  {
    pattern: /^PUBLISH\.json v(3\.1\.1|5\.0 {2}) PUBLISH 34 QoS 2 Dup flow\*3$/,
    clause: "MQTT-4.3.3-10",
    reason:
      "until PUBREL every PUBLISH with the identifier is answered with PUBREC; a limit of two is mosquitto's own",
  },
  {
    pattern: /^PUBLISH\.json v5\.0 {3}PUBLISH PUBLISH with \$ topic - /,
    clause: "MQTT-4.7.2",
    reason:
      "clients publish nothing below $SYS and $share: the topic name is not accepted, reason 0x90; mosquitto says not authorized",
  },
  {
    pattern: /^PUBLISH\.json v5\.0 {3}PUBLISH ALLOWED PROPERTIES topic alias > max topic alias$/,
    clause: "MQTT-3.3.2-9",
    reason:
      "an alias of 11 is one of those that our CONNACK allows; the test is written for a server that allows 10",
  },
  {
    pattern: /^PUBREC\.json v5\.0 {3}PUBREC (50 unsolicited len=(2|3|4 ok)|ALLOWED PROPERTIES 50 with .*)$/,
    clause: "MQTT-3.6.2.1",
    reason: "PUBREL to an identifier that is not known says so with 0x92",
  },
  {
    pattern: /^PUBREL\.json v5\.0 {3}PUBREL (62 unsolicited len=.*|ALLOWED PROPERTIES 62 with .*)$/,
    clause: "MQTT-3.7.2.1",
    reason: "PUBCOMP to an identifier that is not known says so with 0x92",
  },
  {
    pattern: /^FORBIDDEN\.json v5\.0 {3}FORBIDDEN 00 remaining length 5 bytes$/,
    clause: "MQTT-4.13.1",
    reason:
      "a length of five bytes is closed without DISCONNECT, whatever the type, as these files want it of every other type: it may be no MQTT at all",
  },
  {
    pattern: /^FORBIDDEN\.json v5\.0 {3}FORBIDDEN 0A with illegal length C0$/,
    clause: "MQTT-2.1.1",
    reason:
      "C0 is no illegal length but the first byte of one: a fixed header is judged when it is whole, and a client that stops within one is ended by its keep-alive",
  },
];

const OF_MQTTJS: readonly Omit<Deviation, "suite">[] = [
  {
    pattern: /should emit error on invalid clientId$/,
    clause: "MQTT-3.1.3-5",
    reason: "its own server refuses the client identifier `invalid`, which every server has to accept",
  },
  {
    pattern: /should resubscribe when clean=false and sessionPresent=false$/,
    clause: "MQTT-3.2.2-2",
    reason: "its own server says that there is no session when there is one",
  },
  {
    pattern: /should provide connack packet with connect event$/,
    clause: "MQTT-3.2.2-2",
    reason:
      "its own server says that there is a session when there is none, in a CONNACK that races with the broker's",
  },
  {
    pattern: /MQTT 5\.0 > Maximum Packet Size$/,
    clause: "MQTT-3.1.2-24",
    reason:
      "its own server sends CONNACK to a client that takes packets of one byte; a broker must not, and closes the connection",
  },
  {
    pattern: /MQTT 5\.0 > (auth packet|should throw an error if there is Auth Data with no Auth Method)$/,
    clause: "MQTT-3.1.2.11.10",
    reason:
      "authentication data without a method is refused with a protocol error, which the first of the two tests hears in the second",
  },
];

export const DEVIATIONS: readonly Deviation[] = [
  {
    suite: PAHO_5,
    pattern: /^test_subscribe_failure$/,
    clause: "MQTT-3.9.3",
    reason:
      "a filter that nobody may subscribe to is answered with 0x87, not authorized; the test wants 0x80, for which there is no better reason",
  },
  ...OF_SEQUENCES.map((one) => ({ ...one, suite: SEQUENCES })),
  ...OF_MQTTJS.map((one) => ({ ...one, suite: MQTTJS_TESTS })),
];

export function deviationOf(suite: string, name: string): Deviation | undefined {
  return DEVIATIONS.find((one) => one.suite === suite && one.pattern.test(name));
}
