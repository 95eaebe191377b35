// The control API: turns the emulator's switches from another process. See the table below.
import type { IncomingMessage } from 'node:http';
import { type Answer, jsonAnswer } from './answer.ts';
import type { EmulatedGmail } from './emulated-gmail.ts';

export async function answerControl(
  _gmail: EmulatedGmail,
  _request: IncomingMessage,
  _url: URL,
): Promise<Answer> {
  return jsonAnswer(404, { error: 'not yet' });
}
