/** The phases of a migration that goes well, in order; `preflight-failed` is on no way forward, so it has reached none. */
const forward = [
  'planned',
  'preflighted',
  'expanded',
  'streaming',
  'sweeping',
  'swept',
  'bridged',
  'cutting-over',
  'enforced',
  'finished',
];

/** Whether a migration in phase `now` has come as far as `wanted`, or further. */
export const hasReached = (now: string, wanted: string): boolean => forward.indexOf(now) >= forward.indexOf(wanted);
