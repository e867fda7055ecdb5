/** Halt: nothing was judged. */
export class GateClosed extends Error {
  constructor() {
    super('halted: the gate is closed');
  }
}
