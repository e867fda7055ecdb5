import type { ErrorCode } from '@highwater/kernel';

/** Errors of installing schema highwater. The doc comment is the operator's page. */
export const installCodes = {
  /** HW2001 Schema highwater was made by a newer Highwater than this one, which cannot know what it may write there. Run the newer version. */
  schemaNewer: 'HW2001',
  /** HW2002 The reference given to `init --backup` is empty or longer than 500 characters. It is evidence for people: a path, an id, a URL without credentials. */
  backupReference: 'HW2002',
  /** HW2003 `finish --purge` would remove the history of a migration that is not finished, or from under a process of ours that is at work. Finish or roll back each migration, stop the service, then ask again. */
  purgeInUse: 'HW2003',
} as const satisfies Record<string, ErrorCode>;
