import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import { isHighwaterError } from '@highwater/kernel';
import { redactText } from './redact.js';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** `logger.info({ migrationId, rows }, 'sentence')`; JSON, one record a line. Give errors as `err`. */
export type Logger = PinoLogger;

export interface LoggerOptions {
  /** Process role or app: `service`, `relay`, `cli`. */
  readonly name: string;
  readonly level?: LogLevel;
  /** Default: stdout. The CLI gives stderr, its stdout belongs to the answer. */
  readonly destination?: DestinationStream;
}

/**
 * What of an error may be logged: an allow-list, since PostgreSQL's DETAIL and WHERE and a driver's parameters carry row values
 * (SECURITY S15). `cause` is followed for its code alone.
 */
export function loggedError(error: unknown): Readonly<Record<string, unknown>> {
  if (isHighwaterError(error)) {
    const { code, retry, message, context, help, stack, cause } = error;
    return {
      code,
      retry,
      message: redactText(message),
      context: redactContext(context),
      ...(help === undefined ? {} : { help }),
      ...(cause === undefined ? {} : { cause: codeOf(cause) }),
      frames: framesOf(stack),
    };
  }
  if (!(error instanceof Error)) return { type: typeof error };
  // A driver's message can quote a value as long as it has a SQLSTATE; the code says enough there.
  const code = codeOf(error);
  const message = /^[0-9A-Z]{5}$/.test(code) ? `SQLSTATE ${code}` : redactText(error.message);
  return { type: error.name, code, message, frames: framesOf(error.stack) };
}

/** Pino's JSON logger with our serializer. Any level can be set live: `logger.level = 'debug'`. */
export function createLogger({ name, level = 'info', destination }: LoggerOptions): Logger {
  const options = {
    name,
    level,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: loggedError, error: loggedError },
    // pino would log an Error given in the fields' place by itself, message and all properties of it
    hooks: {
      logMethod(this: PinoLogger, args: Parameters<PinoLogger['info']>, method: PinoLogger['info']): void {
        const [first, ...rest] = args as unknown as [unknown, ...unknown[]];
        if (first instanceof Error) {
          Reflect.apply(method, this, [{ err: first }, rest.length > 0 ? rest[0] : redactText(first.message)]);
        } else {
          Reflect.apply(method, this, args);
        }
      },
    },
  };
  return destination ? pino(options, destination) : pino(options);
}

const codeOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';

/** The call sites alone: the first lines of a stack repeat the message. */
const framesOf = (stack: string | undefined): readonly string[] =>
  (stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 6)
    .map((line) => line.trim());

const redactContext = (context: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(context).map(([name, value]) => [name, typeof value === 'string' ? redactText(value) : value]),
  );
