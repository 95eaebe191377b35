/** Re-exports the library of `charset-library.ts` in a separate file, so that the bundler can load it lazily. */
export { default as iconv } from 'iconv-lite';
