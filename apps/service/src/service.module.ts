import { Module, type DynamicModule } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import type { Engine, Settings } from '@highwater/roles';
import type { Logger } from '@highwater/telemetry';
import { CutOverHandler } from './cutover/cut-over.js';
import { CutoverController } from './cutover/cutover.controller.js';
import { ReadReadinessHandler } from './cutover/read-readiness.js';
import { DocumentsController } from './documents/documents.controller.js';
import { Documents } from './documents/documents.js';
import { EventsController } from './events/events.controller.js';
import { ReadEventsHandler } from './events/read-events.js';
import { ForecastController } from './forecast/forecast.controller.js';
import { ReadForecastHandler } from './forecast/read-forecast.js';
import { HealthController } from './health/health.controller.js';
import { Lifecycle } from './health/lifecycle.js';
import { HeldRequests } from './http/held-requests.js';
import { ChangeLimitsHandler } from './migrations/change-limits.js';
import { FinishMigrationHandler } from './migrations/finish-migration.js';
import { HaltMigrationHandler } from './migrations/halt-migration.js';
import { ListMigrationsHandler } from './migrations/list-migrations.js';
import { MigrationsController } from './migrations/migrations.controller.js';
import { PauseMigrationHandler } from './migrations/pause-migration.js';
import { PlanMigrationHandler } from './migrations/plan-migration.js';
import { PreflightMigrationHandler } from './migrations/preflight-migration.js';
import { ResumeMigrationHandler } from './migrations/resume-migration.js';
import { ShowMigrationHandler } from './migrations/show-migration.js';
import { StartMigrationHandler } from './migrations/start-migration.js';
import { ApproveMigrationHandler } from './migrations/approve-migration.js';
import { CutoverConsentController } from './migrations/cutover-consent.controller.js';
import { HoldMigrationHandler } from './migrations/hold-migration.js';
import { ReadRowSecurityHandler } from './migrations/read-row-security.js';
import { ReadStepsHandler } from './migrations/read-steps.js';
import { ReleaseMigrationHandler } from './migrations/release-migration.js';
import { ReadRollbackStepsHandler } from './migrations/read-rollback-steps.js';
import { RollBackMigrationHandler } from './migrations/roll-back-migration.js';
import { RollbackController } from './migrations/rollback.controller.js';
import { UnenforceMigrationHandler } from './migrations/unenforce-migration.js';
import { OperationsController } from './operations/operations.controller.js';
import { ReadOperationHandler } from './operations/read-operation.js';
import { ExportUnfillableHandler, ListUnfillableHandler } from './unfillable/list-unfillable.js';
import { RetryUnfillableHandler } from './unfillable/retry-unfillable.js';
import { UnfillableController } from './unfillable/unfillable.controller.js';
import { ReadVerificationHandler } from './verification/read-verification.js';
import { VerificationController } from './verification/verification.controller.js';
import { VerifyMigrationHandler } from './verification/verify-migration.js';
import { CONTROL, ENGINE, LOGGER, SETTINGS } from './tokens.js';

/** One handler per command and query; architecture.spec.ts refuses a second one. */
const handlers = [
  PlanMigrationHandler,
  PreflightMigrationHandler,
  StartMigrationHandler,
  PauseMigrationHandler,
  ResumeMigrationHandler,
  HaltMigrationHandler,
  FinishMigrationHandler,
  ChangeLimitsHandler,
  HoldMigrationHandler,
  ReleaseMigrationHandler,
  ApproveMigrationHandler,
  RollBackMigrationHandler,
  UnenforceMigrationHandler,
  VerifyMigrationHandler,
  RetryUnfillableHandler,
  CutOverHandler,
  ListMigrationsHandler,
  ShowMigrationHandler,
  ExportUnfillableHandler,
  ListUnfillableHandler,
  ReadVerificationHandler,
  ReadRowSecurityHandler,
  ReadRollbackStepsHandler,
  ReadForecastHandler,
  ReadStepsHandler,
  ReadReadinessHandler,
  ReadOperationHandler,
  ReadEventsHandler,
];

@Module({})
export class ServiceModule {
  static forRoot(engine: Engine, settings: Settings, logger: Logger): DynamicModule {
    return {
      module: ServiceModule,
      imports: [CqrsModule.forRoot()],
      controllers: [
        EventsController,
        MigrationsController,
        UnfillableController,
        VerificationController,
        ForecastController,
        CutoverConsentController,
        RollbackController,
        CutoverController,
        OperationsController,
        HealthController,
        DocumentsController,
      ],
      providers: [
        { provide: ENGINE, useValue: engine },
        { provide: CONTROL, useValue: engine.control },
        { provide: SETTINGS, useValue: settings },
        { provide: LOGGER, useValue: logger },
        HeldRequests,
        Lifecycle,
        Documents,
        ...handlers,
      ],
    };
  }
}
