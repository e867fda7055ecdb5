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
  unfillable = async (
    id: string,
    filter: UnfillableListFilter,
    limit: number,
    offset: number,
  ): Promise<readonly UnfillableRowView[]> =>
    (
      await this.ask<{ rows: readonly UnfillableRowView[] }>(
        'GET',
        `/migrations/${encodeURIComponent(id)}/unfillable${parameters({ ...filter, limit, offset })}`,
      )
    ).rows;
  verification = (id: string, limit: number, offset: number): Promise<VerificationView> =>
    this.ask('GET', `/migrations/${encodeURIComponent(id)}/verification${parameters({ limit, offset })}`);
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

  private async ask<T>(method: string, path: string, { body, yaml, headers }: Ask = {}): Promise<T> {
    const type = yaml !== undefined ? 'application/yaml' : 'application/json';
    const sent = yaml ?? (body === undefined ? undefined : JSON.stringify(body));
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${this.base}${path}`, {
        method,
        signal: this.signal,
        headers: { accept: 'application/json', ...(sent === undefined ? {} : { 'content-type': type }), ...headers },
        ...(sent === undefined ? {} : { body: sent }),
      });
      text = await response.text();
    } catch (error) {
      this.signal.throwIfAborted();
      throw this.unreachable(error);
    }
    const answer = parse(text);
    if (response.ok && answer !== undefined) return answer as T;
    if (isProblem(answer)) throw new RemoteProblem(answer);
    throw new HighwaterError(
      cliCodes.operationFailed,
      'never',
      `${this.base}${path} answered ${response.status} without a problem we understand; is it a Highwater service?`,
      { url: this.base, status: response.status },
    );
  }

  private unreachable(error: unknown): HighwaterError {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return new HighwaterError(
      cliCodes.noServer,
      'backoff',
      `no service answers at ${this.base}: ${messageOf(cause) || 'connection failed'}`,
      { url: this.base },
      'start the service, name another with --server, or do the whole job without one: highwater run plan.yaml',
    );
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
