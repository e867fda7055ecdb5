import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { failpointNames } from '@highwater/telemetry';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Rows of the tables of faults, with the source of every lib in one text. */
const rows = [...readdirSync(`${root}docs/faults`).map((name) => `${root}docs/faults/${name}`)]
  .flatMap((path) => readFileSync(path, 'utf8').split('\n'))
  .filter((line) => line.startsWith('| F'));
const sources = ['libs/roles/src', 'libs/target-db/src']
  .flatMap((folder) =>
    readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' }).map((name) => `${root}${folder}/${name}`),
  )
  .filter((path) => path.endsWith('.ts'))
  .map((path) => readFileSync(path, 'utf8'))
  .join('\n');

it.each(failpointNames)('failpoint %s is reached by the code and has a row among the faults', (name) => {
  expect(sources).toContain(`'${name}'`);
  expect(rows.filter((row) => row.includes(`\`${name}\``))).not.toEqual([]);
});
