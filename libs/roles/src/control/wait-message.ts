import type { WaitReason } from './next-act.js';
import type { ProcessState } from './process-state.js';

/** Why nothing is being done, as the status shows it, and who moves it. */
export function waitMessage(reason: WaitReason, process: Pick<ProcessState, 'id' | 'creating'>): string {
  switch (reason) {
    case 'NotStarted':
      return `planned; highwater start ${process.id} begins`;
    case 'Paused':
    case 'Halted':
      return `by the operator; highwater resume ${process.id} goes on`;
    case 'StreamBroken':
      return 'the plan says hold on a broken stream';
    case 'SchemaChanged':
      return 'a table or column the plan uses was changed; restore it, or plan again';
    case 'CreatingEntities':
      return process.creating ?? 'making the entities that are missing';
    case 'Sweeping':
      return 'filling history';
    case 'TailPass':
      return 'passing over what is still NULL';
    case 'FenceUnderWay':
    case 'AwaitingCutover':
      return `watching readiness; highwater cutover ${process.id} when ready`;
    case 'AwaitingFinish':
      return `enforced; highwater finish ${process.id} takes our objects away`;
    default:
      return reason;
  }
}
