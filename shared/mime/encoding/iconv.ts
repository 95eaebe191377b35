/** The library of `charset-library.ts`, in a file of its own so that it is loaded late. */
export { default as iconv } from 'iconv-lite';
