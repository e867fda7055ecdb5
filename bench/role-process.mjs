// Relay, filler and sweeper of one migration in a process of their own, as a service beside the database's machine would run them.
import { openDatabase } from '@highwater/target-db';
import { Filler, Relay, Sweeper } from '@highwater/roles';
import { logger, compiledMigration } from './tables.mjs';

const { url, kafka, migration: recorded, stream, roles, instance, limits = {} } = JSON.parse(process.argv[2]);
const database = openDatabase({ urls: { stream: url, fill: url, state: url, ddl: url }, instance });
const { id, short, plan, targets } = await compiledMigration(database, recorded);
const onBroken = (broken) => console.error('! stream broken', broken);
const common = { database, kafka, migrationId: id, stream, targets, logger, onBroken };
const make = {
  relay: () => new Relay({ ...common, short }),
  filler: () => new Filler({ ...common, limits: plan.limits }),
  sweeper: () => new Sweeper({ ...common, epoch: 1, limits: { ...plan.limits, ...limits } }),
};
const running = Object.fromEntries(roles.map((role) => [role, make[role]()]));
for (const role of Object.values(running)) await role.start();

process.on('disconnect', () => process.exit(1));
process.on('message', async (message) => {
  if (message === 'status')
    process.send(Object.fromEntries(Object.entries(running).map(([name, role]) => [name, role.status()])));
  if (message !== 'stop') return;
  for (const role of Object.values(running)) await role.stop();
  await database.close();
  process.send('stopped', () => process.exit(0));
});
process.send('ready');
