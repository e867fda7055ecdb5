import { describe, expectTypeOf, it } from 'vitest';
import type {
  ForecastView,
  MigrationSummary,
  Operation,
  PlannedStep,
  ReadinessView,
  StoredEventView,
  UnfillableListView,
  UnfillableRowView,
  VerificationView,
} from '@highwater/roles';
import type { z } from 'zod';
import type { forecastView } from './forecast-view.js';
import type {
  eventView,
  operationView,
  readinessView,
  stepsView,
  summaryView,
  unfillableView,
  verificationView,
} from './views.js';

/** What the OpenAPI document says is what the control port answers; the compiler compares them. */
describe('documented answers', () => {
  it('have the types of the control port', () => {
    expectTypeOf<keyof z.infer<typeof operationView>>().toEqualTypeOf<keyof Operation>();
    expectTypeOf<keyof z.infer<typeof readinessView>>().toEqualTypeOf<keyof ReadinessView>();
    expectTypeOf<keyof z.infer<typeof summaryView>>().toEqualTypeOf<keyof MigrationSummary>();
    expectTypeOf<keyof z.infer<typeof eventView>>().toEqualTypeOf<keyof StoredEventView>();
    expectTypeOf<keyof z.infer<typeof unfillableView>>().toEqualTypeOf<keyof UnfillableListView>();
    expectTypeOf<keyof z.infer<typeof unfillableView>['rows'][number]>().toEqualTypeOf<keyof UnfillableRowView>();
    expectTypeOf<keyof z.infer<typeof verificationView>>().toEqualTypeOf<keyof VerificationView>();
    expectTypeOf<keyof z.infer<typeof forecastView>>().toEqualTypeOf<keyof ForecastView>();
    expectTypeOf<keyof z.infer<typeof forecastView>['tables'][number]>().toEqualTypeOf<
      keyof ForecastView['tables'][number]
    >();
    expectTypeOf<keyof z.infer<typeof stepsView>['steps'][number]>().toEqualTypeOf<keyof PlannedStep>();
  });
});
