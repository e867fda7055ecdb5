import type { LiveMigration } from '@highwater/migration';
import { forecastPlan, readEvaluation, readForecast, type PlanForecast } from '@highwater/target-db';
import type { ControlContext } from './context.js';
import type { ForecastView, MigrationStatusView, TableFilter } from './port.js';
import { resolvePlan } from './resolve.js';
import { targetsNamed } from './targets-named.js';

/** Whoever asks waits no longer; tables that are left then are said to be unknown. */
const msMax = 30_000;

/** What was kept when the migration was started, beside what became of it; before that, what would become of it now. */
export class Forecasts {
  /** A second question while the first is being answered gets the same answer: it reads the same tables. */
  private readonly underWay = new Map<string, Promise<PlanForecast>>();

  constructor(private readonly context: ControlContext) {}

  async view(id: string, state: LiveMigration, { table }: TableFilter): Promise<ForecastView> {
    const { state: access } = this.context.database;
    const named = new Set(targetsNamed(id, state.targets, table).map((no) => nameOf(state, no)));
    const kept = await readForecast(access, id);
    const forecast = kept ?? (await this.now(id, state));
    const status = (await readEvaluation(access, id))?.status as MigrationStatusView | null | undefined;
    return {
      migration: id,
      kept: kept !== undefined,
      takenAt: forecast.takenAt,
      notes: forecast.notes,
      entities: table === undefined ? forecast.entities : [],
      tables: forecast.tables
        .filter((one) => named.has(`${one.table}.${one.target}`))
        .map((one) => ({ ...one, outcome: kept ? outcomeOf(status, one) : null })),
    };
  }

  private now(id: string, state: LiveMigration): Promise<PlanForecast> {
    const running = this.underWay.get(id);
    if (running) return running;
    const asked = this.look(state).finally(() => this.underWay.delete(id));
    this.underWay.set(id, asked);
    return asked;
  }

  private async look(state: LiveMigration): Promise<PlanForecast> {
    const { database } = this.context;
    return forecastPlan({ ...(await resolvePlan(database.state, state.planSource)), database, msMax });
  }
}

const nameOf = (state: LiveMigration, targetNo: number): string =>
  `${state.targets[targetNo]?.table}.${state.targets[targetNo]?.target}`;

function outcomeOf(
  status: MigrationStatusView | null | undefined,
  of: { readonly table: string; readonly target: string },
): ForecastView['tables'][number]['outcome'] {
  const found = status?.tables.find((one) => one.table === of.table && one.target === of.target);
  if (!found) return null;
  const { sweep, live, tailPass } = found.filled;
  return { filled: sweep + live + tailPass, unfillable: found.unfillable, nulls: found.nulls };
}
