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
  it('does the whole job beside a writing application, entities and all, says so line by line and exits 0', async () => {
    const { text, ended } = await demo('--rows', '5000');
    expect(await ended, text()).toBe(0);
    for (const line of [
      /listed +Group InputNull: 5, as seeded and made/,
      /listed +Activity InputNull: 9, as seeded and made/,
      /listed +Response InputNull: 20, as seeded and made/,
      /listed +DataExport InputNull: \d+, which is allowed/,
      /listed +AuditLog NoMatch: 6, which is allowed/,
      /listed +AuditLog Ambiguous: 9, which is allowed/,
      /moved after fill +1, and the verification named 1/,
      /cutover with them +422 HW6011/,
      /assertion +organizations without a workspace: 0/,
      /assertion +members without a membership: 0/,
      /rows filled by +sweep [1-9][\d,]* · live fill [1-9][\d,]* · tail pass [1-9][\d,]* · bridge [1-9]/,
      /old application +errors 0 in/,
      /new application +errors 0 in/,
      /waits without us .*\n.*waits with us/,
      /DDL Response +set-not-null +ACCESS EXCLUSIVE +held/,
      /migration events +\d+ read from Kafka, 0 twice, 0 problems/,
      /oracle Group .* 0 NULL, 0 wrong/,
      /oracle Activity .* 0 NULL, 0 wrong/,
      /oracle Response .* 0 NULL, 0 wrong/,
      /oracle Workspace +[\d,]+ rows, 0 NULL, 0 wrong/,
      /oracle WorkspaceMembership +[\d,]+ rows, 0 NULL, 0 wrong/,
      /missing +none/,
      /left behind +none/,
      /rollback +the catalog is what it was/,
      /rows changed +none/,
      /made WorkspaceMembership: [1-9][\d,]*, of which 0 stay/,
      /old version again +errors 0 in [1-9]/,
      /all of it is right/,
    ])
      expect(text()).toMatch(line);
    // the stream ends because we finish, which is no break
    expect(text()).not.toMatch(/WRONG|stream-broken|cleaning/);
    expect(text()).toMatch(/condition +BridgeResolves +True/);
    expect(existsSync(/logs are in (\S+)/.exec(text())?.[1] ?? '')).toBe(false);
  });

  it('Ctrl-C takes everything down and exits 130', async () => {
    const { child, text, ended } = await demo(...small);
    await waitFor('the old application alone', () => text().includes('without Highwater'), { describe: text });
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
