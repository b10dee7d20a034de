/** Packets with all that they may have, for tests that spoil them. */
import { bytes, packet } from "../../../mqtt/support/raw-client.js";

/** One good packet of each kind, by level. */
export const GOOD_PACKETS: Readonly<Record<4 | 5, readonly Buffer[]>> = {
  4: [
    packet(0x10, bytes("00 04 'MQTT' 04 ee 00 3c 00 02 'ab' 00 01 't' 00 01 'w' 00 01 'u' 00 01 'p'")),
    packet(0x33, bytes("00 03 'a/b' 00 01 'payload'")),
    packet(0x40, bytes("00 01")),
    packet(0x62, bytes("00 01")),
    packet(0x82, bytes("00 01 00 03 'a/+' 01 00 01 '#' 00 00 0a '$share/g/a' 02")),
    packet(0xa2, bytes("00 01 00 03 'a/+' 00 01 '#'")),
    packet(0xe0),
  ],
  5: [
    packet(
      0x10,
      bytes("00 04 'MQTT' 05 ee 00 3c 0f 11 00 00 00 01 15 00 01 'm' 16 00 00 21 00 01 00 02 'ab'"),
      bytes("0a 18 00 00 00 01 02 00 00 00 01 00 01 't' 00 01 'w' 00 01 'u' 00 01 'p'"),
    ),
    packet(
      0x33,
      bytes(
        "00 03 'a/b' 00 01 19 01 01 02 00 00 00 01 26 00 01 'a' 00 01 'b' 03 00 01 'c' 08 00 01 'r' 23 00 01",
      ),
      bytes("'payload'"),
    ),
    packet(0x40, bytes("00 01 00 06 1f 00 03 'why'")),
    packet(0x62, bytes("00 01 92 00")),
    packet(0x82, bytes("00 01 02 0b 07 00 03 'a/+' 2d 00 01 '#' 00 00 0a '$share/g/a' 02")),
    packet(0xa2, bytes("00 01 07 26 00 01 'a' 00 01 'b' 00 03 'a/+' 00 01 '#'")),
    packet(0xe0, bytes("04 05 11 00 00 00 01")),
    packet(0xf0, bytes("18 08 15 00 01 'm' 16 00 01 'd'")),
  ],
};
