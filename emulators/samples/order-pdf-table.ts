/** Draws the order lines and the totals of the PDF. */
import { type Doc, HAIRLINE, INK, LEFT, MUTED, RIGHT } from './order-pdf-page.ts';
import type { OrderLine, PurchaseOrder } from './purchase-order.ts';
import { money, quantity, vatLabel, WORDS, type Words } from './wording.ts';

interface Column {
  title: keyof Words;
  x: number;
  width: number;
  align: 'left' | 'right';
  show: (order: PurchaseOrder, line: OrderLine) => string;
}

const COLUMNS: readonly Column[] = [
  { title: 'item', x: LEFT + 10, width: 82, align: 'left', show: (_, line) => line.sku },
  { title: 'description', x: LEFT + 96, width: 190, align: 'left', show: (_, line) => line.name },
  {
    title: 'quantity',
    x: 342,
    width: 40,
    align: 'right',
    show: ({ buyer }, line) => quantity(buyer, line.quantity),
  },
  {
    title: 'unitPrice',
    x: 386,
    width: 66,
    align: 'right',
    show: ({ buyer }, line) => money(buyer, line.unitPriceMinor),
  },
  {
    title: 'amount',
    x: 456,
    width: 73,
    align: 'right',
    show: ({ buyer }, line) => money(buyer, line.amountMinor),
  },
];

const HEAD_HEIGHT = 24;
const ROW_HEIGHT = 24;

function drawRow(doc: Doc, y: number, text: (column: Column) => string): void {
  for (const column of COLUMNS) {
    const { x, width, align } = column;
    doc.text(text(column), x, y, { width, align, lineBreak: false });
  }
}

/** @returns the y position at the bottom of the table */
export function drawLines(doc: Doc, order: PurchaseOrder, top: number): number {
  const words = WORDS[order.buyer.language];
  doc.roundedRect(LEFT, top, RIGHT - LEFT, HEAD_HEIGHT, 3).fill(order.buyer.colour);
  doc.font('Helvetica-Bold').fontSize(8.5).fillColor('white');
  drawRow(doc, top + 8, ({ title }) => words[title]);
  doc.fontSize(9.5);
  order.lines.forEach((line, i) => {
    const y = top + HEAD_HEIGHT + i * ROW_HEIGHT;
    if (i % 2 === 1) doc.rect(LEFT, y, RIGHT - LEFT, ROW_HEIGHT).fill('#f5f7f9');
    doc.font('Helvetica').fillColor(INK);
    drawRow(doc, y + 8, ({ show }) => show(order, line));
  });
  const bottom = top + HEAD_HEIGHT + order.lines.length * ROW_HEIGHT;
  doc.moveTo(LEFT, bottom).lineTo(RIGHT, bottom).lineWidth(0.7).stroke(HAIRLINE);
  return bottom;
}

/** @returns the y position at the bottom of the totals */
export function drawTotals(doc: Doc, order: PurchaseOrder, top: number): number {
  const { buyer } = order;
  const words = WORDS[buyer.language];
  const row = (label: string, minor: number, y: number): void => {
    doc.text(label, 340, y, { width: 110, align: 'left', lineBreak: false });
    doc.text(money(buyer, minor), 440, y, { width: 89, align: 'right', lineBreak: false });
  };
  doc.font('Helvetica').fontSize(9.5).fillColor(MUTED);
  row(words.net, order.netMinor, top + 14);
  row(vatLabel(order), order.vatMinor, top + 32);
  doc.roundedRect(330, top + 50, RIGHT - 330, 28, 3).fill(buyer.colour);
  doc.font('Helvetica-Bold').fontSize(11).fillColor('white');
  row(words.total, order.totalMinor, top + 60);
  return top + 78;
}
