import { json, table } from '../output.js';
import { type CommonOptions, type Session } from '../session.js';
import { statusBlock } from '../status-block.js';

/** Status of one migration; without a name the list of all. */
export async function status(session: Session, named: string | undefined, options: CommonOptions): Promise<void> {
  const client = session.client(options);
  const asJson = session.format === 'json';
  if (named !== undefined) {
    const view = await client.status(named);
    session.terminal.out(asJson ? json(view) : statusBlock(view));
    return;
  }
  const all = await client.list();
  if (asJson) return session.terminal.out(json({ migrations: all }));
  if (all.length === 0) return session.terminal.out('no migration; highwater start plan.yaml\n');
  session.terminal.out(
    table(
      ['migration', 'phase', 'state', 'plan'],
      all.map((one) => [one.id, one.phase, one.pause, one.planHash.slice(0, 12)]),
    ),
  );
}
