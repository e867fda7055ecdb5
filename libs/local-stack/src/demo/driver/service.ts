import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Guard } from '../../guard.js';
import { temporaryFolder } from '../../place.js';
import type { AccessUrls } from './access-roles.js';
import type { Stage } from './stage.js';
import { until } from './until.js';

const main = fileURLToPath(new URL('../../../../../dist/service.js', import.meta.url));
const LISTENING_MS_MAX = 60_000;

export interface RunningService {
  readonly url: string;
  readonly logFile: string;
  /** Why it ended, or undefined while it runs. */
  readonly ended: () => string | undefined;
  stop(): Promise<void>;
}

/** The service as a process of its own, below a guard: should we be killed, it does not outlive us. */
export async function startService(
  stage: Stage,
  urls: AccessUrls,
  settings: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<RunningService> {
  const logFile = join(stage.folder, 'service.log');
  const log = createWriteStream(logFile, { flags: 'a' });
  let url: string | undefined;
  const guard = new Guard(
    {
      directory: temporaryFolder('service'),
      files: {},
      before: [],
      server: { command: process.execPath, args: [main] },
      env: {
        ...urls,
        ...settings,
        ...(stage.brokers.length > 0 ? { HIGHWATER_KAFKA_BROKERS: stage.brokers.join(',') } : {}),
        HIGHWATER_TOPIC_PREFIX: stage.topicPrefix,
        HIGHWATER_HTTP: '127.0.0.1:0',
      },
      signals: { fast: 'SIGTERM', immediate: 'SIGTERM' },
    },
    (line) => {
      log.write(`${line}\n`);
      if (line.startsWith('{"listening":')) url ??= (JSON.parse(line) as { listening: string }).listening;
    },
  );
  const stop = async (): Promise<void> => {
    await guard.stop();
    await new Promise<void>((resolve) => log.end(resolve));
  };
  try {
    const listening = await until(
      'the service to listen',
      () => {
        if (guard.exited !== undefined)
          throw new Error(
            `the service ended with ${guard.exited}: ${guard.lastLines.slice(-3).join('\n')}; see ${logFile}`,
          );
        return url;
      },
      { timeoutMs: LISTENING_MS_MAX, signal, describe: () => guard.lastLines.at(-1) ?? 'no line of its log' },
    );
    return { url: listening, logFile, ended: () => guard.exited, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
