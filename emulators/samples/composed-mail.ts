/** Composes an email from a buyer to the seller with nodemailer, in the form that most mail clients send. */
import MailComposer, { type MailComposerOptions } from 'nodemailer/lib/mail-composer';
import { SELLER } from './buyers.ts';
import type { PurchaseOrder } from './purchase-order.ts';

export type Attachment = NonNullable<MailComposerOptions['attachments']>[number];

/** The Message-ID header for an order. The same order gives the same id. */
export function messageId({ number, buyer }: PurchaseOrder, prefix = 'order'): string {
  return `<${prefix}.${number.toLowerCase()}@${buyer.email.split('@')[1]}>`;
}

/**
 * Returns the raw bytes. They are deterministic: the boundary is derived from the order number.
 *
 * @param content subject, body and attachments; other fields override the defaults
 */
export function composeMail(order: PurchaseOrder, content: MailComposerOptions): Promise<Buffer> {
  const { buyer } = order;
  return new MailComposer({
    from: { name: buyer.person, address: buyer.email },
    to: { name: SELLER.company, address: SELLER.email },
    date: order.orderedAt,
    messageId: messageId(order),
    baseBoundary: order.number.replaceAll('-', ''),
    newline: '\r\n',
    ...content,
  })
    .compile()
    .build();
}
