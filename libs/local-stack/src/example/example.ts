import type pg from 'pg';
import type { Random } from '../demo/application/random.js';

/** Rows of one table that get no value, for one reason; of an entity's table: rows of its source that give none. */
export interface BadRows {
  readonly table: string;
  /** One of the product's closed list. */
  readonly reason: string;
  readonly constraint: string | null;
  readonly rows: number;
}

/** What one writer has at hand. `world` is its own: what it knows of the data, and the rows it made. */
export interface Desk<World> {
  readonly client: pg.Client;
  readonly random: Random;
  readonly world: World;
  /** The new version sets the target column itself. */
  readonly version: 'old' | 'new';
  /** False until the team has stopped the old application's accidents, which it does when it has seen the list. */
  readonly fixed: boolean;
  /** Ends a transaction that is held open. */
  readonly stop: AbortSignal;
}

/** Rows by what was done to them: inserted, updated, deleted, moved, rolledBack, … */
export type Effect = Readonly<Record<string, number>>;
export type Operation<World> = (desk: Desk<World>) => Promise<Effect>;

/** What the old application does wrong once, while the migration runs and before there is a bridge. */
export interface Accidents {
  readonly badRows: readonly BadRows[];
  /** Rows moved to another parent after they were filled. */
  readonly moved: number;
  /** Waits until those rows are filled, which takes as long as the fill does where there is no stream, and moves them. */
  readonly move: () => Promise<void>;
}

/** A writer that looks around for the first time. */
export interface Newcomer extends Pick<Desk<unknown>, 'random' | 'version'> {
  /** Of the largest table, as seeded. */
  readonly rows: number;
}

export interface ExampleEntity {
  readonly table: string;
  readonly key: readonly string[];
}

/** The part of an example that is not SQL: numbers of its seed, and its application in both versions. */
export interface Example<World> {
  /** Those of the plan, in its order. */
  readonly tables: readonly string[];
  /** The column that all of them get. */
  readonly target: string;
  /** Those of the plan, in its order; each by the columns that identify a row. */
  readonly entities?: readonly ExampleEntity[];
  /** Those with `notNull: false`: their rows may stay without a value, and the application goes on writing such rows. */
  readonly mayHaveNone?: readonly string[];
  /** Bad rows that seed.sql makes for that many rows. */
  seededBadRows(rows: number): readonly BadRows[];
  /** Reads what a writer needs to know; each writer reads its own. */
  lookAround(client: pg.Client, of: Newcomer): Promise<World>;
  /** What every new connection says before its first statement, as an application behind row level security says whose request it serves. */
  signIn?(client: pg.Client, world: World): Promise<void>;
  /** Name, weight, operation. None of them ever fails without us, whatever the other writers do. */
  readonly operations: readonly (readonly [string, number, Operation<World>])[];
  /** A transaction with rows in it that stays open for seconds. */
  readonly heldOpen: Operation<World>;
  accidents(desk: Desk<World>): Promise<Accidents>;
  /** What a client waits for: one insert, and one update of a row so young that a filler works on it. */
  readonly probe: { readonly insert: Operation<World>; readonly update: Operation<World> };
}

/** Lets an example keep the type of its world, and the runner not know it. */
export const defineExample = <World>(example: Example<World>): Example<unknown> => example as Example<unknown>;
