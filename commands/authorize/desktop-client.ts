/** The OAuth client that requests the consent: from the environment, or from the JSON file of the Cloud console. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Environment } from '../../shared/config.ts';

export interface DesktopClient {
  readonly clientId: string;
  readonly clientSecret: string;
}

const HOW_TO_CREATE_ONE =
  'In the Cloud console, under APIs & Services > Credentials, create an OAuth client ID of the type "Desktop app" ' +
  'and download its JSON.';

const pair = z.object({ client_id: z.string().min(1), client_secret: z.string().min(1) });
const clientFile = z.object({ installed: pair.optional(), web: z.unknown().optional() });

/**
 * @param file of `--client-secret`; undefined: read the environment
 * @throws {Error} with the remediation in its message; it never quotes the file
 */
export function readDesktopClient(file: string | undefined, env: Environment): DesktopClient {
  if (file !== undefined) return clientOfFile(file);
  const clientId = env['GMAIL_CLIENT_ID']?.trim();
  const clientSecret = env['GMAIL_CLIENT_SECRET']?.trim();
  if (clientId && clientSecret) return { clientId, clientSecret };
  throw new Error(
    'No OAuth client: set GMAIL_CLIENT_ID and GMAIL_CLIENT_SECRET (in .env or the environment), or pass the file:\n' +
      `  npm run authorize -- --client-secret client_secret.json\n${HOW_TO_CREATE_ONE}`,
  );
}

function clientOfFile(file: string): DesktopClient {
  const parsed = clientFile.safeParse(readJson(file));
  const installed = parsed.success ? parsed.data.installed : undefined;
  if (installed !== undefined) {
    return { clientId: installed.client_id, clientSecret: installed.client_secret };
  }
  // A web client has fixed redirect addresses, so it cannot return to a free local port.
  const isWeb = parsed.success && parsed.data.web !== undefined;
  throw new Error(
    `${file} ${isWeb ? 'belongs to a web application, not to a desktop app' : 'is not an OAuth client file of the Cloud console'}.\n${HOW_TO_CREATE_ONE}`,
  );
}

function readJson(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new Error(`${file} cannot be read.\n${HOW_TO_CREATE_ONE}`);
  }
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
