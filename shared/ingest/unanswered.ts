/** Distinguishes a call that a run cuts because it began late from one that had enough time and did not end. */
import type { Deadline } from '../deadline.ts';
import { AppError, type ErrorCode, toAppError } from '../errors.ts';

/** A call that is cut sooner says nothing about what it called. */
const UNANSWERED_MS = 2_000;

/**
 * Runs one step for a message. A step that began in the first half of the run and is cut at its end has failed: its message would
 * otherwise use up every run without an error.
 *
 * @param step gets a function that measures again from zero, for waits that are not part of the call
 * @throws {AppError} out_of_time only when the step began late; `code` when it had enough time; other errors of the step
 */
export async function failUnanswered<T>(
  deadline: Deadline,
  code: ErrorCode,
  step: (restartTimer: () => void) => Promise<T>,
): Promise<T> {
  let beganMs = deadline.remainingMs();
  try {
    return await step(() => {
      beganMs = deadline.remainingMs();
    });
  } catch (thrown) {
    const error = toAppError(thrown);
    if (error.code !== 'out_of_time' || beganMs < Math.max(UNANSWERED_MS, deadline.lengthMs / 2)) throw error;
    throw new AppError(code, `Not ended within the time of the run: ${error.message}`, { cause: error });
  }
}
