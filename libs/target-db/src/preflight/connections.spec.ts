import { describe, expect, it } from 'vitest';
import { connectionFindings, connectionsNeeded } from './connections.js';

const pools = { stream: 3, fill: 10, state: 6, ddl: 3 };
const server = { max: 100, reserved: 6, others: 20 };
const role = { role: 'hw fill', ident: '"hw fill"', limit: 20, others: 4, needed: 12 };

describe('connections that a process may open', () => {
  it('are its pools, what it keeps beside them, and the slot that it reads', () => {
    expect(connectionsNeeded(pools, { stream: true, sweepWorkers: 2, eventLog: 4 })).toEqual({
      stream: { sessions: 4, walsenders: 1 },
      fill: { sessions: 12, walsenders: 0 },
      state: { sessions: 12, walsenders: 0 },
      ddl: { sessions: 6, walsenders: 0 },
    });
    const alone = connectionsNeeded(pools, { stream: false, sweepWorkers: 1, eventLog: 0 });
    expect([alone.stream, alone.fill.sessions, alone.ddl.sessions]).toEqual([{ sessions: 3, walsenders: 0 }, 11, 5]);
  });

  it('pass while there is room for the last of them, beside what is reserved and what others have', () => {
    expect(connectionFindings(74, server, [{ ...role, needed: 16 }])).toEqual([
      {
        check: 'ConnectionLimit',
        status: 'pass',
        message:
          'a process may open 74 connections at once, and 74 are free: max_connections is 100, of which 6 are reserved and 20 are in use by others',
      },
    ]);
  });

  it('warn of one too few on the server, with what is needed and what is there', () => {
    expect(connectionFindings(75, server, [role])).toMatchObject([
      {
        check: 'ConnectionLimit',
        status: 'warn',
        message: expect.stringMatching(
          /^a process may open 75 .* and 74 are free: .*; raise max_connections/,
        ) as string,
        fixSql: expect.stringContaining('max_connections = 101;') as string,
      },
    ]);
    const [none] = connectionFindings(75, { ...server, others: 99 }, []);
    expect(none?.message).toContain('and 0 are free');
  });

  it('warn of each role that may not open its share, and say how many it would have to', () => {
    const [first, second, ...rest] = connectionFindings(75, server, [{ ...role, needed: 17 }]);
    expect(first).toMatchObject({
      status: 'warn',
      message:
        'a process may open 17 connections as hw fill at once, and 16 are free: its CONNECTION LIMIT is 20, of which 4 are in use by others; raise it',
      fixSql: 'alter role "hw fill" connection limit 21',
    });
    expect([second?.message, rest]).toEqual([expect.stringContaining('max_connections'), []]);
  });
});
