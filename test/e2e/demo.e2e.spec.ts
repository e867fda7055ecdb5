import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { brokers, waitFor } from '../support/stack.js';

const main = fileURLToPath(new URL('../../libs/local-stack/dist/demo/main.js', import.meta.url));
const small = ['--rows', '3000', '--rate', '60', '--writers', '2'];

/** The demo as its user starts it, on the run's shared broker, so with topics of its own. */
async function demo(...args: string[]) {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, HIGHWATER_KAFKA_BROKERS: (await brokers()).join() },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => said.push(text));
  const text = (): string => said.join('');
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, text, ended };
}

describe('npm run demo', () => {
  it(
    'does the whole job beside a writing application, says so line by line and exits 0',
    { timeout: 150_000 },
    async () => {
      const { text, ended } = await demo(...small);
      expect(await ended, text()).toBe(0);
      for (const line of [
        /rows filled by +sweep [1-9][\d,]* · live fill [1-9][\d,]* · tail pass [\d,]+ · bridge [1-9][\d,]* · application itself [1-9]/,
        /insert → filled +p50 [\d.]+ ms, p99/,
        /old application +errors 0 in/,
        /new application +errors 0 in/,
        /waits without us .*\n.*waits with us/,
        /DDL Response +set-not-null +ACCESS EXCLUSIVE +held/,
        /migration events +\d+ read from Kafka, 0 twice, 0 problems/,
        /oracle Group .* 0 NULL, 0 wrong/,
        /oracle Activity .* 0 NULL, 0 wrong/,
        /oracle Response .* 0 NULL, 0 wrong/,
        /left behind +none/,
        /all of it is right/,
      ])
        expect(text()).toMatch(line);
      // the stream ends because we finish, which is no break
      expect(text()).not.toMatch(/WRONG|stream-broken|cleaning/);
      expect(text()).toMatch(/condition +BridgeResolves +True/);
      expect(existsSync(/logs are in (\S+)/.exec(text())?.[1] ?? '')).toBe(false);
    },
  );

  it('Ctrl-C takes everything down and exits 130', { timeout: 90_000 }, async () => {
    const { child, text, ended } = await demo(...small);
    await waitFor('the control phase', () => text().includes('control phase'), { timeoutMs: 60_000, describe: text });
    child.kill('SIGINT');
    expect(await ended, text()).toBe(130);
    expect(text()).not.toMatch(/FAILED|cleaning/);
    expect(existsSync(/logs are in (\S+)/.exec(text())?.[1] ?? '')).toBe(false);
  });

  it.each([
    ['--rowz', '3'],
    ['--rows', 'many'],
  ])('refuses %s %s with exit code 64', async (...args) => {
    const { text, ended } = await demo(...args);
    expect(await ended).toBe(64);
    expect(text()).toContain(args[0]);
    expect(text()).toContain('npm run demo -- [options]');
  });
});
