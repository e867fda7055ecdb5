import type pg from 'pg';

/** The connection below a client, as far as COPY needs it; `pg` has it, its types do not. */
interface CopyConnection {
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** `COPY … FROM STDIN` by the wire protocol, in the form of `pg`'s own query objects. */
class CopyIn {
  constructor(
    private readonly text: string,
    private readonly rows: readonly (readonly (string | null)[])[],
    private readonly done: (error?: Error) => void,
  ) {}

  submit(connection: CopyConnection): void {
    connection.query(this.text);
  }
  handleCopyInResponse(connection: CopyConnection): void {
    connection.sendCopyFromChunk(Buffer.from(this.rows.map((row) => `${row.map(copyText).join('\t')}\n`).join('')));
    connection.endCopyFrom();
  }
  /** The last that is heard of a query: after an error of the server, and when the connection is lost, `pg` forgets it. */
  handleError(error: Error): void {
    this.done(error);
  }
  handleReadyForQuery(): void {
    this.done();
  }
  handleCommandComplete(): void {
    // The row count is known already.
  }
}

const copyText = (value: string | null): string =>
  value === null
    ? '\\N'
    : value.replace(/[\\\t\n\r]/g, (c) => ({ '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' })[c] ?? c);

/** Sends rows of text values by COPY; all of them in one command, so in one transaction with one commit LSN. */
export async function copyIn(
  client: pg.Client,
  target: string,
  rows: readonly (readonly (string | null)[])[],
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const query = new CopyIn(`copy ${target} from stdin`, rows, (error) => (error ? reject(error) : resolve()));
    client.query(query as unknown as pg.Submittable);
  });
}
