// `npm run example <name>`: one team's migration, from their "before" to its enforced end and back, on real servers.
//
//   stage ─▶ old application ─▶ plan … bridged ─▶ bad rows listed ─▶ repaired ─▶ cutover ─▶ new application ─▶ finish ─▶ rollback ─▶ report
//
// Ctrl-C and failures clean up; whatever is started is stopped by `cleanup`, and by its guard should we be killed.
import { exampleNames } from './folder.js';
import { answer } from './migrate.js';
import { parseOptions, usage } from './options.js';

const names = exampleNames();
process.exitCode = await answer(() => parseOptions(process.argv.slice(2), names), usage(names));
