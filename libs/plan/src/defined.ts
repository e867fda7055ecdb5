/** The keys that were written with a value: one without says nothing, and overrides nothing. */
export const defined = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as T;
