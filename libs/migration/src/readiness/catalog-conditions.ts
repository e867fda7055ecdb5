import type { Finding } from './condition.js';
import { fails, holds, unknown } from './condition.js';
import type { Judged } from './judged.js';
import { clock, plural, withObservation } from './judged.js';

export const preflightPassed = (judged: Judged): Finding =>
  withObservation(judged, 'preflight', ({ failures, unacceptedWarnings }) => {
    if (failures.length > 0) {
      const message = failures.map((f) => `${f.check}: ${f.message}`).join('; ');
      return fails('ChecksFailed', message, { checks: failures.map((f) => f.check) });
    }
    if (unacceptedWarnings.length > 0) {
      return fails(
        'WarningsNotAccepted',
        `Neither cleared nor accepted in the plan: ${unacceptedWarnings.join(', ')}.`,
        {
          warnings: unacceptedWarnings,
        },
      );
    }
    return holds('Passed', 'Every preflight check passed or is accepted in the plan.');
  });

export const schemaUnchanged = (judged: Judged): Finding =>
  withObservation(judged, 'schema', ({ fingerprintExpected, fingerprintFound, difference = '' }) =>
    fingerprintExpected === fingerprintFound
      ? holds('Unchanged', 'The tables and columns that the rules read are those of the preflight.')
      : fails(
          'SchemaChanged',
          `A table or column that the rules read changed since the preflight${difference === '' ? '' : ` (${difference})`}; nothing is filled until it is restored.`,
          {
            expected: fingerprintExpected,
            found: fingerprintFound,
          },
        ),
  );

export const noLockBlockers = (judged: Judged): Finding =>
  withObservation(judged, 'lockBlockers', ({ blockers }) => {
    if (blockers.length === 0) return holds('NoneFound', 'Nobody holds a lock that the cutover would wait for.');
    const lines = blockers.map((one) => {
      const who = one.pid === null ? one.kind : `${one.applicationName || one.kind} (pid ${one.pid})`;
      return `${who} has held ${one.mode} on ${one.table} for ${clock(judged.nowMs - Date.parse(one.since))}`;
    });
    const reason = blockers.every((one) => one.kind === 'autovacuum') ? 'AutovacuumRunning' : 'LockHeld';
    return fails(reason, `${lines.join('; ')}; it clears when that ends.`, { blockers });
  });

/** Held and approved are one condition: somebody has to say yes, and nobody no. */
export const approved = ({ subject }: Judged): Finding => {
  const { approvalsRequired, approvedBy, held } = subject;
  if (held) {
    const message = `Held by ${held.actor} since ${held.at}: ${held.reason}; \`highwater release\` clears it.`;
    return fails('Held', message, { actor: held.actor, since: held.at });
  }
  if (approvalsRequired === 0) return holds('NotRequired', 'The plan asks for no approval.');
  const evidence = { required: approvalsRequired, approvedBy };
  const given = `${approvedBy.length} of ${plural(approvalsRequired, 'approval')} given`;
  return approvedBy.length >= approvalsRequired
    ? holds('Given', `${given} (${approvedBy.join(', ')}).`, evidence)
    : unknown('Missing', `${given}; \`highwater approve\` gives one.`, evidence);
};
