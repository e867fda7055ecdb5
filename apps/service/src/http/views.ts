import { unfillablePolicies } from '@highwater/plan';
import { z } from 'zod';

// What the answers look like: for the OpenAPI document. The types of the control port are checked against them in views.spec.ts.

const text = z.string();
const instant = z.iso.datetime();
const count = z.number();

export const operationView = z.object({
  id: text,
  migrationId: text.nullable(),
  verb: text,
  status: z.enum(['accepted', 'running', 'succeeded', 'failed']),
  actor: text,
  requestedAt: instant,
  finishedAt: instant.nullable(),
  result: z.unknown(),
  error: z.object({ code: text, message: text, help: text.optional() }).nullable(),
});

export const summaryView = z.object({
  id: text,
  phase: text,
  pause: z.enum(['running', 'paused', 'halted']),
  planHash: text,
});
export const summariesView = z.object({ migrations: z.array(summaryView) });

export const statusView = z.looseObject({
  id: text,
  phase: text,
  phaseSince: instant,
  pause: z.enum(['running', 'paused', 'halted']),
  epoch: count,
  stream: z.enum(['none', 'open', 'broken']),
  planHash: text,
  mode: z.enum(['bridge', 'strict']),
  tables: z.array(
    z.object({
      table: text,
      target: text,
      filled: z.object({ sweep: count, live: count, tailPass: count }),
      unfillable: count,
      nulls: count.nullable(),
      enforced: z.boolean(),
    }),
  ),
  entities: z.array(
    z.object({
      table: text,
      from: text,
      createdBy: z.enum(['highwater', 'application']),
      created: count,
      pass: count.nullable(),
      passDone: z.boolean(),
      sourcesSeen: count,
      sourcesExpected: count,
      missing: count.nullable(),
      unfillable: count,
    }),
  ),
  progress: z.object({ percent: count.nullable(), rowsDone: count, rowsExpected: count }),
  rowsPerSecond: count,
  eta: z.object({ p50Ms: count, p90Ms: count }).nullable(),
  reason: z.object({ code: text, message: text, since: instant }),
  readyGeneration: text.nullable(),
  lag: z.object({ bytes: count, seconds: count.nullable() }).nullable(),
  fence: z
    .object({
      token: text,
      writtenAt: instant,
      partitions: count,
      reached: count,
      roundTripMs: count.nullable(),
    })
    .nullable(),
  throttled: z.object({ reason: text, message: text, since: instant }).nullable(),
  chunkRows: count.nullable(),
  workers: z.array(
    z.object({
      instance: text,
      role: text,
      state: text,
      reason: text,
      message: text,
      since: instant,
      rowsPerSecond: count.nullable(),
      chunkRows: count.nullable(),
    }),
  ),
  cutover: z.object({
    start: z.enum(['manual', 'auto']),
    attempts: count,
    held: z.object({ actor: text, at: instant, reason: text }).nullable(),
    approvals: z.object({ given: z.array(text), required: count }),
    lastFailure: z
      .object({ at: instant, attempt: count, table: text.nullable(), code: text, message: text })
      .nullable(),
  }),
  rowSecurity: z
    .object({
      approvals: z.object({ given: z.array(text), required: count }),
      tables: z.array(z.object({ table: text, policy: text, on: z.boolean() })),
      trouble: text.nullable(),
    })
    .nullable(),
  slot: z
    .object({
      retainedBytes: count,
      limitBytes: count,
      percent: count.nullable(),
      bytesPerSecond: count.nullable().meta({ description: 'Growth of what is retained; null: not known yet.' }),
      lostInMs: count.nullable().meta({
        description: 'Until the slot is lost if it goes on so; null: not known, not growing, or nothing takes it away.',
      }),
      active: z.boolean(),
      alarm: text.nullable(),
    })
    .nullable(),
  limits: z.record(text, count),
  resumedFrom: z.object({ position: text, at: instant }).nullable(),
  outcome: z.enum(['finished', 'rolled-back']).nullable(),
  undone: z.array(text),
  kept: z.array(text),
  backup: z.object({ reference: text, recordedAt: instant, recordedBy: text }).nullable(),
  statusLine: text,
  evaluatedAt: instant,
});

export const readinessView = z.object({
  migration: text,
  ready: z.boolean(),
  generation: text,
  evaluatedAt: instant,
  conditions: z.array(
    z.object({
      type: text,
      status: z.enum(['True', 'False', 'Unknown']),
      reason: text,
      message: text,
      lastTransitionTime: instant,
      evidence: z.record(text, z.unknown()),
    }),
  ),
});

export const eventView = z.object({
  position: text,
  version: count,
  type: text,
  at: instant,
  data: z.unknown(),
  metadata: z.unknown(),
});
export const eventsView = z.object({ events: z.array(eventView) });

export const unfillableExportView = z.object({
  rows: z.array(
    z.object({
      table: text,
      target: text,
      entity: text.nullable(),
      key: z.array(text),
      reason: text,
      policy: z.enum(unfillablePolicies),
      sqlstate: text.nullable(),
      constraint: text.nullable(),
      attempts: count,
      firstSeen: instant,
      lastSeen: instant,
    }),
  ),
});
export const unfillableView = unfillableExportView.extend({ nextCursor: text.nullable() });

const verified = { table: text, target: text, checked: count, mismatches: count, nulls: count };
export const verificationView = z.object({
  migration: text,
  entities: z.array(
    z.object({
      table: text,
      from: text,
      createdBy: z.enum(['highwater', 'application']),
      missing: count.nullable(),
      countedAt: instant.nullable(),
    }),
  ),
  last: z
    .object({
      at: instant,
      operationId: text.nullable(),
      checked: count,
      mismatches: count,
      repaired: count.nullable(),
      assertions: z.array(z.object({ name: text, found: z.number().nullable(), error: text.nullable() })),
      tables: z.array(z.object(verified)),
    })
    .nullable(),
  running: z
    .object({
      run: text,
      startedAt: instant,
      checked: count,
      mismatches: count,
      tables: z.array(z.object({ ...verified, done: z.boolean() })),
    })
    .nullable(),
  mismatches: z.array(
    z.object({
      table: text,
      target: text,
      key: z.array(text),
      sqlstate: text.nullable(),
      kept: text.nullable(),
      foundAt: instant,
    }),
  ),
  nextCursor: text.nullable(),
});

export const stepsView = z.object({
  steps: z.array(z.object({ step: text, table: text.nullable(), lock: text, effect: text, sql: z.array(text) })),
});

export const rowSecurityView = z.object({
  tables: z.array(
    z.object({
      table: text,
      policy: text,
      setting: text,
      rows: z
        .object({
          total: count,
          tenants: count,
          seenByNobody: count,
          largest: z.array(z.object({ tenant: text, rows: count })),
        })
        .nullable(),
      sql: text,
      roles: z.array(z.object({ role: text, restricted: z.boolean(), why: text })),
      otherPolicies: z.array(text),
      partitions: count,
    }),
  ),
});

export const problemView = z.looseObject({
  type: text,
  title: text,
  status: count,
  detail: text,
  instance: text,
  code: text,
  help: text.optional(),
});
