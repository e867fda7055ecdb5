import { formatBytes, formatDuration } from '@highwater/kernel';
import type { MigrationStatusView, ReadinessView } from '@highwater/roles';
import { clean, table } from './output.js';

type Fact = readonly [name: string, value: string];

/** Status as a block: the line, then a row for each part of the work, then each target. */
export function statusBlock(status: MigrationStatusView): string {
  const rows = status.tables.map((one) => [
    `${one.table}.${one.target}`,
    String(one.filled.sweep),
    String(one.filled.live),
    String(one.filled.tailPass),
    String(one.unfillable),
    one.nulls === null ? 'unknown' : String(one.nulls),
    one.enforced ? 'yes' : 'no',
  ]);
  const facts = [...workOf(status), ...streamOf(status), ...endOf(status)];
  return [
    `${clean(`${status.id}: ${status.statusLine}`)}\n`,
    ...facts.map(([name, value]) => `  ${name.padEnd(10)} ${clean(value)}\n`),
    '\n',
    table(['target', 'sweep', 'live', 'tail pass', 'unfillable', 'nulls', 'enforced'], rows),
  ].join('');
}

function workOf(status: MigrationStatusView): readonly Fact[] {
  const { resumedFrom, hints, progress, eta, throttled } = status;
  const pause = status.pause === 'running' || status.phase === 'finished' ? '' : `, ${status.pause}`;
  const percent = progress.percent === null ? '?' : progress.percent.toFixed(1);
  const slowed = throttled ? `; throttled since ${throttled.since}: ${throttled.reason} ${throttled.message}` : '';
  const left = eta === null ? 'unknown' : `${formatDuration(eta.p50Ms)}..${formatDuration(eta.p90Ms)}`;
  return [
    ['phase', `${status.phase} since ${status.phaseSince}${pause}`],
    ['reason', `${status.reason.code}: ${status.reason.message} (since ${status.reason.since})`],
    ...(resumedFrom ? [['resumed', `at ${resumedFrom.at} from ${resumedFrom.position}`] as const] : []),
    [
      'sweep',
      `${percent}% of ~${progress.rowsExpected} rows, ${status.rowsPerSecond} rows/s, chunks of ${status.chunkRows ?? 'unknown'}${slowed}; ETA ${left}`,
    ],
    [
      'live',
      `filled ${hints.filled}, already ${hints.already}, gone ${hints.gone}, contended ${hints.contended}, parked ${hints.parked}`,
    ],
    ...status.entities.map((one): Fact => ['entities', entityText(one)]),
    ...status.workers.map((one): Fact => [
      one.role,
      `${one.state} on ${one.instance}${one.message === '' ? '' : `: ${one.message}`}`,
    ]),
  ];
}

/** `public.Workspace of public.Organization: 12000 made, 12000 of ~40000 rows looked at`. */
function entityText(one: MigrationStatusView['entities'][number]): string {
  const who = one.createdBy === 'application' ? 'made by the application' : `${one.created} made`;
  const seen =
    one.createdBy === 'application' || one.pass === null
      ? ''
      : one.passDone
        ? `, ${one.sourcesSeen} rows looked at`
        : `, ${one.sourcesSeen} of ~${one.sourcesExpected} rows looked at`;
  const missing = one.missing === null ? '' : `, ${one.missing} missing`;
  const unfillable = one.unfillable === 0 ? '' : `, ${one.unfillable} cannot be made`;
  return `${one.table} of ${one.from}: ${who}${seen}${missing}${unfillable}`;
}

function streamOf({ stream, epoch, fence, lag, slot, hints }: MigrationStatusView): readonly Fact[] {
  if (stream === 'none') return [['stream', 'none']];
  const behind = lag ? `; ${bytes(lag.bytes)} not acknowledged` : '';
  const at = !fence
    ? 'none written yet'
    : fence.roundTripMs === null
      ? `${fence.token} written ${fence.writtenAt}, back through ${fence.reached} of ${fence.partitions} partitions`
      : `${fence.token} came back through ${fence.partitions} partitions in ${Math.round(fence.roundTripMs)} ms`;
  return [
    ['stream', `${stream}, epoch ${epoch}`],
    ['fence', `${at}${behind}`],
    ...(slot ? [['slot', slotText(slot)] as const] : []),
    ...(slot?.alarm ? [['alarm', slot.alarm] as const] : []),
    ['kafka', `${fence?.partitions ?? '?'} partitions, dead letters ${hints.deadLetter}`],
  ];
}

