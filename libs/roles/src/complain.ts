import { messageOf } from '@highwater/kernel';

interface ComplaintLog {
  debug(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

/**
 * Says what failed and will be tried again: at `warn` when it is news, at `debug` when it is what was said before, so that an outage of hours is one
 * line of the log and not one at every try.
 *
 * @returns what was said: the next time's `before`.
 */
export function complain(
  log: ComplaintLog,
  before: string | null | undefined,
  error: unknown,
  fields: object,
  text: string,
): string {
  const message = messageOf(error);
  log[message === before ? 'debug' : 'warn']({ ...fields, err: error }, text);
  return message;
}
