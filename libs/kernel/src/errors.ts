/** Whether, and how, a caller may try again. `reconcile`: the outcome is unknown, look at the server first. */
export type Retry = 'never' | 'backoff' | 'reconcile';

/** `HW` + 4 digits: 1 plan, 2 preflight, 3 stream, 4 fill, 5 cutover, 6 API and events, 9 environment. Documented in docs/errors.md. */
export type ErrorCode = `HW${1 | 2 | 3 | 4 | 5 | 6 | 9}${string}`;

/** Values that may be logged and shown: never row data, never credentials. */
export type ErrorContext = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/**
 * The one error type that crosses a lib boundary.
 * Message grammar: lower case; what failed, on which object, observed against expected, next act.
 */
export class HighwaterError extends Error {
  override readonly name = 'HighwaterError';
  constructor(
    readonly code: ErrorCode,
    readonly retry: Retry,
    message: string,
    readonly context: ErrorContext = {},
    /** What to do, as one sentence or one command; shown on a line of its own. */
    readonly help?: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

export const isHighwaterError = (error: unknown): error is HighwaterError => error instanceof HighwaterError;

/** Text of anything thrown, for a log line. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
