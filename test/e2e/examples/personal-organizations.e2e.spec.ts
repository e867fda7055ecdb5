import { it } from 'vitest';
import { expectExample } from '../../support/example-run.js';

it('personal-organizations runs to its enforced end: bad rows listed as seeded, repaired, oracle agrees on every row, no application error', async () =>
  await expectExample('personal-organizations', [
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
  ]));
