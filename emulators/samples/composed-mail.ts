/** A mail from a buyer to us, composed by nodemailer as most senders' programs would. */
import MailComposer, { type MailComposerOptions } from 'nodemailer/lib/mail-composer';
import { SELLER } from './buyers.ts';
import type { PurchaseOrder } from './purchase-order.ts';

export type Attachment = NonNullable<MailComposerOptions['attachments']>[number];

/** Message-ID of an order's mail; the same order gives the same one. */
export function messageId({ number, buyer }: PurchaseOrder, prefix = 'order'): string {
  return `<${prefix}.${number.toLowerCase()}@${buyer.email.split('@')[1]}>`;
}

/**
 * The raw bytes. Nothing in them is random: the boundary is made of the order number.
 *
 * @param content subject, body and attachments, and whatever else differs
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
