import { defineExample } from '@highwater/local-stack/example';
import hub from '../data-hub-tenancy/application.js';

/** The same application as in `data-hub-tenancy`: the same team, found in the middle of its migration. */
export default defineExample({ ...hub, migration: 'data-hub-recovery' });
