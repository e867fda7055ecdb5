/** To the second look of a session: as soon as its first hints can be stored. */
const secondLookMs = 20;

/**
 * Time to the next look at publication and topic, without which nothing is acknowledged: the first of a session at once, the next ones soon, then twice as
 * long each time, up to `everyMs`. A session that is cut off several times a second acknowledges what it stored until then, or each would send the same again.
 */
export const nextLookMs = (looksBefore: number, everyMs: number): number =>
  looksBefore === 0 ? 0 : Math.min(everyMs, secondLookMs * 2 ** Math.min(looksBefore - 1, 30));
