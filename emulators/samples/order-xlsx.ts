/**
 * A purchase order as an Excel sheet with numeric cells. Unlike the PDF, it supports Japanese.
 * The same order gives the same bytes.
 */
import writeXlsxFile, { type CellObject, type Row } from 'write-excel-file/node';
import { decimals, type PurchaseOrder } from './purchase-order.ts';
import { day, vatLabel, WORDS } from './wording.ts';
import { withZipTimes } from './zip-times.ts';

/** Background of every second line. */
const STRIPE = '#f5f7f9';

export async function orderXlsx(order: PurchaseOrder): Promise<Buffer> {
  const { buyer, lines } = order;
  const words = WORDS[buyer.language];
  const digits = decimals(buyer);
  const format = digits === 0 ? '#,##0' : '#,##0.00';
  const amount = (minor: number, style: CellObject = {}): CellObject => ({
    value: minor / 10 ** digits,
    type: Number,
    format,
    ...style,
  });

  const head = [words.item, words.description, words.quantity, words.unitPrice, words.amount].map(
    (value, i): CellObject => ({
      value,
      fontWeight: 'bold',
      textColor: '#ffffff',
      backgroundColor: buyer.colour,
      align: i > 1 ? 'right' : 'left',
    }),
  );
  const rows = lines.map((line, i): Row => {
    const style: CellObject = i % 2 === 1 ? { backgroundColor: STRIPE } : {};
    return [
      { value: line.sku, ...style },
      { value: line.name, ...style },
      { value: line.quantity, type: Number, format: '#,##0', ...style },
      amount(line.unitPriceMinor, style),
      amount(line.amountMinor, style),
    ];
  });
  const bold: CellObject = { fontWeight: 'bold', topBorderStyle: 'thin' };
  const data: Row[] = [
    [{ value: `${words.order} ${order.number}`, fontWeight: 'bold', fontSize: 16, textColor: buyer.colour }],
    [{ value: buyer.company, fontWeight: 'bold' }],
    [{ value: `${words.date}: ${day(buyer, order.orderedAt)}` }],
    [{ value: `${words.deliverBy}: ${day(buyer, order.deliverBy)}` }],
    [],
    head,
    ...rows,
    [null, null, null, { value: words.net, align: 'right' }, amount(order.netMinor)],
    [null, null, null, { value: vatLabel(order), align: 'right' }, amount(order.vatMinor)],
    [
      null,
      null,
      null,
      { value: `${words.total} (${buyer.currency})`, align: 'right', ...bold },
      amount(order.totalMinor, bold),
    ],
  ];
  const columns = [{ width: 16 }, { width: 40 }, { width: 10 }, { width: 18 }, { width: 16 }];
  const file = writeXlsxFile(data, { sheet: order.number, columns, showGridLines: false });
  return withZipTimes(await file.toBuffer(), order.orderedAt);
}
