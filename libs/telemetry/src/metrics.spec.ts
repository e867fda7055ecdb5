import { describe, expect, it } from 'vitest';
import { createMetrics, metricsText } from './metrics.js';

describe('metrics', () => {
  it('declares every name with the prefix and serves the text format', async () => {
    const metrics = createMetrics('1.2.3');
    metrics.rowsFilled.inc({ migration: 'm', table: 'public.x', source: 'sweep' }, 3);
    const text = await metricsText(metrics);
    expect(text).toContain('highwater_rows_filled_total{migration="m",table="public.x",source="sweep"} 3');
    expect(text).toContain('highwater_build_info{version="1.2.3"} 1');
    for (const name of [
      'hints_total',
      'slot_retained_bytes',
      'fence_roundtrip_seconds',
      'condition_status',
      'events_unpublished',
    ])
      expect(text).toContain(`# TYPE highwater_${name} `);
  });

  it('keeps one registry per call, so two in one process do not meet', () => {
    expect(() => [createMetrics(), createMetrics()]).not.toThrow();
  });
});
