/** Damages the structure of an email: boundaries, headers and their parameters, charsets, emails within emails. */
import { between, pick, type Random } from '../../emulators/seeded-random.ts';
import { lineStart, type MutationContext, repeatedText, replaced, skewed } from './mutation.ts';
import { CHARSETS, TOKENS } from './tokens.ts';

/** An email of this size is not nested further. */
const MAX_NESTED_BYTES = 300_000;

/** @returns a random match of the global `pattern` in the latin1 text of `mail`; null when there is none */
export function oneMatch(mail: Buffer, pattern: RegExp, random: Random): RegExpExecArray | null {
  const found = [...mail.toString('latin1').matchAll(pattern)];
  return found.length === 0 ? null : pick(random, found);
}

/** @returns `mail` with `change` applied to a random match of `pattern`, or `mail` unchanged when there is none */
export function changeOne(
  mail: Buffer,
  pattern: RegExp,
  random: Random,
  change: (match: RegExpExecArray) => string,
): Buffer {
  const match = oneMatch(mail, pattern, random);
  if (match === null) return mail;
  return replaced(mail, match.index, match.index + match[0].length, Buffer.from(change(match), 'latin1'));
}

const BOUNDARY_LINE = /^--[^\r\n]{1,200}\r?\n/gm;
const HEADER_LINE = /^[A-Za-z][A-Za-z-]{0,60}:[^\n]*\n(?:[ \t][^\n]*\n)*/gm;

export function duplicateBoundary(mail: Buffer, { random }: MutationContext): Buffer {
  const match = oneMatch(mail, BOUNDARY_LINE, random);
  if (match === null) return mail;
  const line = match[0].trimEnd();
  const written = pick(random, [
    line,
    `${line}--`,
    `${line} \t`,
    line.slice(0, -1),
    `${line}x`,
    line.replace(/--$/, ''),
  ]);
  const times = random() < 0.9 ? 1 : skewed(random, 3_000);
  const at = lineStart(mail, random);
  return replaced(mail, at, at, Buffer.from(repeatedText(`${written}\r\n`, times), 'latin1'));
}

export function damageBoundary(mail: Buffer, { random }: MutationContext): Buffer {
  if (random() < 0.5) {
    return changeOne(mail, BOUNDARY_LINE, random, ([line]) => {
      const at = between(random, 0, line.length);
      return pick(random, [
        '',
        line.slice(0, at),
        line.slice(at),
        ` ${line}`,
        `${line.slice(0, at)}\0${line.slice(at)}`,
      ]);
    });
  }
  return changeOne(mail, /boundary[ \t]*=[ \t]*"?[^"\r\n;]{0,200}"?/gi, random, ([declared]) =>
    pick(random, [
      '',
      'boundary=',
      'boundary=""',
      'boundary="-"',
      'boundary=" "',
      `boundary="${'b'.repeat(skewed(random, 5_000))}"`,
      `${declared}; ${declared}x`,
      declared.slice(0, -2),
      declared.replace('boundary', 'boundary*0*'),
    ]),
  );
}

export function damageHeader(mail: Buffer, { random }: MutationContext): Buffer {
  return changeOne(mail, HEADER_LINE, random, ([field]) => {
    const at = between(random, 0, field.length);
    const [head, tail] = [field.slice(0, at), field.slice(at)];
    return pick(random, [
      () => '',
      () => field + field,
      () => repeatedText(field, skewed(random, 300)),
      () => field.replace(':', ''),
      () => field.replace(':', ' \t:'),
      () => field.replace(/:[^\r\n]*/, ':'),
      () => `${head}\r\n ${tail}`,
      () => `${head}\r\n${tail}`,
      () => `${head}\r\n\r\n${tail}`,
      () => head + pick(random, TOKENS) + tail,
      () => head + repeatedText(pick(random, TOKENS), skewed(random, 2_000)) + tail,
      () => head + '\x80\xff\xc3'.repeat(skewed(random, 40)) + tail,
      () => field.replace(/;\s*/g, pick(random, ['', ';;', ' ', ';\0'])),
      () => field.replace(/"/g, pick(random, ['', "'", '\\"', '""'])),
    ])();
  });
}

export function swapCharset(mail: Buffer, { random }: MutationContext): Buffer {
  const charset = pick(random, CHARSETS);
  if (random() < 0.5)
    return changeOne(mail, /charset[ \t]*=[ \t]*"?[\w:.-]*"?/gi, random, () => `charset=${charset}`);
  if (random() < 0.5) return changeOne(mail, /=\?[\w*-]{1,40}\?/g, random, () => `=?${charset}?`);
  return changeOne(mail, /\*?=[\w-]{1,40}'/g, random, () => `*=${charset}'`);
}

/** Replaces a number in the email with one that is out of range or invalid. */
export function overflowNumber(mail: Buffer, { random }: MutationContext): Buffer {
  const number = pick(random, [
    '-1',
    '0',
    '00',
    '1e9',
    '65536',
    '2147483648',
    '4294967296',
    '9007199254740993',
    '9'.repeat(400),
    'NaN',
    '0x7f',
    '\xb2',
  ]);
  const pattern = pick(random, [/(?<=="?)\d+/g, /(?<=\*)\d+/g, /\d+/g]);
  if (random() < 0.7) return changeOne(mail, pattern, random, () => number);
  return changeOne(mail, /(?<=filename|name)\*?=/gi, random, () => `*${number}*=`);
}

/** Wraps the email in other emails, up to 80 levels deep. */
export function nest(mail: Buffer, { random, other }: MutationContext): Buffer {
  const shape = between(random, 0, 3);
  let nested = mail;
  for (let depth = skewed(random, 80); depth > 0 && nested.length < MAX_NESTED_BYTES; depth -= 1) {
    nested = wrapped(nested, shape, random() < 0.2 ? 'b' : `b${depth}`);
  }
  if (random() < 0.8) return nested;
  // Inserts the nested email into another one at a random line, where no header declares it.
  const around = other();
  const at = lineStart(around, random);
  return replaced(around, at, at, nested);
}

function wrapped(inner: Buffer, shape: number, boundary: string): Buffer {
  const head = 'From: a@example.com\r\nSubject: =?utf-8?Q?N=C3=A9?=\r\n';
  const multipart = `${head}Content-Type: multipart/mixed; boundary="${boundary}"\r\n\r\n--${boundary}\r\n`;
  const around: readonly [string, string] = [
    [`${multipart}Content-Type: message/rfc822\r\n\r\n`, `\r\n--${boundary}--\r\n`],
    [multipart, `\r\n--${boundary}--\r\n`],
    [`${head}Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n`, '\r\n'],
    [`${multipart.replace('mixed', 'digest')}\r\n`, ''],
  ][shape] as [string, string];
  const body = shape === 2 ? Buffer.from(inner.toString('base64').replaceAll(/.{76}/g, '$&\r\n')) : inner;
  return Buffer.concat([Buffer.from(around[0]), body, Buffer.from(around[1])]);
}
