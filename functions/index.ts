/**
 * The source that the functions framework loads: every target, each with its code at its first use. In a build there
 * is a file for each target instead (`commands/build.ts`).
 */

import { serve } from './runtime/serve.ts';
import { FUNCTIONS } from './runtime/targets.ts';

/** For who serves several targets in one process and ends it in order. */
export const context = await serve(FUNCTIONS);
