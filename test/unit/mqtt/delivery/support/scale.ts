/** For a test that has the real ones replaced by so few: packet identifiers that there are, messages that may be in flight and unsettled. */
export const REAL = { ids: 65_535, inflightMax: 1_024, unsettledMax: 4_096 };
export const scale = { ...REAL };
