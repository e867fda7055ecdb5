import { afterEach, describe, expect, it } from 'vitest';
import { quickPlan } from '../support/engine-run.js';
import { ask } from '../support/service-process.js';
import { gone, runToBridged, serviceRun, type ServiceRun } from '../support/service-run.js';
import { usePostgres, waitFor } from '../support/stack.js';

const postgres = usePostgres();
let run: ServiceRun | undefined;
afterEach(() => run?.close());

const plan = quickPlan('asked');
async function ready(): Promise<{
  run: ServiceRun;
  etag: string;
  post: (headers: Record<string, string>, body?: object) => ReturnType<ServiceRun['call']>;
}> {
  const here = (run = await serviceRun(await postgres.freshDatabase(), plan));
  await here.start();
  await runToBridged(here, plan);
  const readiness = await waitFor('readiness', async () => {
    const answer = await here.call(`/cutover/readiness?migration=${here.id}`);
    return answer?.body['ready'] === true ? answer : undefined;
  });
  return {
    run: here,
    etag: readiness.etag ?? '',
    post: (headers, body = { reason: 'test', lockBudget: '900ms', lockAttempts: 50 }) =>
      here.call(`/cutover?migration=${here.id}`, { body, headers }),
  };
}
const began = async (here: ServiceRun): Promise<number> =>
  (await here.events()).filter((event) => event.type === 'CutoverBegan').length;
const operations = async (here: ServiceRun, verb: string): Promise<number> =>
  (await here.prepared.admin.query(`select from highwater.operation where verb = $1`, [verb])).rowCount ?? 0;

describe('requests for a cutover', () => {
  it('F95 F96 F97 F98 F99 of many one begins, and each other is told why not', async () => {
    const { run: here, etag, post } = await ready();

    // F98: a generation that is not the present one
    expect((await post({ 'if-match': '"999"' }))?.status).toBe(412);
    expect((await post({}))?.status).toBe(428);
    // F99: the plan is immutable, whoever edits it
    const edited = await here.call('/migrations', { body: plan.replace('window: 1s', 'window: 2s') });
    expect(edited).toMatchObject({ status: 409, body: { code: 'HW6017' } });
    // F96: paused, and halted
    for (const verb of ['pause', 'halt']) {
      const { body } = await here.asked(`/migrations/${here.id}/${verb}`, { reason: 'test' });
      await here.settled(String(body['id']));
      expect(await post({ 'if-match': etag })).toMatchObject({ status: 409, body: { code: 'HW6019' } });
      await here.settled(String((await here.asked(`/migrations/${here.id}/resume`, {})).body['id']));
    }
    expect(await began(here)).toBe(0);

    // F97 and F95: one key five times, and five keys, all at once, on the generation that was seen; again where readiness has moved on since
    const reader = await here.client('reader');
    let round = 0;
    const { now, keys, answers } = await waitFor('one of ten requests to be accepted', async () => {
      const readiness = await here.call(`/cutover/readiness?migration=${here.id}`);
      if (readiness?.body['ready'] !== true) return undefined;
      const now = readiness.etag ?? '';
      round += 1;
      const keys = Array.from({ length: 10 }, (_, n) => (n < 5 ? `one-${round}` : `other-${round}-${n}`));
      // until all have their answer the attempt gets no lock: it is under way for each of them
      await reader.query('begin; lock table "Group" in access share mode');
      const answers = await Promise.all(keys.map((key) => post({ 'if-match': now, 'idempotency-key': key })));
      await reader.query('rollback');
      return answers.some((answer) => answer?.status === 202) ? { now, keys, answers } : undefined;
    });
    const accepted = new Set(answers.filter((answer) => answer?.status === 202).map((answer) => answer?.body['id']));
    expect(accepted.size).toBe(1);
    expect(answers.filter((answer) => answer?.status !== 202).map((answer) => answer?.status)).toEqual(
      answers.filter((answer) => answer?.status !== 202).map(() => 409),
    );
    const [winner] = accepted;
    expect(await here.settled(String(winner))).toMatchObject({ status: 'succeeded' });
    expect(await began(here)).toBe(1);
    // F97: the key again, as a replay and with another body
    const key = keys[answers.findIndex((answer) => answer?.status === 202)] ?? '';
    expect(await post({ 'if-match': now, 'idempotency-key': key })).toMatchObject({ body: { id: winner } });
    expect(
      (
        await post(
          { 'if-match': now, 'idempotency-key': key },
          { reason: 'another', lockBudget: '900ms', lockAttempts: 2 },
        )
      )?.status,
    ).toBe(422);
    // F97: requests of one key are one, and a key that was refused stays refused
    expect(answers.filter((answer, n) => keys[n] === key && answer?.status !== 202)).toEqual([]);
    for (const refused of new Set(keys.filter((one) => one !== key)))
      expect((await post({ 'if-match': now, 'idempotency-key': refused }))?.status).toBe(409);
    // F96: enforced already
    expect(await post({ 'if-match': now })).toMatchObject({ status: 409, body: { code: 'HW6014' } });
    expect(await began(here)).toBe(1);
  });

  it('F20 what was answered with 202 is carried out although the process died at once, and what was stored before an answer is not stored twice', async () => {
    const here = (run = await serviceRun(await postgres.freshDatabase(), plan));
    const first = await here.start();
    await runToBridged(here, plan);
    const cutover = await here.askForCutover();
    await first.kill('SIGKILL');
    // dies once the pause is stored, before anyone hears of it
    const second = await here.start({ failpoints: 'operation.afterAccepted=kill' });
    const unanswered = ask(second.url, `/migrations/${here.id}/pause`, {
      body: { reason: 'test' },
      headers: { 'idempotency-key': 'pause-1' },
    });
    expect(await gone(second, 'the process to die with the request stored')).toBe('SIGKILL');
    expect(await unanswered).toBeUndefined();
    await here.start();
    const again = await here.call(`/migrations/${here.id}/pause`, {
      body: { reason: 'test' },
      headers: { 'idempotency-key': 'pause-1' },
    });
    expect(again?.status).toBe(202);
    expect(await operations(here, 'pause')).toBe(1);
    expect(await here.settled(String(again?.body['id']))).toMatchObject({ status: 'succeeded' });
    // begun, or ended by the pause: decided one way or the other, and never lost
    const settled = await here.settled(cutover);
    expect(['succeeded', 'failed']).toContain(settled['status']);
    await here.settled(String((await here.asked(`/migrations/${here.id}/resume`, {})).body['id']));
    if (settled['status'] === 'failed')
      expect(await here.settled(await here.cutover())).toMatchObject({ status: 'succeeded' });
    expect(await here.phase()).toBe('enforced');
  });
});
