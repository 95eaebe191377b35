/** The library that knows the signatures of files, in its own file: it is loaded with the first file that needs it. */
export { fileTypeFromBuffer } from 'file-type';
