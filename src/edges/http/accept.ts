/** What a client wants to get (RFC 9110, 12.5.1): picks the best of the types that a route can give. Pure. */

interface MediaRange {
  readonly type: string;
  readonly quality: number;
}

function parseRange(part: string): MediaRange {
  const [type = "", ...parameters] = part.split(";").map((piece) => piece.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith("q="));
  const quality = weight === undefined ? 1 : Number(weight.slice(2));
  return { type, quality: Number.isFinite(quality) ? Math.min(1, Math.max(0, quality)) : 0 };
}

/** The weight that the most specific matching range gives to a type; 0 when none matches. */
function qualityOf(type: string, ranges: readonly MediaRange[]): number {
  const family = `${type.slice(0, type.indexOf("/"))}/*`;
  for (const candidate of [type, family, "*/*"]) {
    const range = ranges.find((one) => one.type === candidate);
    if (range !== undefined) return range.quality;
  }
  return 0;
}

/**
 * The offered type with the highest weight, the earlier offer on a tie; the first offer when nothing is asked for; `null` when
 * none is acceptable. `offers` are lower-case media types without parameters.
 */
export function preferredType<Offer extends string>(
  accept: string | undefined,
  offers: readonly [Offer, ...Offer[]],
): Offer | null {
  if (accept === undefined || accept.trim() === "") return offers[0];
  const ranges = accept.split(",").map(parseRange);
  let best: Offer | null = null;
  let bestQuality = 0;
  for (const offer of offers) {
    const quality = qualityOf(offer, ranges);
    if (quality > bestQuality) {
      best = offer;
      bestQuality = quality;
    }
  }
  return best;
}
