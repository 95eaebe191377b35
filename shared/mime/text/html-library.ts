/** Re-exports the library of `html-text.ts` in a separate file, so that the bundler can load it lazily. */
export { compile } from 'html-to-text';
