import { randomUUID } from 'node:crypto';

/** What the demo reads of the answers; the whole is documented at /openapi.json. */
export interface Operation {
  readonly id: string;
  readonly verb: string;
  readonly status: 'accepted' | 'running' | 'succeeded' | 'failed';
  readonly result?: unknown;
  readonly error: { readonly code: string; readonly message: string; readonly help?: string } | null;
}

export interface MigrationStatus {
  readonly phase: string;
  readonly stream: 'none' | 'open' | 'broken';
  readonly tables: readonly {
    readonly table: string;
    readonly filled: { readonly sweep: number; readonly live: number; readonly tailPass: number };
    readonly unfillable: number;
    readonly enforced: boolean;
  }[];
  readonly hints: Readonly<Record<string, number>>;
  readonly bridge: readonly {
    readonly applicationName: string;
    readonly outcome: string;
    readonly statements: string;
  }[];
  readonly ddlSteps: readonly {
    readonly table: string | null;
    readonly step: string;
    readonly lockMode: string;
    readonly attempts: number;
    readonly lockWaitMs: number;
    readonly heldMs: number;
  }[];
  /** Null: the plan has none. */
  readonly rowSecurity: { readonly tables: readonly { readonly on: boolean }[] } | null;
  readonly leftovers: readonly string[];
  readonly statusLine: string;
}

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

export interface Readiness {
  readonly ready: boolean;
  readonly generation: string;
  readonly conditions: readonly Condition[];
}

/** An answer of 400 or above, as its problem document says it. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    help: string | undefined,
  ) {
    super(`${status} ${code}: ${detail}${help === undefined ? '' : ` (${help})`}`);
  }
}

export interface Verification {
  readonly last: {
    readonly checked: number;
    readonly mismatches: number;
    /** Queries of the plan; `found` null: no number came. */
    readonly assertions: readonly { readonly name: string; readonly found: number | null }[];
  } | null;
  readonly mismatches: readonly { readonly table: string; readonly key: readonly string[] }[];
}

export interface Forecast {
  /** Made at the start, not now. */
  readonly kept: boolean;
  readonly tables: readonly {
    readonly table: string;
    readonly sampledPercent: number | null;
    /** Null: nothing could be known of the table in time. */
    readonly rowsSeen: number | null;
    readonly filled: number;
    /** Rows refused by a unique index that is there are among them. */
    readonly unfillable: readonly { readonly reason: string; readonly rows: number }[];
    readonly notes: readonly string[];
    readonly outcome: { readonly filled: number; readonly unfillable: number } | null;
  }[];
}

/** What each tenant would see of one table. */
export interface RowSecurityReport {
  /** Quoted. */
  readonly table: string;
  readonly policy: string;
  readonly setting: string;
  /** Null: not counted within the time. */
  readonly rows: {
    readonly total: number;
    readonly tenants: number;
    readonly seenByNobody: number;
    readonly largest: readonly { readonly tenant: string }[];
  } | null;
}

export interface UnfillableRow {
  readonly table: string;
  /** The entity's table, of a source row whose entity cannot be made. */
  readonly entity?: string | null;
  readonly reason: string;
  readonly constraint: string | null;
}

const ANSWER_MS_MAX = 30_000;

/** Highwater's HTTP API, as a client has it: nothing else is known of the product here. */
export class Api {
  constructor(
    private readonly url: string,
    private readonly signal: AbortSignal,
  ) {}

  plan = (yaml: string): Promise<Operation> =>
    this.#ask('POST', '/migrations', { body: yaml, type: 'application/yaml' });
  act = (migration: string, verb: string, request: Readonly<Record<string, unknown>> = {}): Promise<Operation> =>
    this.#ask('POST', `/migrations/${migration}/${verb}`, { body: JSON.stringify({ reason: 'demo', ...request }) });
  cutover = (migration: string, generation: string): Promise<Operation> =>
    this.#ask('POST', `/cutover?migration=${migration}`, {
      body: JSON.stringify({ reason: 'demo: everything is ready' }),
      headers: { 'If-Match': `"${generation}"` },
    });
  operation = (id: string): Promise<Operation> => this.#ask('GET', `/operations/${id}`);
  status = (migration: string): Promise<MigrationStatus> => this.#ask('GET', `/migrations/${migration}`);
  readiness = (migration: string): Promise<Readiness> => this.#ask('GET', `/cutover/readiness?migration=${migration}`);
  unfillable = (
    migration: string,
    cursor: string | null,
  ): Promise<{ rows: readonly UnfillableRow[]; nextCursor: string | null }> =>
    this.#ask(
      'GET',
      `/migrations/${migration}/unfillable?limit=1000${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
    );
  forecast = (migration: string): Promise<Forecast> => this.#ask('GET', `/migrations/${migration}/forecast`);
  rowSecurity = (migration: string): Promise<{ tables: readonly RowSecurityReport[] }> =>
    this.#ask('GET', `/migrations/${migration}/row-security`);
  verification = (migration: string): Promise<Verification> =>
    this.#ask('GET', `/migrations/${migration}/verification`);
  setLimits = (migration: string, limits: Readonly<Record<string, number | string>>): Promise<Operation> =>
    this.#ask('PATCH', `/migrations/${migration}/limits`, { body: JSON.stringify(limits) });
  asyncApi = (): Promise<AsyncApi> => this.#ask('GET', '/asyncapi.json');

  async #ask<T>(
    method: 'GET' | 'POST' | 'PATCH',
    path: string,
    {
      body,
      type = 'application/json',
      headers = {},
    }: { body?: string; type?: string; headers?: Record<string, string> } = {},
  ): Promise<T> {
    const response = await fetch(new URL(path, this.url), {
      method,
      signal: AbortSignal.any([this.signal, AbortSignal.timeout(ANSWER_MS_MAX)]),
      headers: {
        'Highwater-Actor': 'demo',
        ...(method !== 'GET' ? { 'Content-Type': type, 'Idempotency-Key': randomUUID() } : {}),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
    });
    const answer = (await response.json()) as T & { code?: string; detail?: string; help?: string };
    if (response.ok) return answer;
    throw new Problem(response.status, answer.code ?? 'no code', answer.detail ?? response.statusText, answer.help);
  }
}

export interface AsyncApi {
  readonly components: {
    readonly messages: Readonly<Record<string, { readonly name: string; readonly payload: object }>>;
  };
}
