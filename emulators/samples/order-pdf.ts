/**
 * A purchase order as a one-page A4 letter: letterhead, parties, lines, totals.
 *
 * Not for Japanese buyers: the standard PDF fonts support Latin characters only.
 */
import PDFDocument from 'pdfkit';
import { SELLER } from './buyers.ts';
import { logoPng } from './logo.ts';
import { type Doc, HAIRLINE, INK, LEFT, MUTED, RIGHT } from './order-pdf-page.ts';
import { drawLines, drawTotals } from './order-pdf-table.ts';
import type { PurchaseOrder } from './purchase-order.ts';
import { day, WORDS } from './wording.ts';

/** A small caption above a block of text. */
function caption(doc: Doc, text: string, x: number, y: number): void {
  doc.font('Helvetica-Bold').fontSize(7.5).fillColor(MUTED);
  doc.text(text.toUpperCase(), x, y, { characterSpacing: 0.8, lineBreak: false });
}

function block(doc: Doc, title: string, lines: readonly string[], x: number, y: number): void {
  caption(doc, title, x, y);
  doc.fillColor(INK).fontSize(10);
  lines.forEach((line, i) => {
    doc.font(i === 0 ? 'Helvetica-Bold' : 'Helvetica').text(line, x, y + 14 + i * 14, { lineBreak: false });
  });
}

function drawLetterhead(doc: Doc, { buyer }: PurchaseOrder): void {
  doc.rect(0, 0, 595, 6).fill(buyer.colour);
  doc.image(logoPng(buyer.mark, buyer.colour), LEFT, 36, { width: 42 });
  doc.font('Helvetica-Bold').fontSize(15).fillColor(buyer.colour);
  doc.text(buyer.company, LEFT + 54, 41, { lineBreak: false });
  doc.font('Helvetica').fontSize(9).fillColor(MUTED);
  doc.text(buyer.trade, LEFT + 54, 62, { lineBreak: false });
  [...buyer.address, buyer.phone].forEach((line, i) => {
    doc.fontSize(8.5).text(line, 380, 36 + i * 12, { width: RIGHT - 380, align: 'right', lineBreak: false });
  });
}

function drawHeading(doc: Doc, order: PurchaseOrder): void {
  const words = WORDS[order.buyer.language];
  doc.moveTo(LEFT, 100).lineTo(RIGHT, 100).lineWidth(0.7).stroke(HAIRLINE);
  doc.font('Helvetica-Bold').fontSize(24).fillColor(INK);
  doc.text(words.order, LEFT, 122, { lineBreak: false });
  doc.font('Helvetica').fontSize(12).fillColor(order.buyer.colour);
  doc.text(order.number, LEFT, 152, { lineBreak: false });
  block(doc, words.supplier, [SELLER.company, ...SELLER.address], LEFT, 190);
  block(doc, words.shipTo, [order.buyer.company, ...order.buyer.address], LEFT + 164, 190);
  block(doc, words.date, [day(order.buyer, order.orderedAt)], 432, 190);
  block(doc, words.deliverBy, [day(order.buyer, order.deliverBy)], 432, 226);
}

function drawFooter(doc: Doc, { buyer, number }: PurchaseOrder): void {
  doc.moveTo(LEFT, 784).lineTo(RIGHT, 784).lineWidth(0.7).stroke(HAIRLINE);
  doc.font('Helvetica').fontSize(8).fillColor(MUTED);
  doc.text(`${buyer.company}  ·  ${buyer.email}  ·  ${buyer.phone}`, LEFT, 794, { lineBreak: false });
  doc.text(`${number}  ·  1/1`, RIGHT - 150, 794, { width: 150, align: 'right', lineBreak: false });
}

/** Returns the PDF. The same order gives the same bytes. */
export async function orderPdf(order: PurchaseOrder): Promise<Buffer> {
  const { buyer, orderedAt, number } = order;
  const words = WORDS[buyer.language];
  const info = { Title: `${words.order} ${number}`, Author: buyer.company, CreationDate: orderedAt };
  // Without a margin, because text in the bottom margin would start a second page.
  const doc = new PDFDocument({ size: 'A4', margin: 0, info });
  const chunks: Buffer[] = [];
  doc.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise((resolve, reject) => doc.once('end', resolve).once('error', reject));

  drawLetterhead(doc, order);
  drawHeading(doc, order);
  const below = drawTotals(doc, order, drawLines(doc, order, 284));
  doc
    .font('Helvetica')
    .fontSize(9)
    .fillColor(MUTED)
    .text(words.terms, LEFT, below + 28, { width: 300 });
  doc.font('Times-Italic').fontSize(17).fillColor(buyer.colour);
  doc.text(buyer.person, LEFT, below + 72, { lineBreak: false });
  doc.font('Helvetica').fontSize(9).fillColor(MUTED);
  doc.text(`${buyer.person}, ${buyer.role}`, LEFT, below + 96, { lineBreak: false });
  drawFooter(doc, order);

  doc.end();
  await ended;
  return Buffer.concat(chunks);
}
