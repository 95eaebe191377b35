/** The library of `html-text.ts`, in a file of its own so that it is loaded late. */
export { compile } from 'html-to-text';
