import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

const seconds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Every metric there is, declared in one place. Labels come from closed sets, plus `migration` and `table`: never a key or a value. */
export function createMetrics(version = '0.1.0') {
  const registry = new Registry();
  const named = { registers: [registry] };
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> =>
    new Counter({ name: `highwater_${name}`, help, labelNames, ...named });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> =>
    new Gauge({ name: `highwater_${name}`, help, labelNames, ...named });
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[]): Histogram<L> =>
    new Histogram({ name: `highwater_${name}`, help, labelNames, buckets: seconds, ...named });

  collectDefaultMetrics({ register: registry });
  const metrics = {
    rowsFilled: counter('rows_filled_total', 'Rows filled, by source: sweep, live, tail_pass.', [
      'migration',
      'table',
      'source',
    ]),
    rowsRepaired: counter('rows_repaired_total', 'Rows set right by a verification, from the journal.', [
      'migration',
      'table',
    ]),
    entitiesMade: counter('entities_made_total', 'Entities made, by source: live, pass.', [
      'migration',
      'table',
      'source',
    ]),
    hints: counter('hints_total', 'Hints by final or passing verdict.', ['migration', 'verdict']),
    hintsParked: gauge('hints_parked', 'Hints waiting for their transaction to become visible.', [
      'migration',
      'partition',
    ]),
    rowsUnfillable: gauge('rows_unfillable', 'Rows listed as unfillable, by reason.', ['migration', 'table', 'reason']),
    nullRows: gauge('null_rows', 'Rows whose target is NULL, when last measured.', ['migration', 'table']),
    nullRowsMeasured: gauge('null_rows_measured_timestamp_seconds', 'When null_rows was measured.', [
      'migration',
      'table',
    ]),
    bridgeStatements: counter('bridge_statements_total', 'Bridged statements by outcome.', [
      'migration',
      'table',
      'outcome',
    ]),
    slotRetainedBytes: gauge('slot_retained_bytes', 'WAL the slot keeps from being removed.', ['migration']),
    slotSafeBytes: gauge('slot_safe_bytes', 'WAL that may still be written before the slot is lost.', ['migration']),
    slotLimitBytes: gauge('slot_limit_bytes', "The nearer of the plan's retainedWal and what the server keeps.", [
      'migration',
    ]),
    slotBytesPerSecond: gauge(
      'slot_retained_bytes_per_second',
      'Growth of what the slot keeps, over the last minute.',
      ['migration'],
    ),
    slotLostInSeconds: gauge(
      'slot_lost_in_seconds',
      'Until the slot is lost if it goes on so; absent while that is unknown or nothing grows.',
      ['migration'],
    ),
    slotWalStatus: gauge('slot_wal_status', '1 for the present wal_status of the slot.', ['migration', 'status']),
    fenceRoundtrip: histogram('fence_roundtrip_seconds', 'Fence written into WAL until back through every partition.', [
      'migration',
    ]),
    streamLastEvent: gauge('stream_last_event_timestamp_seconds', 'When the relay last read something from the slot.', [
      'migration',
    ]),
    kafkaConsumerLag: gauge('kafka_consumer_lag_records', 'Hints in Kafka that the fillers have not settled.', [
      'migration',
      'partition',
    ]),
    liveBatch: histogram('live_batch_seconds', 'One fill transaction of the live fill.', ['migration', 'table']),
    sweepChunk: histogram('sweep_chunk_seconds', 'One fill transaction of the sweep.', ['migration', 'table']),
    rowLock: histogram('row_lock_seconds', 'First row lock to COMMIT of a fill transaction.', ['migration', 'table']),
    chunkSize: gauge('chunk_size_rows', 'Rows the next chunk will take.', ['migration', 'table']),
    throttled: gauge('throttled', '1 while the sweep is throttled for that reason.', ['migration', 'reason']),
    throttledSeconds: counter('throttled_seconds_total', 'Time the sweep spent throttled.', ['migration', 'reason']),
    cutoverAttempts: counter('cutover_attempts_total', 'Cutover attempts by outcome.', ['migration', 'outcome']),
    cutoverLockWait: histogram('cutover_lock_wait_seconds', 'Wait for a table lock in a cutover step.', [
      'migration',
      'table',
    ]),
    conditionStatus: gauge('condition_status', '1 for the present status of a readiness condition.', [
      'migration',
      'type',
      'status',
    ]),
    eventsUnpublished: gauge('events_unpublished', 'Migration events stored and not yet on Kafka.', []),
    relayActive: gauge('relay_active', '1 while this process reads the slot.', ['migration']),
    buildInfo: gauge('build_info', 'Always 1; the version is the label.', ['version']),
  };
  metrics.buildInfo.set({ version }, 1);
  return { ...metrics, registry };
}

export type Metrics = ReturnType<typeof createMetrics>;

/** Text exposition format 0.0.4, as `GET /metrics` answers it. */
export const metricsText = (metrics: Metrics): Promise<string> => metrics.registry.metrics();
export const metricsContentType = Registry.PROMETHEUS_CONTENT_TYPE;
