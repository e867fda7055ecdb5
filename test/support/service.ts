import { afterAll, beforeAll } from 'vitest';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { createEngine, parseSettings, type Engine, type Environment, type ProcessRole } from '@highwater/roles';
import { createLogger } from '@highwater/telemetry';
import { buildService, closeService, listen } from '../../apps/service/src/service.js';
import { stopEngine } from './stop-engine.js';

/** One service in this process over a database of its own, with the given process roles; listens on a free port. */
export function useService(
  database: () => Promise<string>,
  roles: readonly ProcessRole[],
  more: Environment = {},
): { url: () => string; engine: () => Engine; databaseUrl: () => string } {
  let started: { app: NestExpressApplication; engine: Engine; url: string; databaseUrl: string } | undefined;
  beforeAll(async () => {
    const databaseUrl = await database();
    const settings = parseSettings({ HIGHWATER_DATABASE_URL: databaseUrl, HIGHWATER_HTTP: '127.0.0.1:0', ...more });
    const logger = createLogger({ name: 'spec', level: 'silent' });
    const engine = await createEngine(settings, logger);
    const app = await buildService(engine, settings, logger);
    started = { app, engine, url: await listen(app, settings.http), databaseUrl };
    await engine.start(roles);
  });
  afterAll(async () => {
    if (!started) return;
    await closeService(started.app);
    await stopEngine(started.engine);
    started = undefined;
  });
  const running = () => {
    if (!started) throw new Error('useService: the service runs only inside of tests and hooks');
    return started;
  };
  return { url: () => running().url, engine: () => running().engine, databaseUrl: () => running().databaseUrl };
}
