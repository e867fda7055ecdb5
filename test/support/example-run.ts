import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { brokers } from './stack.js';

const main = fileURLToPath(new URL('../../libs/local-stack/dist/example/main.js', import.meta.url));

/** The runner as its user starts it, on the run's shared broker, so with topics of its own. */
export async function example(...args: string[]): Promise<{ code: number | null; text: string }> {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, HIGHWATER_KAFKA_BROKERS: (await brokers()).join() },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => said.push(text));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, text: said.join('') };
}

/** What every report of a run with a stream says. */
const well: readonly RegExp[] = [
  /cutover with them +422 HW6011/,
  /old application +errors 0 in/,
  /new application +errors 0 in/,
  /migration events +\d+ read from Kafka, 0 twice, 0 problems/,
  /missing +none/,
  /left behind +none/,
  /export sql +.*: an equal catalog; down takes it back/,
  /export knex +.*: an equal catalog; down takes it back/,
  /export prisma +.*: an equal catalog/,
  /rollback +the catalog is what it was/,
  /rows changed +none/,
  /old version again +errors 0 in [1-9]/,
  /next for the team +1\. generate anew .*\n.*next for the team +2\. deploy the version/,
  /all of it is right/,
];

/** Runs one to its enforced end and back; its report must say `lines` too. */
export async function expectExample(name: string, lines: readonly RegExp[]): Promise<void> {
  const { code, text } = await example(name, '--rows', '5000');
  expect(code, text).toBe(0);
  for (const line of [...lines, ...well]) expect(text).toMatch(line);
  expect(text).not.toMatch(/WRONG|stream-broken|cleaning/);
  expect(existsSync(/logs are in (\S+)/.exec(text)?.[1] ?? '')).toBe(false);
}
