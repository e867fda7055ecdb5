import type { MigrationStatusView } from '@highwater/roles';
import { blockEveryMs, nextLineMs } from './cadence.js';
import { clean, jsonLine } from './output.js';
import type { Session } from './session.js';
import { statusBlock } from './status-block.js';

/** Reports status at the cadence of SURFACES UX-02 for as long as one run lasts: a line, a block each ten minutes, records for programs. */
export class Reporter {
  private readonly startedAt = performance.now();
  private nextLineAt = 0;
  private nextBlockAt = blockEveryMs;
  private lastReason = '';

  constructor(private readonly session: Session) {}

  /** Says the status when it is due, or when the phase or the reason changed. */
  offer(status: MigrationStatusView): void {
    const elapsed = performance.now() - this.startedAt;
    const reason = `${status.phase}/${status.pause}/${status.reason.code}`;
    if (elapsed < this.nextLineAt && reason === this.lastReason) return;
    this.lastReason = reason;
    this.nextLineAt = elapsed + nextLineMs(elapsed, status.eta?.p50Ms ?? null);
    const { terminal, format } = this.session;
    if (format === 'json' || !terminal.interactive) {
      const { id, phase, pause, progress, rowsPerSecond, eta, reason: why, statusLine, evaluatedAt } = status;
      terminal.out(
        jsonLine({
          at: evaluatedAt,
          migration: id,
          phase,
          pause,
          progress,
          rowsPerSecond,
          eta,
          reason: why,
          statusLine,
        }),
      );
      return;
    }
    const block = elapsed >= this.nextBlockAt;
    if (block) this.nextBlockAt = elapsed + blockEveryMs;
    terminal.out(block ? `\n${statusBlock(status)}\n` : `${clean(status.statusLine)}\n`);
  }
}
