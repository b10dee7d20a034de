/** How many packet identifiers there are, for a test that has the real ones replaced by so few. */
export const identifiers = { count: 65_535 };
