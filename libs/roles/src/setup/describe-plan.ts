import { formatDuration } from '@highwater/kernel';
import type { PlannedTable } from '@highwater/plan';
import {
  bridgeDefinition,
  bridgeName,
  sweepStatement,
  guardStatements,
  nullIndexColumns,
  nullIndexName,
  publicationStatement,
  rowSecurityStatements,
  setNotNullStatements,
  streamName,
  checkName,
  type FillTarget,
} from '@highwater/target-db';
import { publishedSources, publishedTables } from '../control/published-tables.js';
import type { PlannedStep } from '../control/port.js';
import type { ResolvedPlan } from '../control/resolve.js';

/** Everything that will be done, in order, with the very statements (`$n`: what each chunk or attempt puts in). */
export function describePlan({ plan, targets, entities, catalog }: ResolvedPlan): readonly PlannedStep[] {
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
        publicationStatement(name, publishedTables(targets, publishedSources(entities))),
        `select pg_create_logical_replication_slot('${name}', 'pgoutput')`,
      ],
    });
  }
  each((target) =>
    step('sweep and live fill', target, 'ROW', `rows locked for less than ${formatDuration(limits.rowBudgetMs)}`, [
      sweepStatement(target),
    ]),
  );
  each((target) => {
    const { table, target: column } = target.derivation;
    const keys = nullIndexColumns(target).join(', ');
    return step('index over what is left', target, 'SHARE UPDATE EXCLUSIVE', 'writers go on', [
      `create index concurrently ${nullIndexName(target)} on ${table.ident} (${keys}) where ${column.ident} is null`,
    ]);
  });
  each((target) => {
    const mode = plan.cutover.mode === 'bridge' ? 'assign' : 'observe';
    const { createFunction, createTrigger } = bridgeDefinition(target, { mode, reports: plan.stream !== null });
    return step('bridge', target, 'SHARE ROW EXCLUSIVE', budget, [createFunction, createTrigger]);
  });
  for (const [name, query] of Object.entries(plan.assertions))
    steps.push({
      step: 'assertion',
      table: null,
      lock: 'none',
      effect: `"${name}" must find 0; read only, at most 30 s, with each verification`,
      sql: [query.trim()],
    });
  each((target, entry) =>
    Object.entries(entry.unique).map(([name, columns]) =>
      step('unique index', target, 'SHARE UPDATE EXCLUSIVE', 'writers go on; two rows of one key are listed first', [
        indexSql(target, name, columns, 'unique '),
      ]),
    ),
  );
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
  each((target, { rowLevelSecurity: planned }) =>
    planned === undefined
      ? []
      : step('row level security', target, 'ACCESS EXCLUSIVE', `after an approval of its own; ${budget}`, [
          ...rowSecurityStatements(
            { target, planned },
            { policy: quoted(planned.policy), roles: planned.roles.map(quoted) },
          ),
        ]),
  );
  if (plan.stream !== null) {
    const sql = [`select pg_drop_replication_slot('${name}')`, `drop publication ${name}`];
    steps.push({ step: 'finish: stream', table: null, lock: 'none', effect: 'the topics are deleted too', sql });
  }
  each((target) => [
    step('finish: index', target, 'SHARE UPDATE EXCLUSIVE', 'writers go on', [
      `drop index concurrently ${nullIndexName(target)}`,
    ]),
    step('finish: bridge', target, 'ACCESS EXCLUSIVE', budget, [
      `drop trigger "${bridgeName(target)}" on ${target.derivation.table.ident}`,
    ]),
  ]);
  return steps;
}

/** What `unenforce` would do to a migration that is enforced. */
export const describeUnenforce = ({ plan, targets }: ResolvedPlan): readonly PlannedStep[] =>
  targets
    .filter((target) => plan.tables[target.targetNo]?.notNull === true)
    .map((target) => ({
      step: 'unenforce',
      table: target.derivation.table.ident,
      lock: 'ACCESS EXCLUSIVE',
      effect: `waits and holds at most ${formatDuration(plan.limits.lockBudgetMs)}, ${plan.limits.lockAttempts} attempts; the bridge stays`,
      sql: [
        `alter table ${target.derivation.table.ident} alter column ${target.derivation.target.ident} drop not null`,
      ],
    }));

function finishers(
  target: FillTarget,
  entry: PlannedTable,
  catalog: ResolvedPlan['catalog'],
  budget: string,
): readonly PlannedStep[] {
  const { table, target: column } = target.derivation;
  const indexes = Object.entries(entry.indexes).map(([name, columns]) => ({
    step: 'index',
    table: table.ident,
    lock: 'SHARE UPDATE EXCLUSIVE',
    effect: 'writers go on',
    sql: [indexSql(target, name, columns)],
  }));
  if (!entry.references) return indexes;
  const wanted = entry.references.table;
  const onDelete = { restrict: 'restrict', cascade: 'cascade', setNull: 'set null', noAction: 'no action' }[
    entry.references.onDelete
  ];
  const parent = catalog.tables.find((one) => one.name === wanted.name && one.schema === (wanted.schema ?? 'public'));
  const to = parent?.ident ?? quoted(wanted.name);
  const foreignKey = {
    step: 'foreign key',
    table: table.ident,
    lock: 'SHARE ROW EXCLUSIVE',
    effect: `on ${to} too; ${budget}; validated afterwards while writers go on; one with another ON DELETE goes last`,
    sql: [
      `alter table ${table.ident} add foreign key (${column.ident}) references ${to} on delete ${onDelete} not valid`,
    ],
  };
  return [...indexes, foreignKey];
}

function indexSql(target: FillTarget, name: string, columns: readonly string[], unique = ''): string {
  const { table, target: column } = target.derivation;
  const identOf = (one: string): string =>
    one === column.name ? column.ident : (table.columns.get(one)?.ident ?? quoted(one));
  return `create ${unique}index concurrently ${quoted(name)} on ${table.ident} (${columns.map(identOf).join(', ')})`;
}

/** For showing only: what is executed takes its identifiers from the catalog. */
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
