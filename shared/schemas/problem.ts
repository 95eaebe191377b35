/** The response to a failed request: RFC 9457, application/problem+json. https://www.rfc-editor.org/rfc/rfc9457 */
import * as z from 'zod/mini';
import { ACTIONS } from './actions.ts';

export const problemSchema = z.object({
  type: z.literal('about:blank'),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  /** The error code of the catalogue. */
  code: z.string(),
  /** What to do next. */
  remediation: z.string(),
  /** The action that the remediation asks for; absent when it asks for none. */
  action: z.optional(z.enum(ACTIONS)),
  /** The remediation without the command of `action`, for a client that shows a button instead. */
  remediation_text: z.optional(z.string()),
});

export type Problem = z.output<typeof problemSchema>;
