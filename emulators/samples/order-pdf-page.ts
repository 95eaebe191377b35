/** Document type, margins and greys that the parts of the PDF share. */
import type PDFDocument from 'pdfkit';

export type Doc = InstanceType<typeof PDFDocument>;

/** Points (1/72 inch); A4 is 595 by 842. */
export const LEFT = 56;
export const RIGHT = 539;

export const INK = '#22272e';
export const MUTED = '#6b7480';
export const HAIRLINE = '#d5dae0';
