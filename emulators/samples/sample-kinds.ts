/**
 * The kinds of emails in which purchase orders arrive. They cover what real mailboxes contain, and formats that are
 * known to break email importers.
 */
import { type Buyer, ENGLISH, JAPANESE, LATIN } from './buyers.ts';
import { type Attachment, composeMail, messageId } from './composed-mail.ts';
import { handmadeMail, ISO_2022_JP, LATIN_1 } from './handmade-mail.ts';
import { logoPng } from './logo.ts';
import { orderPdf } from './order-pdf.ts';
import { coverText, orderCsv, orderHtml, orderText } from './order-table.ts';
import { orderXlsx } from './order-xlsx.ts';
import type { PurchaseOrder } from './purchase-order.ts';
import { WORDS } from './wording.ts';

export interface SampleKind {
  /** `order as a PDF` */
  title: string;
  /** The buyers that send this kind. */
  buyers: readonly Buyer[];
  build: (order: PurchaseOrder) => Promise<Buffer>;
}

const WESTERN = [...ENGLISH, ...LATIN];
const PDF_TYPE = 'application/pdf';
const XLSX_TYPE = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';
const LOGO_CID = 'logo@example.com';

function subject({ number, buyer }: PurchaseOrder): string {
  return `${WORDS[buyer.language].order} ${number}`;
}

async function pdf(order: PurchaseOrder): Promise<Attachment> {
  return { filename: `${order.number}.pdf`, content: await orderPdf(order), contentType: PDF_TYPE };
}

async function xlsx(order: PurchaseOrder): Promise<Attachment> {
  return { filename: `${order.number}.xlsx`, content: await orderXlsx(order), contentType: XLSX_TYPE };
}

function logo({ buyer }: PurchaseOrder): Attachment {
  return { filename: 'logo.png', content: logoPng(buyer.mark, buyer.colour), cid: LOGO_CID };
}

/** An email with a short cover text and these attachments. */
function withCoverText(order: PurchaseOrder, ...attachments: Attachment[]): Promise<Buffer> {
  return composeMail(order, { subject: subject(order), text: coverText(order), attachments });
}

async function japanese(order: PurchaseOrder): Promise<Buffer> {
  const filename = `注文書_${order.number}.xlsx`;
  return handmadeMail(order, {
    charset: ISO_2022_JP,
    subject: `【注文書】${order.number} ご手配のお願い`,
    text: orderText(order),
    attachment: { filename, contentType: XLSX_TYPE, bytes: await orderXlsx(order) },
  });
}

async function latin(order: PurchaseOrder): Promise<Buffer> {
  const filename = `${WORDS[order.buyer.language].order} ${order.buyer.person} ${order.number}.pdf`;
  return handmadeMail(order, {
    charset: LATIN_1,
    subject: `${subject(order)} (${order.buyer.company})`,
    text: orderText(order),
    attachment: { filename, contentType: PDF_TYPE, bytes: await orderPdf(order) },
  });
}

/** An order of the buyer's site office, forwarded by the buyer. */
async function forwarded(order: PurchaseOrder): Promise<Buffer> {
  const original = await composeMail(order, {
    from: { name: `${order.buyer.company} site office`, address: `site@${order.buyer.email.split('@')[1]}` },
    to: { name: order.buyer.person, address: order.buyer.email },
    subject: subject(order),
    text: coverText(order),
    attachments: [await pdf(order)],
    messageId: messageId(order, 'site'),
    baseBoundary: `site${order.number.replaceAll('-', '')}`,
  });
  const content: Attachment = { filename: `${subject(order)}.eml`, content: original };
  return composeMail(order, {
    subject: `FW: ${subject(order)}`,
    text: `Hello,\n\nour site office needs these parts; their order is attached.\n\n${order.buyer.person}\n`,
    attachments: [{ ...content, contentType: 'message/rfc822', contentDisposition: 'attachment' }],
    references: messageId(order, 'site'),
  });
}

/** A PDF as some mail clients send it: disposition `inline`, and a file name in Content-Type only. */
async function inlinePdf(order: PurchaseOrder): Promise<Buffer> {
  const contentType = `${PDF_TYPE}; name="${order.number}.pdf"`;
  return withCoverText(order, {
    ...(await pdf(order)),
    filename: false,
    contentType,
    contentDisposition: 'inline',
  });
}

export const SAMPLE_KINDS: readonly SampleKind[] = [
  {
    title: 'order as a PDF',
    buyers: WESTERN,
    build: async (order) => withCoverText(order, await pdf(order)),
  },
  {
    title: 'order as an Excel sheet',
    buyers: WESTERN,
    build: async (order) => withCoverText(order, await xlsx(order)),
  },
  { title: 'Japanese order', buyers: JAPANESE, build: japanese },
  {
    title: 'order in the HTML body, with a logo',
    buyers: WESTERN,
    build: (order) =>
      composeMail(order, {
        subject: subject(order),
        text: orderText(order),
        html: orderHtml(order, LOGO_CID),
        attachments: [logo(order)],
      }),
  },
  { title: 'order as an inline PDF', buyers: ENGLISH, build: inlinePdf },
  { title: 'Latin-1 order', buyers: LATIN, build: latin },
  { title: 'forwarded order', buyers: ENGLISH, build: forwarded },
  {
    title: 'order in plain text',
    buyers: WESTERN,
    build: (order) => composeMail(order, { subject: subject(order), text: orderText(order) }),
  },
  {
    title: 'order as CSV',
    buyers: WESTERN,
    build: (order) => {
      const content = orderCsv(order);
      return withCoverText(order, {
        filename: `${order.number}.csv`,
        content,
        contentType: 'text/csv; charset=utf-8',
      });
    },
  },
  {
    title: 'order as a PDF and an Excel sheet',
    buyers: WESTERN,
    build: async (order) =>
      composeMail(order, {
        subject: subject(order),
        text: coverText(order),
        html: orderHtml(order, LOGO_CID),
        attachments: [logo(order), await pdf(order), await xlsx(order)],
      }),
  },
];
