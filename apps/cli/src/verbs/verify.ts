import { mismatchCells, mismatchColumns, type MismatchView, type VerificationView } from '@highwater/roles';
import { exitCodes, type ExitCode } from '../exit-codes.js';
import { clean } from '../output.js';
import { writeRows } from '../row-list.js';
import { whichMigration, type CommonOptions, type Session } from '../session.js';

export interface VerifyOptions extends CommonOptions {
  readonly list?: boolean;
  readonly reason?: string;
}

const sayEveryMs = 5_000;

/** Compares every stored value with what its rule gives now; exit 2 when rows differ. With `--list` shows what the last one found. */
export async function verify(session: Session, named: string | undefined, options: VerifyOptions): Promise<ExitCode> {
  const client = session.client(options);
  const migration = await whichMigration(client, named);
  if (options.list !== true) {
    let saidAt = performance.now();
    const body = options.reason === undefined ? {} : { reason: options.reason };
    await session.follow(await client.act(migration, 'verify', body), client.operation, async () => {
      if (performance.now() - saidAt < sayEveryMs) return;
      saidAt = performance.now();
      const { running } = await client.verification(migration, 1);
      if (running) session.say('verifying', `${running.checked} rows compared, ${running.mismatches} differ`, running);
    });
  }
  const page = (cursor?: string): Promise<VerificationView> => client.verification(migration, pageRows, cursor);
  const view = await page();
  await show(session, view, page);
  const broken = view.last?.assertions.some((one) => one.found !== 0) ?? false;
  return view.mismatches.length > 0 || (view.last?.mismatches ?? 0) > 0 || broken
    ? exitCodes.differences
    : exitCodes.ok;
}

const pageRows = 1_000;

/** Page after page as they come: none is held while the next is asked for. */
async function* mismatchPages(
  first: VerificationView,
  page: (cursor: string) => Promise<VerificationView>,
): AsyncGenerator<readonly MismatchView[]> {
  for (let view = first; ; view = await page(view.nextCursor)) {
    if (view.mismatches.length > 0) yield view.mismatches;
    if (view.nextCursor === null) return;
  }
}

async function show(
  session: Session,
  first: VerificationView,
  page: (cursor: string) => Promise<VerificationView>,
): Promise<void> {
  const { mismatches, nextCursor: _next, ...fields } = first;
  if (session.format === 'table') session.terminal.out(summaryOf(first));
  if (session.format === 'table' && mismatches.length === 0) return;
  const list = { columns: mismatchColumns, cells: mismatchCells, none: '', json: { name: 'mismatches', fields } };
  await writeRows(session, list, mismatchPages(first, page));
}

function summaryOf({ last, mismatches }: VerificationView): string {
  const assertions = (last?.assertions ?? []).map(
    ({ name, found, error }) =>
      `assertion "${clean(name)}": ${found === null ? clean(error ?? '') : `found ${found}`}\n`,
  );
  const summary = last
    ? `${last.at}: ${last.checked} rows compared, ${last.mismatches} hold another value than their rule gives\n${assertions.join('')}`
    : 'no verification was completed yet\n';
  return mismatches.length === 0 ? summary : `${summary}\n`;
}
