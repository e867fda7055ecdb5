import { serverNow, type Access } from '@highwater/target-db';

/**
 * The server's clock, read once and carried on by our monotonic one. Times stored by the server are compared with it, so that the wall
 * clocks of our machines decide nothing.
 */
export async function serverClock(access: Access): Promise<() => Date> {
  const then = await serverNow(access);
  const began = performance.now();
  return () => new Date(then.getTime() + performance.now() - began);
}
