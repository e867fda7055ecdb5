import { describe, expect, it } from 'vitest';
import { HighwaterError } from '@highwater/kernel';
import { createLogger } from './logger.js';
import { redactText, redactUrl } from './redact.js';

function logged(write: (logger: ReturnType<typeof createLogger>) => void): Record<string, unknown> & { raw: string } {
  const lines: string[] = [];
  write(createLogger({ name: 'spec', destination: { write: (line: string) => lines.push(line) } }));
  const raw = lines.join('');
  return { ...(JSON.parse(raw) as Record<string, unknown>), raw };
}

const canary = 'canary-4711';
const driverError = Object.assign(new Error(`duplicate key value: ${canary}`), {
  code: '23505',
  detail: `Key (email)=(${canary}) already exists.`,
  where: canary,
  parameters: [canary],
});

describe('logger', () => {
  it('shows code, message, context and help of our own error', () => {
    const error = new HighwaterError('HW9001', 'never', 'it failed', { table: 'public.x' }, 'do this');
    expect(logged((logger) => logger.error({ err: error }, 'failed')).err).toMatchObject({
      code: 'HW9001',
      message: 'it failed',
      context: { table: 'public.x' },
      help: 'do this',
    });
  });

  it.each([
    ['as err', (logger: ReturnType<typeof createLogger>) => logger.error({ err: driverError }, 'failed')],
    ['as error', (logger: ReturnType<typeof createLogger>) => logger.error({ error: driverError }, 'failed')],
    [
      'in the place of the fields, with a message',
      (logger: ReturnType<typeof createLogger>) => logger.error(driverError, 'failed'),
    ],
    [
      'as cause',
      (logger: ReturnType<typeof createLogger>) =>
        logger.error(
          { err: new HighwaterError('HW9001', 'never', 'x', {}, undefined, { cause: driverError }) },
          'failed',
        ),
    ],
  ])('never lets a row value of a driver error through, given %s', (_how, write) => {
    expect(logged(write).raw).not.toContain(canary);
  });

  it('takes credentials out of URLs, alone and within a text', () => {
    expect(redactUrl('postgres://u:hunter2@db:5432/x?sslkey=/k')).toBe('postgres://u:***@db:5432/x?sslkey=***');
    expect(redactUrl('not a url hunter2')).toBe('(unreadable URL)');
    expect(redactText('connect postgres://u:hun@ter2@db/x failed')).toBe('connect postgres://u:***@db/x failed');
    const raw = logged((logger) => logger.error(new Error('no route to postgres://u:hunter2@db/x'))).raw;
    expect(raw).not.toContain('hunter2');
  });
});
