import type { PlannedStep } from '@highwater/roles';
import { clean, json } from './output.js';
import type { ServiceClient } from './service-client.js';
import type { Session } from './session.js';
import { stepText } from './step-text.js';

export interface DryRunOptions {
  readonly dryRun?: boolean;
}

/** A request as the service would get it. */
export interface PlannedRequest {
  readonly method: 'POST' | 'PATCH';
  readonly path: string;
  readonly body: object;
}

/** Shows what would be asked for, of a migration in which state, and the steps that would follow with SQL and lock. Changes nothing. */
export async function dryRun(
  session: Session,
  client: ServiceClient,
  migration: string,
  request: PlannedRequest,
  /** Which of the plan's steps follow, or the steps themselves. */
  followedBy?: ((step: PlannedStep) => boolean) | readonly PlannedStep[],
): Promise<void> {
  const found = (await client.list()).find((one) => one.id === migration);
  const steps =
    typeof followedBy === 'function' ? (await client.steps(migration)).filter(followedBy) : (followedBy ?? []);
  const state = { phase: found?.phase ?? 'none', pause: found?.pause ?? 'running' };
  if (session.format === 'json') {
    session.terminal.out(json({ dryRun: true, migration, ...state, request, steps }));
    return;
  }
  const { method, path, body } = request;
  session.terminal.out(
    clean(
      `dry run, nothing was changed\n  would send: ${method} ${path} ${JSON.stringify(body)}\n  now: phase ${state.phase}, ${state.pause}\n`,
    ) + steps.map(stepText).join(''),
  );
}
