import { formatBytes, formatDuration } from '@highwater/kernel';
import type { MigrationStatusView, ReadinessView } from '@highwater/roles';
import { clean, table } from './output.js';

/** Status as a block: the line, then what stands behind it. */
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
  const { hints, slot } = status;
  const facts = [
    ['phase', `${status.phase} since ${status.phaseSince}${status.pause === 'running' ? '' : `, ${status.pause}`}`],
    ['reason', `${status.reason.code}: ${status.reason.message} (since ${status.reason.since})`],
    ['stream', `${status.stream}, epoch ${status.epoch}`],
    [
      'hints',
      `filled ${hints.filled}, already ${hints.already}, gone ${hints.gone}, parked ${hints.parked}, dead letter ${hints.deadLetter}`,
    ],
    ...(slot
      ? [
          [
            'slot',
            `${formatBytes(BigInt(Math.round(slot.retainedBytes)))} of ${formatBytes(BigInt(Math.round(slot.limitBytes)))}, ${slot.active ? 'active' : 'not active'}`,
          ],
          ...(slot.alarm ? [['alarm', slot.alarm]] : []),
        ]
      : []),
    ...status.bridge.map((use) => [
      'bridge',
      `${use.applicationName}: ${use.statements} statements ${use.outcome}, last ${use.lastAt}`,
    ]),
    ['ready', status.readyGeneration === null ? 'no' : `yes, generation ${status.readyGeneration}`],
    [
      'eta',
      status.eta === null ? 'unknown' : `${formatDuration(status.eta.p50Ms)}..${formatDuration(status.eta.p90Ms)}`,
    ],
    ['measured', status.evaluatedAt],
  ];
  return [
    `${clean(`${status.id}: ${status.statusLine}`)}\n`,
    ...facts.map(([name, value]) => `  ${(name ?? '').padEnd(9)} ${clean(value ?? '')}\n`),
    '\n',
    table(['target', 'sweep', 'live', 'tail pass', 'unfillable', 'nulls', 'enforced'], rows),
  ].join('');
}

export const readinessTable = (readiness: ReadinessView): string =>
  `${clean(readiness.migration)}: ${readiness.ready ? 'ready' : 'not ready'}, generation ${clean(readiness.generation)}, evaluated ${readiness.evaluatedAt}\n\n` +
  table(
    ['condition', 'status', 'reason', 'message'],
    readiness.conditions.map((one) => [one.type, one.status, one.reason, one.message]),
  );
