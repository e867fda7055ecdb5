// `npm run demo`: the first of the examples in full (examples/organization-to-workspace), by the same runner.
import { answer } from '../example/migrate.js';
import { demoUsage, parseDemoOptions } from '../example/options.js';

process.exitCode = await answer(() => parseDemoOptions(process.argv.slice(2)), demoUsage);
