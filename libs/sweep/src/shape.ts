/**
 * The two shapes of a chunk's transaction. `oneSnapshot`: one UPDATE on one snapshot, which fails when a row changed meanwhile; `lockFirst`: rows locked,
 * then written on a younger snapshot; a tenth dearer to a half, and never fails for others' sake. See docs/decisions/0004.
 */
export type FillShape = 'oneSnapshot' | 'lockFirst';

/** How often one snapshot was in vain lately. */
export interface ShapeMemory {
  /** Chunks still to be done lock first. */
  readonly lockFirst: number;
  /** How many there will be after the next time in vain. */
  readonly penalty: number;
}

export const freshShape: ShapeMemory = { lockFirst: 0, penalty: 1 };
const penaltyMax = 64;

export const nextShape = (memory: ShapeMemory): FillShape => (memory.lockFirst > 0 ? 'lockFirst' : 'oneSnapshot');

/** Each time one snapshot was in vain (its chunk was done twice) twice as many chunks are spared the attempt; one that passes forgets that. */
export function afterShape(memory: ShapeMemory, chunk: { tried: FillShape; inVain: boolean }): ShapeMemory {
  if (chunk.tried === 'lockFirst') return { ...memory, lockFirst: Math.max(0, memory.lockFirst - 1) };
  if (!chunk.inVain) return freshShape;
  return { lockFirst: memory.penalty, penalty: Math.min(penaltyMax, memory.penalty * 2) };
}
