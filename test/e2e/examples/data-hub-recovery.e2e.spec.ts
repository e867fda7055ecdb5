import { it } from 'vitest';
import { expectExample } from '../../support/example-run.js';

it('data-hub-recovery: scenario A of the paper, as it was found; the others and the printed commands: test/integration/recovery.int.spec.ts', async () =>
  await expectExample('data-hub-recovery', [
    /listed +Connection UniqueConflict Connection_workspaceId_provider_key: 14, as seeded and made/,
    /listed +Connection ParentMissing: 5, as seeded and made/,
    /end state +14 of 14 hold/,
    /kept +values of public\."ChatMessage"\."workspaceId": the plan has no journal/,
  ]));
