import { HighwaterError, messageOf } from '@highwater/kernel';
import type {
  ForecastView,
  MigrationStatusView,
  MigrationSummary,
  Operation,
  PlannedStep,
  RowSecurityReport,
  ReadinessView,
  StoredEventView,
  UnfillableFilter,
  UnfillableListFilter,
  UnfillableRowView,
  VerificationView,
} from '@highwater/roles';
import { cliCodes } from './codes.js';
import { RemoteProblem } from './failure.js';

interface Ask {
  readonly body?: unknown;
  readonly yaml?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** The service's API as the verbs use it. Throws RemoteProblem for what it refuses, HW6302 when it cannot be reached. */
export class ServiceClient {
  private readonly base: string;

  constructor(
    server: string,
    private readonly signal: AbortSignal,
  ) {
    const url = /^https?:\/\//.test(server) ? server : `http://${server}`;
    if (!URL.canParse(url))
      throw new HighwaterError(
        cliCodes.usage,
        'never',
        `"${server}" is no address of a service; expected http://host:port`,
      );
    this.base = url.replace(/\/+$/, '');
  }

  plan = (yaml: string): Promise<Operation> => this.ask('POST', '/migrations', { yaml });
  list = async (): Promise<readonly MigrationSummary[]> =>
    (await this.ask<{ migrations: readonly MigrationSummary[] }>('GET', '/migrations')).migrations;
  status = (id: string): Promise<MigrationStatusView> => this.ask('GET', `/migrations/${encodeURIComponent(id)}`);
  act = (id: string, verb: string, body: object): Promise<Operation> =>
    this.ask('POST', `/migrations/${encodeURIComponent(id)}/${verb}`, { body });
  limits = (id: string, body: object): Promise<Operation> =>
    this.ask('PATCH', `/migrations/${encodeURIComponent(id)}/limits`, { body });
  retryPath = (id: string, filter: UnfillableFilter): string =>
    `/migrations/${encodeURIComponent(id)}/unfillable/retry${parameters({ ...filter })}`;
  retry = (id: string, filter: UnfillableFilter, body: object): Promise<Operation> =>
    this.ask('POST', this.retryPath(id, filter), { body });
  /** All of them by table and key, in batches as they arrive. */
  unfillable = (id: string, filter: UnfillableListFilter): AsyncGenerator<readonly UnfillableRowView[]> =>
    this.records(`/migrations/${encodeURIComponent(id)}/unfillable/export${parameters({ ...filter })}`);
  verification = (id: string, limit: number, cursor?: string): Promise<VerificationView> =>
    this.ask('GET', `/migrations/${encodeURIComponent(id)}/verification${parameters({ limit, cursor })}`);
  rowSecurity = async (id: string): Promise<readonly RowSecurityReport[]> =>
    (
      await this.ask<{ tables: readonly RowSecurityReport[] }>(
        'GET',
        `/migrations/${encodeURIComponent(id)}/row-security`,
      )
    ).tables;
  forecast = (id: string, table: string | undefined): Promise<ForecastView> =>
    this.ask('GET', `/migrations/${encodeURIComponent(id)}/forecast${parameters({ table })}`);
  steps = async (id: string): Promise<readonly PlannedStep[]> =>
    (await this.ask<{ steps: readonly PlannedStep[] }>('GET', `/migrations/${encodeURIComponent(id)}/steps`)).steps;
  rollbackSteps = async (id: string): Promise<readonly PlannedStep[]> =>
    (await this.ask<{ steps: readonly PlannedStep[] }>('GET', `/migrations/${encodeURIComponent(id)}/rollback`)).steps;
  operation = (id: string): Promise<Operation> => this.ask('GET', `/operations/${encodeURIComponent(id)}`);
  readiness = (id: string | undefined): Promise<ReadinessView> => this.ask('GET', `/cutover/readiness${query(id)}`);
  cutover = (id: string | undefined, generation: string, body: object): Promise<Operation> =>
    this.ask('POST', `/cutover${query(id)}`, { body, headers: { 'If-Match': `"${generation}"` } });
  events = async (id: string, after: number): Promise<readonly StoredEventView[]> =>
    (
      await this.ask<{ events: readonly StoredEventView[] }>(
        'GET',
        `/migrations/${encodeURIComponent(id)}/events?after=${after}&limit=1000`,
      )
    ).events;

