import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../local/ports.ts';

describe('freePort', () => {
  it('returns a port that the system gives to no outgoing connection', async () => {
    const ports = await Promise.all(Array.from({ length: 20 }, async () => await freePort()));
    expect(ports.filter((port) => port < 10_240 || port >= 32_000)).toEqual([]);
  });

  it('returns the wanted port while it is free, and another one while it is not', async () => {
    const wanted = await freePort();
    expect(await freePort(wanted)).toBe(wanted);
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(wanted, '127.0.0.1', resolve);
    });
    expect(await freePort(wanted)).not.toBe(wanted);
    server.close();
  });
});
