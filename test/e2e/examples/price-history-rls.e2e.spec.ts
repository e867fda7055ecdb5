import { it } from 'vitest';
import { expectExample } from '../../support/example-run.js';

it('price-history-rls runs to its enforced end: bad rows listed as seeded, repaired, oracle agrees on every row, no application error', async () =>
  await expectExample('price-history-rls', [
    /listed +price_history InputNull: 11, as seeded and made/,
    /listed +price_history ParentMissing: 7, as seeded and made/,
    /moved after fill +5, and the verification named 5/,
    /row security +tenant_isolation_policy on public\.price_history, after its approval; foretold: [1-9][\d,]* rows to 2\d tenants, 0 to nobody/,
    /tenants apart +without a tenant 0 rows; 10 tenants looked at, each with rows, 0 of another's/,
  ]));