/** `1.2 GiB of 20.0 GiB (6%), +1.0 MiB/s, lost in 5h13m at that rate, active`; what is not known is called so, what does not grow is not lost. */
function slotText(slot: NonNullable<MigrationStatusView['slot']>): string {
  const { retainedBytes, limitBytes, percent, bytesPerSecond, lostInMs, active } = slot;
  const share = percent === null ? 'no limit' : `${percent}%`;
  const grows =
    bytesPerSecond === null
      ? 'growth unknown'
      : `${bytesPerSecond < 0 ? '-' : '+'}${bytes(Math.abs(bytesPerSecond))}/s`;
  const lost =
    lostInMs !== null
      ? `lost in ${formatDuration(lostInMs)} at that rate`
      : bytesPerSecond !== null && bytesPerSecond <= 0
        ? 'not growing'
        : 'time until lost unknown';
  return `${bytes(retainedBytes)} of ${bytes(limitBytes)} (${share}), ${grows}, ${lost}, ${active ? 'active' : 'not active'}`;
}

function endOf(status: MigrationStatusView): readonly Fact[] {
  const { cutover, limits } = status;
  const unfillable = [...status.tables, ...status.entities].reduce((sum, one) => sum + one.unfillable, 0);
  const failure = cutover.lastFailure;
  const parts = [
    `starts ${cutover.start === 'auto' ? 'by itself' : 'when asked'}`,
    `${cutover.attempts} attempts`,
    ...(cutover.held ? [`held by ${cutover.held.actor} since ${cutover.held.at}: ${cutover.held.reason}`] : []),
    ...(failure ? [`last failed ${failure.at} on ${failure.table ?? '-'}: ${failure.code} ${failure.message}`] : []),
  ];
  return [
    ['unfillable', unfillable === 0 ? 'none' : `${unfillable} rows; highwater unfillable ${status.id}`],
    ...status.bridge.map((use): Fact => [
      'bridge',
      `${use.applicationName}: ${use.statements} statements ${use.outcome}, last ${use.lastAt}`,
    ]),
    ['cutover', parts.join('; ')],
    ...rowSecurityOf(status),
    ['ready', status.readyGeneration === null ? 'no' : `yes, generation ${status.readyGeneration}`],
    [
      'limits',
      Object.entries(limits)
        .map(([name, value]) => `${name} ${value}`)
        .join(', '),
    ],
    ...(status.backup ? [['backup', `${status.backup.reference}, recorded ${status.backup.recordedAt}`] as const] : []),
    ...(status.outcome === null ? [] : [['outcome', status.outcome] as const]),
    ...status.undone.map((one): Fact => ['undone', one]),
    ...status.kept.map((one): Fact => ['kept', one]),
    ['measured', status.evaluatedAt],
  ];
}

function rowSecurityOf({ rowSecurity }: MigrationStatusView): readonly Fact[] {
  if (rowSecurity === null) return [];
  const { approvals, tables, trouble } = rowSecurity;
  const off = tables.filter((one) => !one.on).map((one) => one.table);
  const state = off.length === 0 ? 'on' : `off on ${off.join(', ')}`;
  const failed = trouble === null ? '' : `; tried again, the last time: ${trouble}`;
  return [['row security', `${state}; ${approvals.given.length} of ${approvals.required} approvals${failed}`]];
}

const bytes = (count: number): string => formatBytes(BigInt(Math.round(count)));

export const readinessTable = (readiness: ReadinessView): string =>
  `${clean(readiness.migration)}: ${readiness.ready ? 'ready' : 'not ready'}, generation ${clean(readiness.generation)}, evaluated ${readiness.evaluatedAt}\n\n` +
  table(
    ['condition', 'status', 'reason', 'message'],
    readiness.conditions.map((one) => [one.type, one.status, one.reason, one.message]),
  );
