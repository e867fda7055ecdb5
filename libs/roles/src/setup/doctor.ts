import { isHighwaterError, messageOf } from '@highwater/kernel';
import { listTopics, type KafkaSettings } from '@highwater/messaging';
import {
  leftoverKinds,
  leftoversOf,
  listMigrations,
  openDatabase,
  readEvaluation,
  removalOf,
  type Access,
  type RegisteredMigration,
} from '@highwater/target-db';
import { readSchemaFingerprint } from '../control/footprint.js';
import { PlanRejected, resolvePlan, shortOf, type ResolvedPlan } from '../control/resolve.js';
import type { ReadinessView } from '../control/port.js';
import type { Settings } from '../settings.js';

/** Something of ours that nobody needs any more, or a migration that no longer fits its database. */
export interface Ailment {
  readonly kind: (typeof leftoverKinds)[number] | 'topic' | 'migration';
  readonly name: string;
  readonly on: string | null;
  /** The migration it belonged to, when that is still known. */
  readonly migration: string | null;
  readonly message: string;
  /** What removes it; null: nothing is to be removed. */
  readonly remove: string | null;
}

/** Looks for leftovers and for migrations whose tables changed. Changes nothing. */
export async function diagnose(settings: Settings): Promise<readonly Ailment[]> {
  const database = openDatabase(settings.database);
  try {
    const migrations = (await isInstalled(database.state)) ? await listMigrations(database.state) : [];
    const living = migrations.filter((one) => one.phase !== 'finished');
    return [
      ...(await leftovers(database.state, migrations)),
      ...(settings.kafka ? await topics(settings.kafka, migrations) : []),
      ...(await Promise.all(living.map((one) => changed(database.state, one)))).flat(),
    ];
  } finally {
    await database.close();
  }
}

const isInstalled = async (state: Access): Promise<boolean> => {
  const [found] = await state.query<{ there: boolean }>(
    'looking for schema highwater',
    `select coalesce((select case when has_schema_privilege(oid, 'usage') then to_regclass('highwater.migration') is not null end
                       from pg_namespace where nspname = 'highwater'), false) as there`,
  );
  return found?.there === true;
};

const why = (migration: RegisteredMigration | undefined): string =>
  migration === undefined ? 'no migration of this database has it' : `migration "${migration.id}" is finished`;

async function leftovers(state: Access, migrations: readonly RegisteredMigration[]): Promise<Ailment[]> {
  const order = (kind: string): number => (leftoverKinds as readonly string[]).indexOf(kind);
  return (await leftoversOf(state))
    .map((one) => ({ one, migration: migrations.find(({ id, short }) => [short, shortOf(id)].includes(one.short)) }))
    .filter(({ migration }) => migration === undefined || migration.phase === 'finished')
    .sort((a, b) => order(a.one.kind) - order(b.one.kind))
    .map(({ one, migration }) => ({
      kind: one.kind,
      name: one.name,
      on: one.on,
      migration: migration?.id ?? null,
      message: why(migration),
      remove: `${removalOf(one)};`,
    }));
}

async function topics(kafka: KafkaSettings, migrations: readonly RegisteredMigration[]): Promise<Ailment[]> {
  const ours = new RegExp(`^${kafka.topicPrefix.replaceAll('.', '\\.')}\\.(.+)\\.(hints|dead-letter)$`);
  return (await listTopics(kafka)).flatMap((topic): Ailment[] => {
    const id = ours.exec(topic)?.[1];
    const migration = migrations.find((one) => one.id === id);
    if (id === undefined || (migration && migration.phase !== 'finished')) return [];
    return [
      {
        kind: 'topic',
        name: topic,
        on: null,
        migration: migration?.id ?? null,
        // a broker is shared more often than a database: what is unknown here may be alive elsewhere
        message: migration ? why(migration) : `${why(migration)}; make sure that no other database uses this prefix`,
        remove: `kafka-topics.sh --bootstrap-server ${kafka.brokers.join(',')} --delete --topic ${topic}`,
      },
    ];
  });
}

/** Whether the plan still means something, and whether the schema is the one that preflight saw. */
async function changed(state: Access, migration: RegisteredMigration): Promise<Ailment[]> {
  const found = (message: string): Ailment => ({
    kind: 'migration',
    name: migration.id,
    on: null,
    migration: migration.id,
    message,
    remove: null,
  });
  let resolved: ResolvedPlan;
  try {
    resolved = await resolvePlan(state, migration.planSource);
  } catch (error) {
    if (!(error instanceof PlanRejected)) throw isHighwaterError(error) ? error : new Error(messageOf(error));
    return error.issues.map((issue) => found(`the plan no longer fits the database: ${issue.message}`));
  }
  const evaluation = await readEvaluation(state, migration.id);
  const readiness = evaluation?.readiness as ReadinessView | null | undefined;
  const schema = readiness?.conditions.find((one) => one.type === 'SchemaUnchanged' && one.status === 'False');
  if (!schema) return [];
  const { lines } = await readSchemaFingerprint(state, resolved);
  const now = `a type, or a table or column made anew, differs from what preflight saw; as it is now: ${lines.join('; ')}`;
  return [found(now)];
}
