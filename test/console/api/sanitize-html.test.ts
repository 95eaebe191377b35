/** Which HTML of an email reaches the browser. */
import { describe, expect, it } from 'vitest';
import { referencedContentIds, sanitizeHtml } from '../../../console/api/sanitize-html.ts';

const body = (html: string, images?: ReadonlyMap<string, string>) =>
  sanitizeHtml(html, images).replace('<!doctype html>\n', '');

describe('sanitizeHtml', () => {
  it.each([
    ['an iframe', '<iframe src="http://a.test/"></iframe>x', 'x'],
    ['an iframe with content', '<iframe src=//a.test><b>y</b></iframe>x', 'x'],
    ['a frameset', '<frameset cols=*><frame src="http://a.test/"></frameset>x', 'x'],
    ['an object with its fallback', '<object data=//a.test><b>x</b></object>', '<b>x</b>'],
    ['an embed', '<embed src=//a.test>x', 'x'],
    ['a portal', '<portal src=//a.test></portal>x', 'x'],
    ['a base', '<base href=//a.test>x', 'x'],
    ['a link', '<link rel=preconnect href=//a.test>x', 'x'],
    ['a refresh', '<meta http-equiv=refresh content="0;url=//a.test">x', 'x'],
    ['a form', '<form action=//a.test><input name=a><button formaction=//a.test>x</button></form>', 'x'],
    ['a script', '<script>alert("</b>")</script>x', 'x'],
    ['an SVG image', '<svg><image href=//a.test /></svg>x', 'x'],
    ['media', '<video poster=//a.test><source src=//a.test></video><audio src=//a.test></audio>x', 'x'],
    ['an event handler', '<b onclick="alert(1)" title=t>x</b>', '<b title="t">x</b>'],
    ['the address of a link', '<a href="http://a.test/" ping=//a.test>x</a>', '<a>x</a>'],
    ['a remote image', '<img src="http://a.test/p.png" srcset="//a.test 2x" alt="p">', '<img alt="p">'],
    ['a background', '<table background=//a.test><td>x', '<table><td>x'],
    ['a comment', '<!-- <iframe src=//a.test> --!>x<!-->y<!--->z<!-- unfinished', 'xyz'],
    [
      'a declaration',
      '<!doctype html><?php <b> ?></ x><![CDATA[<b>]]>',
      '<!doctype html>'.slice(15) + ' ?>]]&gt;'.replace('&gt;', '>'),
    ],
    ['an unfinished tag', 'x<iframe src="http://a.test/', 'x'],
    ['a title and a text area', '<title><b></title><textarea><iframe src=//a.test></textarea>x', 'x'],
  ])('removes %s', (_name, html, expected) => {
    expect(body(html)).toBe(expected);
  });

  it.each([
    [
      'a tag that is split by a quote',
      '<b title="><iframe src=//a.test>">x',
      '<b title=">&lt;iframe src=//a.test>">x',
    ],
    ['a quote in an attribute', `<b title='" onclick="x'>x`, '<b title="&quot; onclick=&quot;x">x'],
    ['a slash between name and attributes', '<iframe/src=//a.test>', ''],
    ['upper case', '<IFRAME SRC=//a.test></IFRAME>x', 'x'],
    ['a tag inside a tag name', '<ifr<iframe src=//a.test>ame>x', 'ame>x'],
    ['a lone less-than sign', '1 < 2 <3', '1 &lt; 2 &lt;3'],
    ['an attribute that is named like a tag', '<b <iframe src=//a.test>x', '<b>x'],
    ['a style that contains a tag', '<style>a{}<iframe></style x><b>y', '<style>a{}iframe></style><b>y'],
    ['an unfinished style', '<style>a{}<!--</styl', '<style>a{}!--/styl'],
  ])('writes no other element for %s', (_name, html, expected) => {
    expect(body(html)).toBe(expected);
  });

  it('keeps formatting, tables, styles, character references and embedded images', () => {
    const html =
      '<table border="1" style="color:red"><tr><td colspan=2 bgcolor=#fff>5 &euro; &amp; &lt;b&gt;</td></tr></table>' +
      '<img src="data:image/png;base64,AAAA" width=1>';
    expect(body(html)).toBe(
      '<table border="1" style="color:red"><tr><td colspan="2" bgcolor="#fff">5 &euro; &amp; &lt;b&gt;</td></tr></table>' +
        '<img width="1" src="data:image/png;base64,AAAA">',
    );
    expect(body('<img src="data:image/svg+xml;base64,AAAA">')).toBe('<img>');
  });

  it('shows images of the email by Content-ID, in any case and encoding', () => {
    const html = '<img src="cid:Logo@A.example"><img src=CID:logo%40a.example><img src="cid:other">';
    expect(referencedContentIds(html)).toEqual(['logo@a.example', 'other']);
    const images = new Map([['logo@a.example', 'data:image/png;base64,AAAA']]);
    const shown = '<img src="data:image/png;base64,AAAA">';
    expect(body(html, images)).toBe(`${shown}${shown}<img>`);
  });

  it('stops repeating an image before the response becomes too large', () => {
    const images = new Map([['a', `data:image/png;base64,${'A'.repeat(1_000_000)}`]]);
    expect(body('<img src=cid:a>'.repeat(1_000), images).length).toBeLessThan(17_000_000);
  });

  it.each(['<', '<!--', '<a ', '<a b="', "<a b='", '<script>', '<style>', '</', '<a b=', '</a', '<!'])(
    'takes linear time for a megabyte of %s',
    (piece) => {
      const startedAt = performance.now();
      body(piece.repeat(1_000_000 / piece.length));
      expect(performance.now() - startedAt).toBeLessThan(3_000);
    },
  );

  it.each([
    [
      'a style attribute',
      '<td style="background: url(cid:A@b)">',
      '<td style="background: url(data:image/png;base64,AA)">',
    ],
    [
      'a style attribute with quotes',
      `<td style='background: url("CID:a@b") no-repeat'>`,
      '<td style="background: url(data:image/png;base64,AA) no-repeat">',
    ],
    [
      'a style attribute with character references',
      '<td style="background: url(&quot;cid:a%40b&quot;)">',
      '<td style="background: url(data:image/png;base64,AA)">',
    ],
    [
      'a style element',
      '<style>p{background:url(cid:a@b)}</style>',
      '<style>p{background:url(data:image/png;base64,AA)}</style>',
    ],
    [
      'a background attribute',
      '<table background="cid:a@b">',
      '<table background="data:image/png;base64,AA">',
    ],
  ])('shows an image inside the email that %s refers to', (_name, html, expected) => {
    expect(referencedContentIds(html)).toEqual(['a@b']);
    expect(body(html, new Map([['a@b', 'data:image/png;base64,AA']]))).toBe(expected);
  });

  it.each(['<td style="background: url(cid:other)">', '<td style="background: url(//a.test/cid:a@b)">'])(
    'leaves %s as it is written, which the policy of the response blocks',
    (html) => {
      expect(body(html, new Map([['a@b', 'data:image/png;base64,AA']]))).toBe(html);
    },
  );

  it.each(['url(cid:', 'url(          ', 'url('])(
    'takes a time that grows with the size of a style of %j',
    (part) => {
      const html = `<style>${part.repeat(400_000)}</style>`;
      expect(body(html)).toBe(html);
    },
  );
});
