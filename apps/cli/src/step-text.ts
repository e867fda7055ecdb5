import type { PlannedStep } from '@highwater/roles';
import { clean } from './output.js';

/** A step of a plan with its lock and its very statements. */
export const stepText = (step: PlannedStep, i: number): string =>
  clean(
    [
      '',
      `${i + 1}. ${step.step}${step.table === null ? '' : ` on ${step.table}`}`,
      `   lock: ${step.lock}; ${step.effect}`,
      ...step.sql.map((sql) => `${sql.replaceAll(/^/gm, '     ')};`),
      '',
    ].join('\n'),
  );
