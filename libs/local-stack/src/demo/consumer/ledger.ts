/** One delivery, as it came from Kafka. */
export interface Delivery {
  readonly key: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
}

export interface Received {
  readonly type: string;
  readonly migration: string;
  readonly sequence: number;
  readonly at: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Checks the data of one event type against its published schema; undefined when valid, else what is wrong. */
export type Validate = (type: string, data: unknown) => string | undefined;

/**
 * What a consumer has to do with events that come at least once and in order per migration: drop what it has seen by `ce_id`,
 * and insist that the first deliveries count 1, 2, 3, … by `ce_sequence`.
 */
export class Ledger {
  readonly #seen = new Set<string>();
  readonly #last = new Map<string, number>();
  readonly problems: string[] = [];
  readonly byType: Record<string, number> = {};
  duplicates = 0;

  constructor(private readonly validate: Validate) {}

  get events(): number {
    return this.#seen.size;
  }

  /** The event when it is new, else undefined. Everything wrong with it is noted under `problems`. */
  take(delivery: Delivery): Received | undefined {
    const { headers } = delivery;
    const missing = ['ce_specversion', 'ce_id', 'ce_source', 'ce_type', 'ce_time', 'ce_subject', 'ce_sequence'].filter(
      (name) => !headers[name],
    );
    if (missing.length > 0) {
      this.problems.push(`a message without ${missing.join(', ')}`);
      return undefined;
    }
    const { ce_id = '', ce_type = '', ce_time = '', ce_subject = '', ce_sequence = '' } = headers;
    if (this.#seen.has(ce_id)) {
      this.duplicates += 1;
      return undefined;
    }
    this.#seen.add(ce_id);
    this.byType[ce_type] = (this.byType[ce_type] ?? 0) + 1;
    if (delivery.key !== ce_subject)
      this.problems.push(`${ce_id}: keyed by ${delivery.key ?? 'nothing'}, not by its migration`);
    const sequence = Number(ce_sequence);
    const expected = (this.#last.get(ce_subject) ?? 0) + 1;
    if (sequence !== expected) this.problems.push(`${ce_id}: sequence ${sequence} where ${expected} was due`);
    this.#last.set(ce_subject, sequence);
    const data = parse(delivery.value);
    const wrong = data === undefined ? 'its value is not a JSON object' : this.validate(ce_type, data);
    if (wrong !== undefined) this.problems.push(`${ce_id} (${ce_type}): ${wrong}`);
    return { type: ce_type, migration: ce_subject, sequence, at: ce_time, data: data ?? {} };
  }
}

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
