/** Codes of fill, gate and sweep; each comment is the operator's page. */
export const fillCodes = {
  /** HW4001 A gate was closed, but a write that began before it is still under way. Nothing new starts; ask again. A session that froze inside its transaction is ended by its idle timeout after 5 s. */
  gateNotDrained: 'HW4001',
} as const;
