import type { Decider, Refusal } from '@highwater/kernel';
import { isHighwaterError, isRefusal } from '@highwater/kernel';
import { versionConflict } from './codes.js';
import type { EventStore } from './event-store.js';
import type { CommandKey, NewEvent, StoredEvent } from './stored-event.js';

/** What became of a command. `state` and `version` are those after it. */
export type Ran<State, Event, Reason extends string> =
  | {
      readonly accepted: true;
      /** Empty when the command changed nothing. */
      readonly events: readonly Event[];
      /** True: this command id was accepted before. */
      readonly repeated: boolean;
      readonly state: State;
      readonly version: number;
    }
  | { readonly accepted: false; readonly refusal: Refusal<Reason>; readonly state: State; readonly version: number };

export interface CommandRunnerOptions {
  /** Tries against other writers or a lost connection; default 5. */
  readonly attemptsMax?: number;
  /** First pause after a failure of the server, in ms, doubled each time; default 100. A version conflict is tried again at once. */
  readonly pauseMs?: number;
}

/** Read, fold, decide, append: once per command, again when somebody else was faster. */
export class CommandRunner<State, Command, Event extends NewEvent, Reason extends string> {
  private readonly attemptsMax: number;
  private readonly pauseMs: number;
  /** What was folded last, by stream: a control process asks several times a second, and readiness that comes and goes makes a long stream. */
  private readonly folded = new Map<string, { readonly state: State; readonly last: StoredEvent }>();

  constructor(
    private readonly store: EventStore,
    private readonly decider: Decider<State, Command, Event, Reason>,
    /** Checks what the store hands back; throws on what this version does not know. */
    private readonly parse: (stored: StoredEvent) => Event,
    { attemptsMax = 5, pauseMs = 100 }: CommandRunnerOptions = {},
  ) {
    this.attemptsMax = attemptsMax;
    this.pauseMs = pauseMs;
  }

  async state(stream: string): Promise<{ readonly state: State; readonly version: number }> {
    const known = this.folded.get(stream);
    // from the last one known on, which must still be there: the log of a server that failed over may have lost it
    const [first, ...rest] = await this.store.read(stream, known ? known.last.version - 1 : 0);
    if (known && !(first && isSame(first, known.last))) {
      this.folded.delete(stream);
      return this.state(stream);
    }
    const fresh = known || !first ? rest : [first, ...rest];
    const state = fresh.reduce(
      (folded, event) => this.decider.evolve(folded, this.parse(event)),
      known?.state ?? this.decider.initial,
    );
    const last = fresh.at(-1) ?? known?.last;
    if (last) this.folded.set(stream, { state, last });
    return { state, version: last?.version ?? 0 };
  }

  /**
   * Runs one command. A refusal is returned, not thrown, and is not kept under the command id: the same request may be accepted later.
   * After a lost connection the command is decided again on what was stored, which is safe because a repeated command yields no event.
   */
  async run(stream: string, command: Command, key?: CommandKey): Promise<Ran<State, Event, Reason>> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.once(stream, command, key);
      } catch (error) {
        if (!isHighwaterError(error) || error.retry === 'never' || attempt >= this.attemptsMax) throw error;
        if (error.code !== versionConflict) await pause(this.pauseMs * 2 ** (attempt - 1));
      }
    }
  }

  private async once(
    stream: string,
    command: Command,
    key: CommandKey | undefined,
  ): Promise<Ran<State, Event, Reason>> {
    const before = key && (await this.store.accepted(key));
    const { state, version } = await this.state(stream);
    if (before) return { accepted: true, events: [], repeated: true, state, version };
    const decision = this.decider.decide(command, state);
    if (isRefusal(decision)) return { accepted: false, refusal: decision as Refusal<Reason>, state, version };
    const events = decision;
    const result = await this.store.append(stream, version, events, key);
    if (result.repeated) return { accepted: true, events: [], repeated: true, ...(await this.state(stream)) };
    const after = events.reduce((folded, event) => this.decider.evolve(folded, event), state);
    return { accepted: true, events, repeated: false, state: after, version: result.version };
  }
}

const isSame = (one: StoredEvent, other: StoredEvent): boolean =>
  one.version === other.version && one.position === other.position && one.type === other.type && one.at === other.at;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
