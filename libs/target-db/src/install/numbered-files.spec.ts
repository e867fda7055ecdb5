import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

/** Two files of one number would each install on a database that has the other, and fail on a new one. */
it('numbers each file of schema highwater once, without a gap, and each records its own number', () => {
  const folder = new URL('../../sql/', import.meta.url);
  const files = readdirSync(folder).sort();
  expect(files.map((name) => Number(name.slice(0, 4)))).toEqual(files.map((_, i) => i + 1));
  for (const [i, name] of files.entries())
    expect(readFileSync(new URL(name, folder), 'utf8')).toContain(
      `insert into highwater.schema_version (version) values (${i + 1});`,
    );
});
