/**
 * Rewrites the HTML of an email before the browser sees it. The content security policy and the sandbox of the response
 * forbid scripts and loading. But Chromium connects to the host of an `<iframe>` before it applies the policy, which
 * notifies the sender that the email was opened.
 *
 * Invariant: the output has only the elements and attributes listed here. It is written from tokens: text without `<`, tags
 * with quoted attributes. Thus it does not matter when a browser would split malformed input into other tokens.
 * https://html.spec.whatwg.org/multipage/parsing.html#tokenization
 */
import { tokenizeHtml } from './tokenize-html.ts';

/** Elements that only format. `style` is handled separately. */
const ELEMENTS = new Set(
  (
    'a abbr address article aside b bdi bdo big blockquote body br caption center cite code col colgroup dd del details dfn ' +
    'dir div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr html i img ins kbd li main mark menu nav ol p ' +
    'pre q rp rt ruby s samp section small span strike strong style sub summary sup table tbody td tfoot th thead time tr tt ' +
    'u ul var wbr'
  ).split(' '),
);

/** None of these loads anything. `href` is not among them: a click would connect to the host of the link. */
const ATTRIBUTES = new Set(
  (
    'align alt bgcolor border cellpadding cellspacing class color colspan datetime dir face height hspace id lang nowrap ' +
    'rowspan size span start style title type valign value vspace width'
  ).split(' '),
);

/** Raster images inside the email. An SVG image is not needed, and could have styles of its own. */
const EMBEDDED_IMAGE = /^\s*data:image\/(?:png|jpe?g|gif|webp|bmp);base64,[a-z0-9+/=\s]*$/i;
/** An email may show one image many times, and Cloud Run limits a response to 32 MiB. */
const MAX_IMAGE_CHARACTERS = 16 * 1_048_576;
const CONTENT_ID = /^\s*cid:(.+)$/is;
/** A background in a style, whose quotes may be character references. Every length is limited, so that the time is linear. */
const CSS_CONTENT_ID =
  /url\(\s{0,9}(?:["']|&quot;|&#3[49];)?\s{0,9}(cid:[^()"'&\s]{1,500})\s{0,9}(?:["']|&quot;|&#3[49];)?\s{0,9}\)/gi;

/** @returns the Content-IDs that images and backgrounds refer to, in lower case, without duplicates */
export function referencedContentIds(html: string): string[] {
  const ids = new Set<string>();
  // The result is not used: the same code that shows an image asks for it.
  rewrite(html, (id) => {
    ids.add(id);
    return null;
  });
  return [...ids];
}

/**
 * @param html any text
 * @param images by Content-ID in lower case, as `data:` URLs
 */
export function sanitizeHtml(html: string, images: ReadonlyMap<string, string> = new Map()): string {
  let imageCharacters = 0;
  return rewrite(html, (id) => {
    const image = images.get(id);
    if (image === undefined || imageCharacters + image.length > MAX_IMAGE_CHARACTERS) return null;
    imageCharacters += image.length;
    return image;
  });
}

/** @returns a `data:` URL; null when there is no image with this Content-ID in lower case */
type FindImage = (contentId: string) => string | null;

function rewrite(html: string, findImage: FindImage): string {
  const output: string[] = ['<!doctype html>\n'];
  let isInStyle = false;
  for (const token of tokenizeHtml(html)) {
    if (token.kind === 'text') {
      // In a style element, character references have no meaning and `<` could end the element.
      output.push(
        isInStyle
          ? styleWithImages(token.text.replaceAll('<', ''), findImage)
          : token.text.replaceAll('<', '&lt;'),
      );
    } else if (ELEMENTS.has(token.name)) {
      isInStyle = token.name === 'style' && token.kind === 'start';
      output.push(
        token.kind === 'end' ? `</${token.name}>` : startTag(token.name, token.attributes, findImage),
      );
    }
  }
  return output.join('');
}

function startTag(name: string, attributes: ReadonlyMap<string, string>, findImage: FindImage): string {
  const kept = [...attributes]
    .filter(([attribute]) => ATTRIBUTES.has(attribute))
    .map(([attribute, value]) => [
      attribute,
      attribute === 'style' ? styleWithImages(value, findImage) : value,
    ]);
  if (name === 'img') {
    const source = imageSource(attributes.get('src') ?? '', findImage);
    if (source !== null) kept.push(['src', source]);
  }
  // Of a table or a cell, as older mail programs write it.
  const backgroundId = contentIdOf(attributes.get('background') ?? '');
  const background = backgroundId === null ? null : findImage(backgroundId);
  if (background !== null) kept.push(['background', background]);
  return `<${name}${kept.map(([attribute, value = '']) => ` ${attribute}="${quoted(value)}"`).join('')}>`;
}

/** An image that is not inside the email stays as it is written: the policy of the response blocks it. */
function styleWithImages(css: string, findImage: FindImage): string {
  return css.replace(CSS_CONTENT_ID, (written: string, source: string) => {
    const image = findImage(contentIdOf(source) ?? '');
    return image === null ? written : `url(${image})`;
  });
}

/** @returns null for an image that is not inside the email */
function imageSource(source: string, findImage: FindImage): string | null {
  const id = contentIdOf(source);
  if (id !== null) return findImage(id);
  return EMBEDDED_IMAGE.test(source) ? source : null;
}

function contentIdOf(source: string): string | null {
  const id = CONTENT_ID.exec(source)?.[1]?.trim().replaceAll('&amp;', '&').toLowerCase();
  if (id === undefined) return null;
  try {
    // No stored Content-ID has a NUL, and PostgreSQL rejects one.
    return decodeURIComponent(id).replaceAll('\0', '');
  } catch {
    return id;
  }
}

/** Keeps character references as they are. */
function quoted(value: string): string {
  return value.replaceAll('"', '&quot;').replaceAll('<', '&lt;');
}
