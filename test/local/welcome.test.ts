import { afterEach, expect, it, vi } from 'vitest';
import type { Stack } from '../../local/stack.ts';
import { welcome } from '../../local/welcome.ts';

const ports = { console: 1, gmail: 2, scheduler: 3, postgres: 4 };
const stack = { ports, mailbox: null, postgresFolder: null } as unknown as Stack;
const status = { is_running: true, state: 'watching', last_poll_at: null, mailboxes: [], advice: [] };

afterEach(() => vi.unstubAllEnvs());

it.each([
  ['/srv/second', '  LOCAL_DATA_DIR=/srv/second npm run sql'],
  ["/srv/Ann's data", "  LOCAL_DATA_DIR='/srv/Ann'\\''s data' npm run sql"],
  [' ', '  npm run sql'],
])('the commands of npm start can be pasted with LOCAL_DATA_DIR %j', (folder, command) => {
  vi.stubEnv('LOCAL_DATA_DIR', folder);
  expect(welcome(stack, status)).toContain(`\n${command} -- "select `);
});
