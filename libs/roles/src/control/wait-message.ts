/** What a migration that waits says to whoever asks why. */
export function waitMessage(reason: string, { id }: { readonly id: string }): string {
  switch (reason) {
    case 'NotStarted':
      return `planned; POST /migrations/${id}/start begins`;
    case 'Paused':
    case 'Halted':
      return `by the operator; POST /migrations/${id}/resume goes on`;
    case 'StreamBroken':
      return 'the plan says hold on a broken stream';
    case 'SchemaChanged':
      return 'a table or column the plan uses was changed; restore it, or plan again';
    case 'Sweeping':
      return 'filling history';
    case 'TailPass':
      return 'passing over what is still NULL';
    case 'FenceUnderWay':
    case 'AwaitingCutover':
      return 'watching readiness; POST /cutover when ready';
    case 'AwaitingFinish':
      return `enforced; POST /migrations/${id}/finish takes our objects away`;
    default:
      return reason;
  }
}
