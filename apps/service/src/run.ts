import { notDrained, type CreateEngine, type Settings, type Wait } from '@highwater/roles';
import type { Logger } from '@highwater/telemetry';
import { buildService, closeService, listen } from './service.js';

const signals = { SIGINT: 130, SIGTERM: 143 } as const;

export interface RunOptions {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly createEngine: CreateEngine;
  /** Called once, when requests are answered. */
  readonly announce: (url: string) => void;
}

/**
 * The service from start to listening; ends by signal.
 *
 * ```
 * starting ─▶ listening ─▶ working ─SIGTERM─▶ draining ─▶ exit 0
 *                                               │ second signal, or 19 s over ─▶ exit 130 / 143 / 1 at once
 * ```
 * Nothing durable is in the process: an exit at any arrow costs the work under way, which rolls back.
 */
export async function run({ settings, logger, createEngine, announce }: RunOptions): Promise<void> {
  process.on('unhandledRejection', (error) => die(logger, error, 'a promise was rejected and nobody looked'));
  process.on('uncaughtException', (error) => die(logger, error, 'uncaught exception'));

  const engine = await createEngine(settings, logger, { waitForDatabase: true });
  const app = await buildService(engine, settings, logger);
  let draining = false;
  for (const [signal, code] of Object.entries(signals)) {
    process.on(signal, () => {
      if (draining) process.exit(code);
      draining = true;
      logger.info({ signal }, 'draining: no new work; what is under way ends or rolls back');
      void drain().then(
        () => process.exit(0),
        (error: unknown) => die(logger, error, 'draining failed'),
      );
    });
  }
  const drain = async (): Promise<void> => {
    let requests: Wait[] = [{ what: 'the requests under way', since: new Date() }];
    const answered = closeService(app).then(() => (requests = []));
    const late = await notDrained(Promise.all([answered, engine.stop()]), () => [...requests, ...engine.waitsFor()]);
    if (late !== null) throw new Error(late);
    logger.info('drained');
  };

  announce(await listen(app, settings.http));
  logger.info({ roles: settings.roles, node: process.version }, 'listening; starting process roles');
  if (!draining) await engine.start(settings.roles);
}

function die(logger: Logger, error: unknown, what: string): never {
  logger.fatal({ err: error }, what);
  process.exit(1);
}
