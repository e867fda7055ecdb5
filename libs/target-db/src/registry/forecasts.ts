import type { Access } from '../session/database.js';
import type { PlanForecast } from '../forecast/table-forecast.js';

/** Keeps the forecast that was made before anything was written; a later one does not replace it. */
export async function saveForecast(state: Access, migrationId: string, forecast: PlanForecast): Promise<void> {
  await state.query(
    `keeping the forecast of ${migrationId}`,
    'update highwater.migration set forecast = $2::jsonb where id = $1 and forecast is null',
    [migrationId, JSON.stringify(forecast)],
  );
}

/** Undefined: none was kept. */
export async function readForecast(state: Access, migrationId: string): Promise<PlanForecast | undefined> {
  const [row] = await state.query<{ forecast: PlanForecast | null }>(
    `reading the forecast of ${migrationId}`,
    'select forecast from highwater.migration where id = $1',
    [migrationId],
  );
  return row?.forecast ?? undefined;
}
