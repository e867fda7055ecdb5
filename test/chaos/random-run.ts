import { oracle } from '../../libs/local-stack/src/demo/oracle.js';
import type { ApplicationLine } from '../support/demo-world.js';
import { waitFor } from '../support/stack.js';
import { judgeErrors, type JudgedErrors } from './application-errors.js';
import { check } from './checker/check.js';
import type { Verdict } from './checker/history.js';
import { faults } from './faults/faults.js';
import { randoms, type Schedule } from './schedule.js';
import { migration, type World } from './world.js';

const phaseMsMax = 300_000;
const timeOf = (ms: number): string => `${(ms / 1_000).toFixed(1).padStart(7)} s`;

export interface RandomRun {
  readonly timeline: readonly string[];
  readonly kills: number;
  readonly faults: number;
  readonly application: ApplicationLine;
  readonly errors: JudgedErrors;
  readonly agrees: boolean;
  readonly leftovers: readonly string[];
  readonly verdicts: readonly Verdict[];
}

/**
 *   plan ─▶ start ─▶ (kills and faults all the while) ─▶ cutover asked for ─▶ enforced ─▶ the rest of the kills ─▶ finish ─▶ checker
 */
export async function randomRun(world: World, plan: Schedule, say: (line: string) => void): Promise<RandomRun> {
  const began = Date.now();
  const timeline: string[] = [];
  const note = (what: string): void => {
    const line = `${timeOf(Date.now() - began)}  ${what}`;
    timeline.push(line);
    say(line);
  };
  const stop = new AbortController();
  const random = randoms(plan.seed + 1);
  for (let n = 0; n < world.services.places; n += 1)
    note(`process ${n} starts: ${await world.services.start(n, random)}`);
  const operator = new Operator(world, note);
  await operator.start();
  await world.recording.installed();
  const until = (atMs: number): Promise<void> =>
    new Promise((resolve) => setTimeout(resolve, Math.max(0, began + atMs - Date.now())));

  const counts = { kills: 0, faults: 0 };
  const killing = (async () => {
    for (const atMs of plan.kills) {
      await until(atMs);
      if (stop.signal.aborted) return;
      const place = Math.floor(random() * world.services.places);
      await world.services.kill(place);
      await until(Date.now() - began + random() * 1_000);
      counts.kills += 1;
      note(`kill ${counts.kills}: process ${place}, comes back with ${await world.services.start(place, random)}`);
    }
  })();
  const faulting = (async () => {
    for (const { atMs, name } of plan.faults) {
      await until(atMs);
      if (stop.signal.aborted) return;
      const came = await faults[name](world, random).catch((error: unknown) => `failed: ${String(error)}`);
      counts.faults += 1;
      note(`fault ${counts.faults}: ${name}: ${came}`);
    }
  })();
  try {
    await until(plan.cutoverAtMs);
    await operator.cutOver();
    await Promise.all([killing, faulting]);
    const application = await world.application.stop();
    await operator.finish();
    const errors = judgeErrors(world.application.lines, world.outages);
    const verdict = await oracle(world.url);
    return {
      timeline,
      ...counts,
      application,
      errors,
      agrees: verdict.agrees,
      leftovers: Object.values(verdict.leftovers).flat(),
      verdicts: check(await world.recording.history(errors.ours)),
    };
  } finally {
    stop.abort();
    await Promise.race([Promise.allSettled([killing, faulting]), new Promise((resolve) => setTimeout(resolve, 5_000))]);
  }
}

/** Does what a person does who wants this migration done, and asks again when nobody answered. */
class Operator {
  #attempts = 0;
  #lastRefusal: unknown;

  constructor(
    private readonly world: World,
    private readonly note: (what: string) => void,
  ) {}

  async start(): Promise<void> {
    await this.#until('the plan to be accepted', async () => {
      const answer = await this.world.services.ask('/migrations', { body: this.world.plan });
      return answer?.status === 202 || answer?.status === 409;
    });
    await this.#until('start to be accepted', async () => (await this.#post('start', 'start-1'))?.status === 202);
    this.note('started');
  }

  async cutOver(): Promise<void> {
    this.note('the cutover is asked for from now on');
    await this.#until('the migration to be enforced', async () => {
      const phase = await this.#phase();
      if (phase !== 'bridged') return phase === 'enforced';
      const readiness = await this.world.services.ask(`/cutover/readiness?migration=${migration}`);
      if (readiness?.body['ready'] !== true) return false;
      this.#attempts += 1;
      await this.world.services.ask(`/cutover?migration=${migration}`, {
        body: { reason: 'chaos' },
        headers: { 'if-match': readiness.etag ?? '', 'idempotency-key': `cutover-${this.#attempts}` },
      });
      return false;
    });
    this.note(`enforced after ${this.#attempts} requests`);
  }

  async finish(): Promise<void> {
    await this.#until('finish to be accepted', async () => (await this.#post('finish', 'finish-1'))?.status === 202);
    await this.#until('the migration to be finished', async () => (await this.#phase()) === 'finished');
    this.note('finished');
  }

  async #post(verb: string, key: string) {
    const answer = await this.world.services.ask(`/migrations/${migration}/${verb}`, {
      body: { reason: 'chaos' },
      headers: { 'idempotency-key': key },
    });
    if (answer && answer.status >= 400) this.#lastRefusal = answer.body;
    return answer;
  }

  async #phase(): Promise<unknown> {
    return (await this.world.services.ask(`/migrations/${migration}`))?.body['phase'];
  }

  #until(what: string, condition: () => Promise<boolean>): Promise<boolean> {
    return waitFor(what, condition, {
      timeoutMs: phaseMsMax,
      everyMs: 100,
      describe: async () => ({
        logs: this.world.services.logs,
        lastRefusal: this.#lastRefusal,
        readiness: (await this.world.services.ask(`/cutover/readiness?migration=${migration}`))?.body,
        status: (await this.world.services.ask(`/migrations/${migration}`))?.body['statusLine'],
      }),
    });
  }
}