  private async ask<T>(method: string, path: string, asked: Ask = {}): Promise<T> {
    const response = await this.send(method, path, 'application/json', asked);
    const answer = parse(await this.reading(response.text()));
    if (response.ok && answer !== undefined) return answer as T;
    throw this.refused(response, path, answer);
  }

  /** An answer of one record a line, in batches as they arrive: the list may be longer than memory. */
  private async *records<T>(path: string): AsyncGenerator<readonly T[]> {
    const response = await this.send('GET', path, ndjson);
    if (!response.ok || !response.headers.get('content-type')?.startsWith(ndjson) || response.body === null)
      throw this.refused(response, path, parse(await this.reading(response.text())));
    const lines = linesOf(response.body);
    try {
      for (;;) {
        const next = await this.reading(lines.next(), (error) => this.brokenOff(error));
        if (next.done === true) return;
        yield next.value.map((line) => JSON.parse(line) as T);
      }
    } finally {
      await lines.return(undefined);
    }
  }

  private async send(
    method: string,
    path: string,
    accept: string,
    { body, yaml, headers }: Ask = {},
  ): Promise<Response> {
    const type = yaml !== undefined ? 'application/yaml' : 'application/json';
    const sent = yaml ?? (body === undefined ? undefined : JSON.stringify(body));
    return this.reading(
      fetch(`${this.base}${path}`, {
        method,
        signal: this.signal,
        headers: { accept, ...(sent === undefined ? {} : { 'content-type': type }), ...headers },
        ...(sent === undefined ? {} : { body: sent }),
      }),
    );
  }

  /** What the network does to a request or to an answer on its way. */
  private async reading<T>(
    under: Promise<T>,
    failed = (error: unknown): HighwaterError => this.unreachable(error),
  ): Promise<T> {
    try {
      return await under;
    } catch (error) {
      this.signal.throwIfAborted();
      throw failed(error);
    }
  }

  private refused(response: Response, path: string, answer: unknown): HighwaterError {
    if (isProblem(answer)) return new RemoteProblem(answer);
    return new HighwaterError(
      cliCodes.operationFailed,
      'never',
      `${this.base}${path} answered ${response.status} without a problem we understand; is it a Highwater service?`,
      { url: this.base, status: response.status },
    );
  }

  private unreachable(error: unknown): HighwaterError {
    return new HighwaterError(
      cliCodes.noServer,
      'backoff',
      `no service answers at ${this.base}: ${causeOf(error)}`,
      { url: this.base },
      'start the service, name another with --server, or do the whole job without one: highwater run plan.yaml',
    );
  }

  private brokenOff(error: unknown): HighwaterError {
    return new HighwaterError(
      cliCodes.noServer,
      'backoff',
      `the answer of ${this.base} broke off (${causeOf(error)}): what was written is not the whole list`,
      { url: this.base },
      'ask again; the log of the service says what ended it',
    );
  }
}

const causeOf = (error: unknown): string =>
  messageOf(error instanceof Error && error.cause instanceof Error ? error.cause : error) || 'connection failed';

const ndjson = 'application/x-ndjson';

async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<readonly string[]> {
  const decoder = new TextDecoder();
  let begun = '';
  for await (const bytes of body) {
    const lines = (begun + decoder.decode(bytes, { stream: true })).split('\n');
    begun = lines.pop() ?? '';
    if (lines.length > 0) yield lines;
  }
}

const query = (id: string | undefined): string => parameters({ migration: id });

function parameters(values: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return given.length === 0 ? '' : `?${given.join('&')}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

const isProblem = (answer: unknown): answer is RemoteProblem['problem'] =>
  typeof answer === 'object' &&
  answer !== null &&
  'code' in answer &&
  typeof answer.code === 'string' &&
  'detail' in answer &&
  typeof answer.detail === 'string';
