import pg from 'pg';
import { HighwaterError, type MigrationId } from '@highwater/kernel';
import type { Ident } from '@highwater/derivation';
import type { PublicationState } from '@highwater/change-stream';
import type { Access, Client } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import { isSqlstate, sqlstate } from '../session/sqlstate.js';
import { streamCodes } from './codes.js';
import { pauseBeforeTry } from './tries.js';

/** One table of a publication: the columns of its keys and what is wanted of it. */
export interface PublishedTable {
  readonly ident: Ident;
  readonly key: readonly Ident[];
  /** Only rows in which one of these is NULL; empty: every row, since each may be the source of an entity. */
  readonly targets: readonly Ident[];
}

export interface PublicationRequest {
  readonly name: string;
  readonly migrationId: MigrationId;
  /** Identifies what the plan wants: a publication whose comment carries it is ours and is adopted. */
  readonly planHash: string;
  readonly tables: readonly PublishedTable[];
  readonly lockAttempts?: number;
  /** Ends the tries. */
  readonly signal?: AbortSignal;
}

/**
 * The statement. Inserts only (published updates without a replica identity break the application's own statements, 55000), only
 * the key, of a table that is filled only rows whose target is still NULL, partitions as their root.
 */
export function publicationStatement(name: string, tables: readonly PublishedTable[]): string {
  const entries = tables.map((table) => {
    const filter = table.targets.map((target) => `${target} is null`).join(' or ');
    return `${table.ident} (${table.key.join(', ')})${filter === '' ? '' : ` where (${filter})`}`;
  });
  // none where no table has a key: the fences come through all the same
  const listed = entries.length === 0 ? '' : ` for table ${entries.join(', ')}`;
  return `create publication ${pg.escapeIdentifier(name)}${listed} with (publish = 'insert', publish_via_partition_root = true)`;
}

const commentOf = (request: PublicationRequest): string => `highwater ${request.migrationId} ${request.planHash}`;

/**
 * Creates and commits the publication with ddl access, or adopts one that this plan made before. Its table lock (SHARE UPDATE
 * EXCLUSIVE) does not block writers, but autovacuum and DDL hold it too: bounded tries.
 */
export async function createPublication(ddl: Access, request: PublicationRequest): Promise<PublicationState> {
  const doing = `creating publication ${request.name}`;
  const attempts = request.lockAttempts ?? 5;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ddl.transaction(doing, async (client) => {
        const comment = await publicationComment(client, request.name);
        if (comment === undefined) {
          await client.query(publicationStatement(request.name, request.tables));
          const text = pg.escapeLiteral(commentOf(request));
          await client.query(`comment on publication ${pg.escapeIdentifier(request.name)} is ${text}`);
        } else if (comment !== commentOf(request)) {
          throw new HighwaterError(
            streamCodes.publicationForeign,
            'never',
            `publication ${request.name} exists and was not made by this plan (comment "${comment ?? ''}", expected "${commentOf(request)}")`,
            { publication: request.name },
            `drop publication ${pg.escapeIdentifier(request.name)} when nothing else uses it`,
          );
        }
        const facts = await readFacts(client, request.name);
        if (!facts) throw new Error(`publication ${request.name} vanished inside its own transaction`);
        return facts;
      });
    } catch (error) {
      const again = isSqlstate(error, sqlstate.lockNotAvailable, sqlstate.queryCanceled, sqlstate.duplicateObject);
      if (!again || attempt >= attempts) throw databaseError(error, doing);
      await pauseBeforeTry(attempt, request.signal);
    }
  }
}

/** Drops it; nothing to do when it is gone. A stranger's is refused as HW9005. */
export async function dropPublication(ddl: Access, name: string): Promise<void> {
  const doing = `dropping publication ${name}`;
  try {
    await ddl.query(doing, `drop publication if exists ${pg.escapeIdentifier(name)}`);
  } catch (error) {
    throw databaseError(error, doing);
  }
}

/** Oid and canonical text, to be compared with what the stream was opened on; undefined when there is none. */
export async function publicationFacts(access: Access, name: string): Promise<PublicationState | undefined> {
  return access.session(`reading publication ${name}`, (client) => readFacts(client, name));
}

/**
 * Everything that decides what is published, in one order. The oids of the membership rows and the row version of the publication
 * are part of it: a table taken out and put back, or a setting changed and changed back, between two looks lost changes all the same.
 */
async function readFacts(client: Client, name: string): Promise<PublicationState | undefined> {
  const { rows } = await client.query<{ oid: string; definition: string }>(
    `select p.oid::text as oid,
            concat_ws('; ',
              format('row version %s, all tables %s, insert %s, update %s, delete %s, truncate %s, via root %s',
                p.xmin, p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot),
              (select string_agg(format('member %s: table %s columns %s where %s', r.oid, r.prrelid, r.prattrs,
                                        pg_get_expr(r.prqual, r.prrelid)), '; ' order by r.prrelid)
                 from pg_publication_rel r where r.prpubid = p.oid),
              (select string_agg(format('schema %s', n.pnnspid), '; ' order by n.pnnspid)
                 from pg_publication_namespace n where n.pnpubid = p.oid)) as definition
       from pg_publication p where p.pubname = $1`,
    [name],
  );
  const row = rows[0];
  return row && { oid: Number(row.oid), definition: row.definition };
}

async function publicationComment(client: Client, name: string): Promise<string | null | undefined> {
  const { rows } = await client.query<{ comment: string | null }>(
    `select obj_description(oid, 'pg_publication') as comment from pg_publication where pubname = $1`,
    [name],
  );
  return rows[0]?.comment;
}
