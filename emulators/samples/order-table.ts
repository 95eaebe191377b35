/** A purchase order as CSV, as a text table, and as HTML for the body of an email. */
import { decimals, type PurchaseOrder } from './purchase-order.ts';
import { day, money, quantity, vatLabel, WORDS } from './wording.ts';

/** A decimal number without formatting. */
function plain({ buyer }: PurchaseOrder, minor: number): string {
  return (minor / 10 ** decimals(buyer)).toFixed(decimals(buyer));
}

function csvField(value: string): string {
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** RFC 4180, one row per order line. */
export function orderCsv(order: PurchaseOrder): string {
  const head = [
    'order_number',
    'position',
    'sku',
    'description',
    'quantity',
    'unit_price',
    'amount',
    'currency',
  ];
  const rows = order.lines.map(({ sku, name, quantity: count, unitPriceMinor, amountMinor }, i) => [
    order.number,
    String((i + 1) * 10),
    sku,
    name,
    String(count),
    plain(order, unitPriceMinor),
    plain(order, amountMinor),
    order.buyer.currency,
  ]);
  return [head, ...rows].map((row) => `${row.map(csvField).join(',')}\r\n`).join('');
}

/** The totals, as pairs of label and amount. */
function sums(order: PurchaseOrder): [string, string][] {
  const words = WORDS[order.buyer.language];
  return [
    [words.net, money(order.buyer, order.netMinor)],
    [vatLabel(order), money(order.buyer, order.vatMinor)],
    [words.total, money(order.buyer, order.totalMinor)],
  ];
}

/** The whole order as plain text with signature; lines end with LF. */
export function orderText(order: PurchaseOrder): string {
  const { buyer, lines } = order;
  const words = WORDS[buyer.language];
  const facts = [
    `${words.number}: ${order.number}`,
    `${words.date}: ${day(buyer, order.orderedAt)}`,
    `${words.deliverBy}: ${day(buyer, order.deliverBy)}`,
  ];
  const table = lines.map(
    (line) =>
      `${line.sku.padEnd(12)} ${quantity(buyer, line.quantity).padStart(6)} x ` +
      `${money(buyer, line.unitPriceMinor).padStart(11)} = ${money(buyer, line.amountMinor).padStart(13)}  ${line.name}`,
  );
  const total = sums(order).map(([label, amount]) => `${label}: ${amount}`);
  const signature = [buyer.person, `${buyer.role}, ${buyer.company}`, buyer.phone];
  const parts = [
    [words.greeting],
    [words.request],
    facts,
    table,
    total,
    [words.terms],
    [words.regards],
    signature,
  ];
  return `${parts.map((part) => part.join('\n')).join('\n\n')}\n`;
}

/** The body of an email whose order is attached; lines end with LF. */
export function coverText(order: PurchaseOrder): string {
  const { buyer } = order;
  const words = WORDS[buyer.language];
  const summary = [
    `${words.order} ${order.number}`,
    `${words.deliverBy}: ${day(buyer, order.deliverBy)}`,
    `${words.total}: ${money(buyer, order.totalMinor)}`,
  ].join('\n');
  const signature = [buyer.person, `${buyer.role}, ${buyer.company}`, buyer.phone].join('\n');
  return `${[words.greeting, summary, words.terms, words.regards, signature].join('\n\n')}\n`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** @param logoCid Content-ID of the logo attachment */
export function orderHtml(order: PurchaseOrder, logoCid: string): string {
  const { buyer } = order;
  const words = WORDS[buyer.language];
  const cell = (text: string, style = ''): string =>
    `<td style="padding:8px 10px;${style}">${escapeHtml(text)}</td>`;
  const right = 'text-align:right;white-space:nowrap;';
  const rows = order.lines.map(
    (line, i) =>
      `<tr style="background:${i % 2 ? '#f5f7f9' : '#ffffff'}">${cell(line.sku)}${cell(line.name)}` +
      `${cell(quantity(buyer, line.quantity), right)}${cell(money(buyer, line.unitPriceMinor), right)}` +
      `${cell(money(buyer, line.amountMinor), right)}</tr>`,
  );
  const totals = sums(order).map(
    ([label, amount], i, all) =>
      `<tr style="${i === all.length - 1 ? 'font-weight:bold;' : 'color:#6b7480;'}"><td colspan="3"></td>` +
      `${cell(label, right)}${cell(amount, right)}</tr>`,
  );
  const heads = [words.item, words.description, words.quantity, words.unitPrice, words.amount];
  return `<!doctype html>
<html lang="${buyer.language}"><body style="margin:0;font:14px/1.5 Arial,sans-serif;color:#22272e">
<div style="max-width:680px;margin:0 auto;padding:24px">
<table role="presentation"><tr><td><img src="cid:${logoCid}" width="48" height="48" alt=""></td>
<td style="padding-left:12px"><b style="font-size:18px;color:${buyer.colour}">${escapeHtml(buyer.company)}</b><br>
<span style="color:#6b7480">${escapeHtml(buyer.trade)}</span></td></tr></table>
<h1 style="font-size:22px;margin:24px 0 0">${words.order} ${order.number}</h1>
<p style="color:#6b7480;margin:0 0 16px">${words.deliverBy}: ${day(buyer, order.deliverBy)}</p>
<p>${words.greeting}<br>${words.request}</p>
<table style="width:100%;border-collapse:collapse">
<tr style="background:${buyer.colour};color:#ffffff;text-align:left">${heads.map((head, i) => `<th style="padding:8px 10px;${i > 1 ? right : ''}">${head}</th>`).join('')}</tr>
${rows.join('\n')}
${totals.join('\n')}
</table>
<p style="color:#6b7480">${words.terms}</p>
<p>${words.regards}<br><b>${escapeHtml(buyer.person)}</b><br>${escapeHtml(buyer.role)} &middot; ${buyer.phone}</p>
</div></body></html>
`;
}
