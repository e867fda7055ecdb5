import { setTimeout as wait } from 'node:timers/promises';
import type { Api } from '../demo/driver/api.js';
import { follow } from '../demo/driver/job.js';
import { seconds } from '../demo/driver/output.js';
import type { ApplicationLine } from './application/main.js';
import { changedRows, keptRows, madeRows, ownColumns, takeRows } from './application-rows.js';
import type { Columns, Kept } from './application-rows.js';
import { catalogDifferences, catalogSnapshot } from './catalog-snapshot.js';
import type { CatalogSnapshot } from './catalog-snapshot.js';
import type { ExampleRun } from './run.js';

/** The old application goes on for that long on what is left. */
const AFTERWARDS_MS = 2_000;
const READY_MS_MAX = 60_000;

/** How things stood before anything was done. */
export interface Ground {
  readonly catalog: CatalogSnapshot;
  readonly columns: Columns;
}

export async function takeGround({ stage, folder: { example } }: ExampleRun): Promise<Ground> {
  return {
    catalog: await catalogSnapshot(stage.superuserUrl),
    columns: await ownColumns(stage.superuserUrl, example.target, example.tables),
  };
}

export interface Rollback {
  /** What the product says it left, and why. */
  readonly kept: readonly string[];
  /** Where the catalog is not what it was; read by SQL, schema highwater and grants left out. */
  readonly catalog: readonly string[];
  /** Tables of which a row of the application was changed or lost. */
  readonly rows: readonly string[];
  readonly entities: readonly Kept[];
  /** The old application, at work again. */
  readonly afterwards: ApplicationLine;
}

/** The whole migration taken back after its end, while nobody writes; then the old application is started once more. */
export async function rollBack(run: ExampleRun, api: Api, ground: Ground): Promise<Rollback> {
  const { stage, folder } = run;
  run.say('phase', 'everything is taken back; nobody writes meanwhile, so that every row can be compared');
  const made = await madeRows(stage.superuserUrl, folder.example.entities ?? []);
  const before = await takeRows(stage.superuserUrl, ground.columns, made);
  const { result } = await follow(run, api, await api.act(run.migration, 'rollback'), run.catchUpMs);
  const after = await takeRows(stage.superuserUrl, ground.columns, made);
  const entities = await keptRows(stage.superuserUrl, made);
  const catalog = catalogDifferences(ground.catalog, await catalogSnapshot(stage.superuserUrl));
  run.say('phase', `the old application works again, for ${seconds(AFTERWARDS_MS)}`);
  const application = run.startApplication('old');
  await application.line('ready', READY_MS_MAX);
  await wait(AFTERWARDS_MS, undefined, { signal: run.signal });
  const afterwards = await application.finish();
  run.application = undefined; // it has ended, on purpose
  return { kept: (result as { kept: string[] }).kept, catalog, rows: changedRows(before, after), entities, afterwards };
}
