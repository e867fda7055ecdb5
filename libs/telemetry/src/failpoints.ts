/**
 * Places where a process can be made to die or to freeze, for tests of what happens then: `HIGHWATER_FAILPOINTS='cutover.afterBegan=kill'`.
 * Off unless asked for, refused when NODE_ENV is production. Each name stands here once and in a row of docs/faults.
 */
export const failpointNames = [
  'cutover.afterBegan',
  'cutover.afterFence',
  'cutover.guardSent',
  'cutover.afterGuard',
  'cutover.afterGuarded',
  'cutover.afterValidate',
  'cutover.setNotNullSent',
  'cutover.afterSetNotNull',
  'cutover.afterEnforced',
  'cutover.afterIndex',
  'cutover.afterForeignKey',
  'cutover.afterFailed',
  'bridge.sent',
  'finish.afterJudged',
  'finish.afterSlot',
  'finish.afterPublication',
  'finish.afterTopics',
  'finish.afterNullIndex',
  'finish.bridgeSent',
  'finish.afterBridge',
  'rollback.afterHalted',
  'rollback.afterObject',
  'rollback.objectSent',
  'rollback.afterOwn',
  'rollback.afterStream',
  'rollback.afterPage',
  'rollback.afterColumn',
  'rollback.afterEntities',
  'operation.afterAccepted',
  'control.afterEntityPage',
  'filler.afterEntities',
  'filler.beforeFill',
  'filler.afterCommit',
] as const;
export type Failpoint = (typeof failpointNames)[number];

/** `kill`: SIGKILL to this process. `pause`: SIGSTOP; it goes on at SIGCONT. */
const actions = ['kill', 'pause'] as const;

export interface ArmedFailpoint {
  readonly name: Failpoint;
  readonly action: (typeof actions)[number];
  /** The n-th time it is reached, from 1. */
  readonly hit: number;
}

/** `name=action[@hit]`, several with `;` between. Undefined: not readable. */
export function parseFailpoints(text: string): readonly ArmedFailpoint[] | undefined {
  const parsed: ArmedFailpoint[] = [];
  for (const part of text.split(';').filter((one) => one.trim() !== '')) {
    const [, given, asked, hit = '1'] = /^\s*([\w.]+)=(\w+)(?:@([1-9]\d*))?\s*$/.exec(part) ?? [];
    const name = failpointNames.find((one) => one === given);
    const action = actions.find((one) => one === asked);
    if (!name || !action) return undefined;
    parsed.push({ name, action, hit: Number(hit) });
  }
  return parsed;
}

let armed: readonly ArmedFailpoint[] = [];
const hits = new Map<Failpoint, number>();

export function armFailpoints(wanted: readonly ArmedFailpoint[]): void {
  armed = wanted;
}

/** Does nothing unless armed. After `kill` it never returns. */
export async function failpoint(name: Failpoint | undefined): Promise<void> {
  if (armed.length === 0 || name === undefined) return;
  const hit = (hits.get(name) ?? 0) + 1;
  hits.set(name, hit);
  const here = armed.find((one) => one.name === name && one.hit === hit);
  if (!here) return;
  process.kill(process.pid, here.action === 'kill' ? 'SIGKILL' : 'SIGSTOP');
  if (here.action === 'kill') await new Promise<never>(() => undefined);
}
