/**
 * Where log records go. Standard output begins with the one line that says where the service listens, so that whoever started it can
 * read the address from there; records written before that go to standard error.
 */
export class LogOutput {
  private listening = false;

  write(record: string): void {
    (this.listening ? process.stdout : process.stderr).write(record);
  }

  announce(url: string): void {
    process.stdout.write(`${JSON.stringify({ listening: url })}\n`);
    this.listening = true;
  }
}
