import { existsSync } from 'node:fs';
import { HighwaterError } from '@highwater/kernel';
import { forecastOf, parseSettings, type ForecastView } from '@highwater/roles';
import { cliCodes } from '../codes.js';
import { clean, json } from '../output.js';
import { whichMigration, type CommonOptions, type Session } from '../session.js';

export interface ForecastOptions extends CommonOptions {
  readonly exact?: boolean;
  readonly table?: string;
}

type Told = Pick<ForecastView, 'takenAt' | 'notes' | 'entities'> & {
  readonly tables: readonly (Omit<ForecastView['tables'][number], 'outcome'> &
    Partial<Pick<ForecastView['tables'][number], 'outcome'>>)[];
};

const sayEveryMs = 5_000;

/**
 * What would become of every row. Given a plan file, asked of the database itself, without a service and before there is a migration; of a migration,
 * what was foreseen when it was started beside what became of it. Reads only.
 */
export async function forecast(session: Session, what: string | undefined, options: ForecastOptions): Promise<void> {
  const isFile = what !== undefined && (/[./]/.test(what) || existsSync(what));
  const told = isFile ? await ofPlan(session, what, options) : await ofMigration(session, what, options);
  session.terminal.out(session.format === 'json' ? json(told) : textOf(told));
}

async function ofPlan(session: Session, path: string, options: ForecastOptions): Promise<Told> {
  let saidAt = performance.now();
  return forecastOf(parseSettings(session.environment), session.readPlanFile(path), {
    exact: options.exact === true,
    ...(options.table === undefined ? {} : { table: options.table }),
    signal: session.signal,
    onProgress: (table, rows) => {
      if (performance.now() - saidAt < sayEveryMs) return;
      saidAt = performance.now();
      session.say('forecast', `${table}: ${rows} rows looked at`, { table, rows });
    },
  });
}

async function ofMigration(session: Session, named: string | undefined, options: ForecastOptions): Promise<Told> {
  if (options.exact === true)
    throw new HighwaterError(
      cliCodes.usage,
      'never',
      '--exact looks at the database itself',
      {},
      'name the plan file instead of the migration',
    );
  const client = session.client(options);
  return client.forecast(await whichMigration(client, named), options.table);
}

function textOf({ entities, tables, notes }: Told): string {
  const parts = [...entities.map(entityText), ...tables.map(tableText)];
  return clean(`${[...parts, ...notes.map((note) => `note: ${note}`)].join('\n\n')}\n`);
}

function entityText({
  table,
  from,
  createdBy,
  sources,
  existing,
  missing,
  withoutIdentity,
  notes,
}: Told['entities'][number]): string {
  const will = createdBy === 'highwater' ? 'will be made' : 'are waited for';
  const told = `entities ${table} from ${from}: ${sources} sources, ${existing} are there, ${missing} ${will}`;
  const lines = [sources === null ? `entities ${table} from ${from}` : told];
  for (const { reason, rows, keys, sql } of withoutIdentity)
    lines.push(`  ${String(rows).padStart(9)}  ${reason}: ${examples(keys)}`, `             ${sql}`);
  return [...lines, ...notes.map((note) => `  note: ${note}`)].join('\n');
}

function tableText(one: Told['tables'][number]): string {
  const lines = [heading(one)];
  const under = (rows: number, what: string): void => void lines.push(`  ${String(rows).padStart(9)}  ${what}`);
  for (const { branch, rows } of one.branches) under(rows, branch);
  for (const { reason, rows, keys, sql } of one.unfillable) {
    under(rows, `${reason}: ${examples(keys)}`);
    lines.push(`             ${sql}`);
  }
  for (const { index, planned, groups, rows, keys, sql } of one.collisions) {
    lines.push(
      `  ${planned ? 'planned ' : ''}unique index ${index}: ${rows} rows would have ${groups} keys: ${examples(keys)}`,
    );
    lines.push(`             ${sql}`);
  }
  if (one.referentMissing) {
    const { rows, keys, sql } = one.referentMissing;
    under(rows, `have no parent, so the foreign key of the plan could not be validated: ${examples(keys)}`);
    lines.push(`             ${sql}`);
  }
  for (const note of one.notes) lines.push(`  note: ${note}`);
  return lines.join('\n');
}

function heading(one: Told['tables'][number]): string {
  const name = `${one.table}.${one.target}`;
  if (one.rowsSeen === null) return name;
  const about = one.sampledPercent === null ? '' : 'about ';
  const left = one.unfillable.reduce((sum, { rows }) => sum + rows, 0);
  const { outcome } = one;
  const became = outcome ? `; became: ${outcome.filled} filled, ${outcome.unfillable} listed as unfillable` : '';
  return `${name}: ${about}${one.rows} rows, ${one.alreadySet} have a value, ${one.filled} will get one, ${left} will not${became}`;
}

const examples = (keys: readonly (readonly string[])[]): string =>
  keys.length === 0 ? 'none seen' : keys.map((key) => (key.length === 1 ? key[0] : `(${key.join(', ')})`)).join(', ');
