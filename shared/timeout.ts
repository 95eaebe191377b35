/** Bounds a wait for a promise that cannot be cancelled. */

/**
 * @param createError makes the error to throw when the time is over
 * @returns what `work` resolves to, within `ms` milliseconds
 * @throws the error of `work`, or the one of `createError`
 */
export async function withTimeout<T>(ms: number, work: Promise<T>, createError: () => Error): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(createError()), ms);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
