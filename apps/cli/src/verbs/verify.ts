import { mismatchCells, mismatchColumns, type VerificationView } from '@highwater/roles';
import { exitCodes, type ExitCode } from '../exit-codes.js';
import { clean, csvFor, json, table } from '../output.js';
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
      const { running } = await client.verification(migration, 1, 0);
      if (running) session.say('verifying', `${running.checked} rows compared, ${running.mismatches} differ`, running);
    });
  }
  const view = await everyMismatch((limit, offset) => client.verification(migration, limit, offset));
  session.terminal.out(textOf(session, view));
  const broken = view.last?.assertions.some((one) => one.found !== 0) ?? false;
  return view.mismatches.length > 0 || (view.last?.mismatches ?? 0) > 0 || broken
    ? exitCodes.differences
    : exitCodes.ok;
}

async function everyMismatch(
  page: (limit: number, offset: number) => Promise<VerificationView>,
): Promise<VerificationView> {
  const limit = 1_000;
  const first = await page(limit, 0);
  const mismatches = [...first.mismatches];
  for (let last = first; last.mismatches.length === limit;) {
    last = await page(limit, mismatches.length);
    mismatches.push(...last.mismatches);
  }
  return { ...first, mismatches };
}

function textOf(session: Session, view: VerificationView): string {
  const rows = view.mismatches.map(mismatchCells);
  if (session.format === 'json') return json(view);
  if (session.format === 'csv') return csvFor(session.terminal, mismatchColumns, rows);
  const { last } = view;
  const assertions = (last?.assertions ?? []).map(
    ({ name, found, error }) =>
      `assertion "${clean(name)}": ${found === null ? clean(error ?? '') : `found ${found}`}\n`,
  );
  const summary = last
    ? `${last.at}: ${last.checked} rows compared, ${last.mismatches} hold another value than their rule gives\n${assertions.join('')}`
    : 'no verification was completed yet\n';
  return rows.length === 0 ? summary : `${summary}\n${table(mismatchColumns, rows)}`;
}
