/**
 * The source that the functions framework loads: it registers every target, and loads the code of each at first use. A
 * build has one file per target instead (`commands/build.ts`).
 */

import { FUNCTIONS } from './runtime/functions.ts';
import { serve } from './runtime/serve.ts';

/** For a process that serves several targets and closes the database when it ends. */
export const context = await serve(FUNCTIONS);
