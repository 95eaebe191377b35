/** The response of `migrate`. */
import * as z from 'zod/mini';

export const migrateSchema = z.object({
  /** The migrations that this call applied. */
  applied: z.array(z.string()),
  /** The parts of the system whose database accounts were granted their tables. */
  granted: z.array(z.string()),
});

export type MigrateAnswer = z.output<typeof migrateSchema>;
