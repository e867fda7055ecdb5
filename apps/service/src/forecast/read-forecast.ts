import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type { ForecastView, MigrationControl, TableFilter } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** What would become of every row, or was foreseen when the migration was started. */
export class ReadForecast extends Query<ForecastView> {
  constructor(
    readonly id: string,
    readonly filter: TableFilter,
  ) {
    super();
  }
}

@QueryHandler(ReadForecast)
export class ReadForecastHandler implements IQueryHandler<ReadForecast> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id, filter }: ReadForecast): Promise<ForecastView> {
    return this.control.forecast(id, filter);
  }
}
