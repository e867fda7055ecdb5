// A sweeper as a process of its own, for specs that freeze or kill it: what it needs is in SWEEP, its name is its argument.
import { Sweeper } from '@highwater/roles';
import { openDatabase } from '@highwater/target-db';

const { urls, epoch, migrationId, limits, targets } = JSON.parse(process.env.SWEEP);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const sweeper = new Sweeper({
  database: openDatabase({ urls, instance: process.argv[2] }),
  migrationId,
  epoch,
  stream: null,
  targets,
  limits,
  logger: silent,
});
await sweeper.start();
