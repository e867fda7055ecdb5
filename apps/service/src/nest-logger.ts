import type { LoggerService } from '@nestjs/common';
import type { Logger } from '@highwater/telemetry';

/** Nest's own log in ours: its start-up chatter is detail. */
export const nestLogger = (logger: Logger): LoggerService => ({
  log: (message: unknown) => logger.debug(String(message)),
  warn: (message: unknown) => logger.warn(String(message)),
  error: (message: unknown) => logger.error(message instanceof Error ? { err: message } : {}, 'nest reported an error'),
  debug: () => undefined,
  verbose: () => undefined,
  fatal: (message: unknown) => logger.fatal(message instanceof Error ? { err: message } : {}, 'nest failed'),
});
