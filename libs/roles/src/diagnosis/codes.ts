import type { ErrorCode } from '@highwater/kernel';

/** Errors of `doctor --plan`. Each comment is the operator's page. */
export const diagnosisCodes = {
  /** HW2201 `--history-table` names no table that looks like the record of Prisma (`_prisma_migrations`), Knex (`knex_migrations`) or TypeORM (`migrations`). Give its exact name, with its schema when that is not public; or leave it out, they are found by their shape. */
  historyTableUnknown: 'HW2201',
  /** HW2202 The folder given by `--migrations-dir` cannot be read or holds no migration. Give the one that your migration tool reads. */
  folderUnusable: 'HW2202',
} as const satisfies Record<string, ErrorCode>;
