/** Emails whose text or HTML is hard to show: right-to-left text, and images inside the email. */
import { mail } from '../../helpers/test-emails.ts';

/** A PNG image, two pixels wide. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAAD0lEQVR4nGO45mpq3XQNAAnDAuR7zamWAAAAAElFTkSuQmCC';

/** An Arabic subject and sender; lines in Hebrew, English and Arabic. */
export function rightToLeftEmail(): Buffer {
  const encoded = (text: string) => `=?utf-8?B?${Buffer.from(text).toString('base64')}?=`;
  return Buffer.from(
    [
      `From: ${encoded('يوسف المشتري')} <yusuf@example.com>`,
      `To: ${encoded('דנה')} <orders@example.com>, Bob <bob@example.com>`,
      `Subject: ${encoded('طلبية رقم 4711')}`,
      'Message-ID: <rtl@example.com>',
      'Date: Mon, 2 Nov 2026 08:00:00 +0000',
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: base64',
      '',
      Buffer.from(
        [
          'שלום, אנא אשרו הזמנה 4711 (10 כיסאות).',
          '',
          'Please confirm the order 4711.',
          '',
          'نرجو تأكيد الطلبية رقم 4711.',
          '',
        ].join('\r\n'),
      ).toString('base64'),
      '',
    ].join('\r\n'),
  );
}

/** multipart/related, as mail programs send a logo and a signature. The second reference has another case, and is encoded. */
export function relatedEmail(): Buffer {
  const image = (id: string) => [
    '--r',
    'Content-Type: image/png; name=logo.png',
    `Content-ID: <${id}>`,
    'Content-Disposition: inline; filename=logo.png',
    'Content-Transfer-Encoding: base64',
    '',
    PNG,
  ];
  return mail('Order with a logo', [
    'MIME-Version: 1.0',
    'Content-Type: multipart/related; boundary=r; type="multipart/alternative"',
    '',
    '--r',
    'Content-Type: multipart/alternative; boundary=a',
    '',
    '--a',
    'Content-Type: text/plain; charset=utf-8',
    '',
    'Ten chairs, please.',
    '--a',
    'Content-Type: text/html; charset=utf-8',
    '',
    '<p><img src="cid:logo.1@example.com" alt="Logo"> Ten chairs, please.</p>',
    '<p><img src="CID:Sign%2B2@Example.com" alt="Signature"></p>',
    '<p id="background" style="background: url(\'cid:logo.1@example.com\')">Regards</p>',
    '--a--',
    ...image('logo.1@example.com'),
    ...image('sign+2@example.com'),
    '--r--',
  ]);
}
