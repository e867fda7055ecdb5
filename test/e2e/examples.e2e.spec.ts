import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { brokers } from '../support/stack.js';

const main = fileURLToPath(new URL('../../libs/local-stack/dist/example/main.js', import.meta.url));

/** The runner as its user starts it, on the run's shared broker, so with topics of its own. */
async function example(...args: string[]): Promise<{ code: number | null; text: string }> {
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

/** organization-to-workspace is the demo, see there. What the report of each must say beside "all of it is right": the seeded numbers of 5,000 rows, and what the application adds. */
const examples: readonly (readonly [string, readonly RegExp[]])[] = [
  [
    'data-hub-tenancy',
    [
      /listed +Connection UniqueConflict Connection_workspaceId_provider_key: 14, as seeded and made/,
      /listed +Connection ParentMissing: 5, as seeded and made/,
      /listed +MetricDaily ParentMissing: 10, as seeded and made/,
      /listed +Insight ParentMissing: 6, as seeded and made/,
      /listed +ChatMessage ParentMissing: 7, as seeded and made/,
      /moved after fill +4, and the verification named 4/,
      /pre-check .*19 rows of public\.Connection have no workspaceId/,
    ],
  ],
  [
    // scenario A of the paper, as it was found; the others and the printed commands: test/integration/recovery.int.spec.ts
    'data-hub-recovery',
    [
      /listed +Connection UniqueConflict Connection_workspaceId_provider_key: 14, as seeded and made/,
      /listed +Connection ParentMissing: 5, as seeded and made/,
      /end state +14 of 14 hold/,
      /kept +values of public\."ChatMessage"\."workspaceId": the plan has no journal/,
    ],
  ],
  [
    'price-history-rls',
    [
      /listed +price_history InputNull: 11, as seeded and made/,
      /listed +price_history ParentMissing: 7, as seeded and made/,
      /moved after fill +5, and the verification named 5/,
      /row security +tenant_isolation_policy on public\.price_history, after its approval; foretold: [1-9][\d,]* rows to 2\d tenants, 0 to nobody/,
      /tenants apart +without a tenant 0 rows; 10 tenants looked at, each with rows, 0 of another's/,
    ],
  ],
  [
    'personal-organizations',
    [
      /listed +projects InputNull: 8, as seeded and made/,
      /listed +projects EntityMissing: 12, as seeded and made/,
      /listed +organizations InputNull: 8, as seeded and made/,
      /listed +organizations ParentMissing: 6, as seeded and made/,
      /listed +organizations UniqueConflict organizations_slug_key: 6, as seeded and made/,
      /moved after fill +4, and the verification named 4/,
      /assertion +projects without an organization: 0/,
      /assertion +owners who are no members: 0/,
      /assertion +users with projects and without an organization: 0/,
      /oracle organizations +[\d,]+ rows, 0 NULL, 0 wrong/,
      /made organizations: [1-9][\d,]*, of which [1-9]\d* stay, [1-9]\d* because rows refer to them/,
    ],
  ],
];

describe('npm run example', () => {
  it.each(examples)(
    '%s runs to its enforced end: bad rows listed as seeded, repaired, oracle agrees on every row, no application error',
    { timeout: 400_000 },
    async (name, lines) => {
      const { code, text } = await example(name, '--rows', '5000');
      expect(code, text).toBe(0);
      for (const line of [
        ...lines,
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
        /all of it is right/,
      ])
        expect(text).toMatch(line);
      expect(text).not.toMatch(/WRONG|stream-broken|cleaning/);
      expect(existsSync(/logs are in (\S+)/.exec(text)?.[1] ?? '')).toBe(false);
    },
  );

  it(
    'without a stream the same end is reached: no Kafka, no slot, the sweep and the tail passes alone',
    { timeout: 400_000 },
    async () => {
      const { code, text } = await example('price-history-rls', '--rows', '5000', '--stream', 'none');
      expect(code, text).toBe(0);
      for (const line of [
        /listed +price_history InputNull: 11, as seeded and made/,
        /moved after fill +5, and the verification named 5/,
        /rows filled by +sweep [1-9][\d,]* · tail pass [1-9][\d,]* · .*nobody reports without a stream/,
        /old application +errors 0 in/,
        /oracle price_history +[\d,]+ rows, 0 NULL, 0 wrong/,
        /row security +tenant_isolation_policy on public\.price_history, after its approval; .* 0 to nobody/,
        /tenants apart +without a tenant 0 rows; 10 tenants looked at, each with rows, 0 of another's/,
        /left behind +none/,
        /rollback +the catalog is what it was/,
        /rows changed +none/,
        /old version again +errors 0 in [1-9]/,
        /all of it is right/,
      ])
        expect(text).toMatch(line);
      expect(text).not.toMatch(/WRONG|Kafka|slot/);
    },
  );

  it('refuses an example that is not there with exit code 64, and names those that are', async () => {
    const { code, text } = await example('no-such-team');
    expect(code).toBe(64);
    for (const [name] of examples) expect(text).toContain(name);
  });
});
