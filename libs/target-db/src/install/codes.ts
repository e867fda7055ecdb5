import type { ErrorCode } from '@highwater/kernel';

/** Errors of installing schema highwater. The doc comment is the operator's page. */
export const installCodes = {
  /** HW2001 Schema highwater was made by a newer Highwater than this one, which cannot know what it may write there. Run the newer version. */
  schemaNewer: 'HW2001',
} as const satisfies Record<string, ErrorCode>;
