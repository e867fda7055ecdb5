import { formatDuration } from '@highwater/kernel';
import type { PlannedTable } from '@highwater/plan';
import {
  bridgeDefinition,
  fillRowsSupposed,
  guardStatements,
  nullIndexName,
  publicationStatement,
  setNotNullStatements,
  checkName,
  streamName,
  type FillTarget,
} from '@highwater/target-db';
import { publishedTables } from '../control/acts/open-stream.js';
import type { ResolvedPlan } from '../control/resolve.js';

/** One step of a migration as `plan` shows it, before anything is done. */
export interface PlannedStep {
  readonly step: string;
  readonly table: string | null;
  /** Strongest lock on the table; rows only: `ROW`. */
  readonly lock: string;
  /** What the application may notice. */
  readonly effect: string;
  readonly sql: readonly string[];
}

/** Everything that will be done, in order, with the very statements (`$n`: what each chunk or attempt puts in). */
export function describePlan({ plan, targets, catalog }: ResolvedPlan): readonly PlannedStep[] {
  const { limits } = plan;
  const budget = `waits and holds at most ${formatDuration(limits.lockBudgetMs)} together, ${limits.lockAttempts} attempts`;
  const steps: PlannedStep[] = [];
  const each = (make: (target: FillTarget, entry: PlannedTable) => PlannedStep | readonly PlannedStep[]): void => {
    for (const target of targets) {
      const entry = plan.tables[target.targetNo];
      if (entry) steps.push(...[make(target, entry)].flat());
    }
  };
  const step = (
    name: string,
    target: FillTarget,
    lock: string,
    effect: string,
    sql: readonly string[],
  ): PlannedStep => ({
    step: name,
    table: target.derivation.table.ident,
    lock,
    effect,
    sql,
  });

  each((target, entry) =>
    entry.target.addColumn
      ? step('expand', target, 'ACCESS EXCLUSIVE', budget, [
          `alter table ${target.derivation.table.ident} add column ${target.derivation.target.ident} ${entry.target.type}`,
        ])
      : [],
  );
  const name = streamName(targets[0]?.short ?? '', 1);
  if (plan.stream !== null) {
    steps.push({
      step: 'stream',
      table: null,
      lock: 'SHARE UPDATE EXCLUSIVE',
      effect: 'writers go on; the slot waits for every transaction open in the cluster',
      sql: [
        publicationStatement(name, publishedTables(targets)),
        `select pg_create_logical_replication_slot('${name}', 'pgoutput')`,
      ],
    });
  }
  each((target) =>
    step('sweep and live fill', target, 'ROW', `rows locked for less than ${formatDuration(limits.rowBudgetMs)}`, [
      fillRowsSupposed(target),
    ]),
  );
  each((target) => {
    const { table, key, target: column } = target.derivation;
    const keys = key.map((one) => one.ident).join(', ');
    return step('index over what is left', target, 'SHARE UPDATE EXCLUSIVE', 'writers go on', [
      `create index concurrently ${nullIndexName(target)} on ${table.ident} (${keys}) where ${column.ident} is null`,
    ]);
  });
  each((target) => {
    const mode = plan.cutover.mode === 'bridge' ? 'assign' : 'observe';
    const { createFunction, createTrigger } = bridgeDefinition(target, { mode, reports: plan.stream !== null });
    return step('bridge', target, 'SHARE ROW EXCLUSIVE', budget, [createFunction, createTrigger]);
  });
  each((target, entry) => {
    if (!entry.notNull) return [];
    const validate = `alter table ${target.derivation.table.ident} validate constraint ${checkName(target)}`;
    return [
      step('cutover: guard', target, 'ACCESS EXCLUSIVE', budget, guardStatements(target)),
      step('cutover: validate', target, 'SHARE UPDATE EXCLUSIVE', 'writers go on', [validate]),
      step('cutover: enforce', target, 'ACCESS EXCLUSIVE', budget, setNotNullStatements(target)),
    ];
  });
  each((target, entry) => finishers(target, entry, catalog, budget));
  return steps;
}

function finishers(
  target: FillTarget,
  entry: PlannedTable,
  catalog: ResolvedPlan['catalog'],
  budget: string,
): readonly PlannedStep[] {
  const { table, target: column } = target.derivation;
  const identOf = (name: string): string =>
    name === column.name ? column.ident : (table.columns.get(name)?.ident ?? quoted(name));
  const indexes = Object.entries(entry.indexes).map(([name, columns]) => ({
    step: 'index',
    table: table.ident,
    lock: 'SHARE UPDATE EXCLUSIVE',
    effect: 'writers go on',
    sql: [`create index concurrently ${quoted(name)} on ${table.ident} (${columns.map(identOf).join(', ')})`],
  }));
  if (!entry.references) return indexes;
  const wanted = entry.references.table;
  const parent = catalog.tables.find((one) => one.name === wanted.name && one.schema === (wanted.schema ?? 'public'));
  const to = parent?.ident ?? quoted(wanted.name);
  const foreignKey = {
    step: 'foreign key',
    table: table.ident,
    lock: 'SHARE ROW EXCLUSIVE',
    effect: `on ${to} too; ${budget}; validated afterwards while writers go on`,
    sql: [`alter table ${table.ident} add foreign key (${column.ident}) references ${to} not valid`],
  };
  return [...indexes, foreignKey];
}

/** For showing only: what is executed takes its identifiers from the catalog. */
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
