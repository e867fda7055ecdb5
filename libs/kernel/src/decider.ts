/** An expected refusal: typed, shown to the caller, never thrown inside the core. */
export interface Refusal<Reason extends string = string> {
  readonly refused: Reason;
  readonly detail: Readonly<Record<string, unknown>>;
}

export const refuse = <Reason extends string>(
  refused: Reason,
  detail: Readonly<Record<string, unknown>> = {},
): Refusal<Reason> => ({
  refused,
  detail,
});

export const isRefusal = (value: unknown): value is Refusal =>
  typeof value === 'object' && value !== null && 'refused' in value;

/** Decides on data and returns data (Chassaing, "Functional Event Sourcing Decider", 2021). */
export interface Decider<State, Command, Event, Reason extends string> {
  readonly initial: State;
  decide(command: Command, state: State): readonly Event[] | Refusal<Reason>;
  evolve(state: State, event: Event): State;
}
