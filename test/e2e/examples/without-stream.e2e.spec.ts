import { expect, it } from 'vitest';
import { example } from '../../support/example-run.js';

it('without a stream the same end is reached: no Kafka, no slot, the sweep and the tail passes alone', async () => {
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
});
