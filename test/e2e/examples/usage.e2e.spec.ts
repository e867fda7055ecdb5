import { expect, it } from 'vitest';
import { example } from '../../support/example-run.js';

it('npm run example refuses an example that is not there with exit code 64, and names those that are', async () => {
  const { code, text } = await example('no-such-team');
  expect(code).toBe(64);
  for (const name of ['data-hub-tenancy', 'price-history-rls', 'personal-organizations', 'data-hub-recovery'])
    expect(text).toContain(name);
});
