import type { Finding } from './condition.js';
import { fails, holds, unknown } from './condition.js';
import type { Judged } from './judged.js';
import { plural, tally, withObservation } from './judged.js';

export const sweepComplete = (judged: Judged): Finding =>
  withObservation(judged, 'sweep', (seen) => {
    const { rangesOpen, rangesDone, workers, rowsRemainingEstimated, tailPassesDone } = seen;
    const evidence = { rangesOpen, rangesDone, workers, rowsRemainingEstimated, tailPassesDone };
    if (rangesOpen > 0) {
      const message = `${plural(rangesOpen, 'range')} of ${rangesOpen + rangesDone} left, about ${rowsRemainingEstimated} rows; ${plural(workers, 'worker')} on it.`;
      return fails('RangesOpen', message, evidence);
    }
    if (rangesDone === 0) return unknown('NotStarted', 'The sweep has not started.', evidence);
    if (tailPassesDone === 0)
      return fails('TailPassPending', 'The sweep is complete; its first tail pass is not.', evidence);
    return holds(
      'Complete',
      `All ${plural(rangesDone, 'range')} are swept, and ${plural(tailPassesDone, 'tail pass', 'tail passes')} followed.`,
      evidence,
    );
  });

export const nullCountZero = (judged: Judged): Finding =>
  withObservation(judged, 'nulls', ({ perTable }) => {
    const { targets } = judged.subject;
    const may = (table: string, target: string): boolean =>
      targets.some((t) => t.table === table && t.target === target && !t.notNull);
    const counted = perTable.filter((one) => !may(one.table, one.target));
    const uncounted = targets.filter(
      (t) => t.notNull && !perTable.some((one) => one.table === t.table && one.target === t.target),
    );
    if (uncounted.length > 0) {
      const tables = uncounted.map((t) => t.table).join(', ');
      return unknown(
        'NotCounted',
        `NULL rows of ${tables} could not be counted in time: a lock is held, or there are very many; they are counted again at each look.`,
      );
    }
    const remaining = counted.filter((one) => one.count > 0);
    if (remaining.length === 0)
      return holds('NoNulls', 'No NULL row is visible in any table that shall become NOT NULL.');
    const evidence = Object.fromEntries(remaining.map((one) => [one.table, one.count]));
    const parts = remaining.map((one) => {
      const known = one.listedUnfillable >= one.count ? `all ${one.count}` : String(one.listedUnfillable);
      return `${plural(one.count, 'row')} of ${one.table} ${one.count === 1 ? 'has' : 'have'} no ${one.target}; ${known} listed as unfillable`;
    });
    return fails('RowsRemaining', `${parts.join('. ')}.`, evidence);
  });

export const noUnfillableRows = (judged: Judged): Finding =>
  withObservation(judged, 'unfillable', (seen) => {
    const { total, byReason, entities = {}, collisions = [], uniquePending = [], uniqueTrouble } = seen;
    if (total > 0) {
      const sources = tally(entities);
      const of = sources === '' ? '' : `, of them sources of entities that cannot be made: ${sources}`;
      const kept = collisions.map(
        ({ index, rows }) =>
          `${plural(rows, 'row')} keep unique index "${index}" from being built; it is built once no two of them have the same key`,
      );
      const message = [
        `${plural(total, 'row')} listed as unfillable (${tally(byReason)})${of}; \`highwater unfillable\` names them; correct them or their parents, then \`highwater unfillable --retry\``,
        ...kept,
      ];
      return fails('RowsListed', `${message.join('. ')}.`, {
        total,
        byReason,
        ...(sources === '' ? {} : { entities }),
        ...(collisions.length > 0 ? { collisions } : {}),
      });
    }
    if (uniquePending.length > 0)
      return unknown(
        'UniqueNotBuilt',
        `Unique index ${uniquePending.map((name) => `"${name}"`).join(', ')} is not built yet; until then nobody knows whether rows collide. ${uniqueTrouble === undefined ? 'It is built when the rows are filled' : `It is tried again; the last time: ${uniqueTrouble}`}.`,
        { uniquePending },
      );
    return holds('NoneListed', 'No row is listed as unfillable.');
  });

/** Undefined: every source has its entity, but for those that are listed as unfillable. */
const entitiesMissing = (judged: Judged): Finding | undefined => {
  const found = withObservation(judged, 'entities', ({ perEntity }) => {
    const open = perEntity.filter((one) => (one.missing ?? 0) > 0);
    if (open.length > 0) {
      const parts = open.map(({ table, from, createdBy, missing }) => {
        const who = createdBy === 'highwater' ? 'they are made by the next pass' : 'the application makes them';
        return `${plural(missing ?? 0, 'row')} of ${from} without ${table}: ${who}`;
      });
      const evidence = Object.fromEntries(open.map((one) => [one.table, one.missing]));
      return fails('EntitiesMissing', `${parts.join('. ')}; counted again while any is missing.`, evidence);
    }
    const uncounted = perEntity.filter((one) => one.missing === null).map(({ table, from }) => `${table} of ${from}`);
    return uncounted.length === 0
      ? holds('NoneMissing', '')
      : unknown('EntitiesNotCounted', `${uncounted.join(', ')}: not counted yet since the bridge is there.`);
  });
  return found.status === 'True' ? undefined : found;
};

export const verified = (judged: Judged): Finding =>
  withObservation(judged, 'verification', ({ at, checked, mismatches, assertions = [], againAt }) => {
    const missing = entitiesMissing(judged);
    if (missing) return missing;
    const broken = assertions.filter((one) => one.found !== 0);
    const evidence = {
      at,
      checked,
      mismatches,
      ...(againAt === undefined ? {} : { againAt }),
      ...(broken.length > 0 ? { assertions: broken } : {}),
    };
    if (mismatches > 0) {
      return fails(
        'Mismatches',
        `${plural(mismatches, 'row')} of ${checked} hold another value than the rule gives; correct them (\`highwater verify --list\` names them) and run \`highwater verify\` again.`,
        evidence,
      );
    }
    if (broken.length > 0) {
      const lines = broken.map(({ name, found, error }) =>
        found === null
          ? `assertion "${name}" gave no number: ${error}`
          : `assertion "${name}" found ${found}, expected 0`,
      );
      return fails(
        'AssertionFailed',
        `${lines.join('; ')}; correct the rows or the query's privileges, then run \`highwater verify\`.`,
        evidence,
      );
    }
    const bridge = judged.observations.bridge;
    const bridgedAt = bridge && !('error' in bridge) ? bridge.installedAt : undefined;
    if (bridgedAt !== undefined && Date.parse(at) < Date.parse(bridgedAt)) {
      return unknown(
        'BeforeBridge',
        'The last verification is older than the bridge; another must follow it.',
        evidence,
      );
    }
    const asserted = assertions.length > 0 ? ` ${plural(assertions.length, 'assertion')} of the plan found 0.` : '';
    const again = againAt === undefined ? '' : ` Compared again until ${againAt}.`;
    return holds(
      'NoMismatches',
      `${plural(checked, 'row')} compared with the rule, no mismatch.${asserted}${again}`,
      evidence,
    );
  });
