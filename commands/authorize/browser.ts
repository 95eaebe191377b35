/** Opens a URL in the browser of whoever sits here; without one nothing happens, the URL stands in the terminal too. */
import { spawn } from 'node:child_process';

export function openBrowser(url: string, platform: NodeJS.Platform = process.platform): void {
  const [program, ...options] = openerOf(platform, url);
  if (program === undefined) return;
  const child = spawn(program, options, { stdio: 'ignore', detached: true });
  child.on('error', () => undefined);
  child.unref();
}

function openerOf(platform: NodeJS.Platform, url: string): string[] {
  if (platform === 'darwin') return ['open', url];
  // Not cmd's `start`: the shell would cut the URL at its first ampersand.
  if (platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler', url];
  return ['xdg-open', url];
}
