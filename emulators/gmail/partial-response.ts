// Partial responses: the `fields` argument of every Google API, such as `nextPageToken,messages(id,threadId)`. A
// client that omits a field in its selection does not get it, as with the real service.
// https://developers.google.com/workspace/gmail/api/guides/performance#partial

import { invalidArgument } from './google-error.ts';

/** The selected fields of an object by name, `*` for any; true selects the whole field. */
type Mask = Map<string, Mask | true>;

/**
 * `value` reduced to the selected fields; unchanged without a `fields` argument.
 * @throws {GoogleError} 400 for a malformed selection
 */
export function maskFields(value: unknown, query: URLSearchParams): unknown {
  const fields = query.get('fields');
  if (fields === null || fields === '') return value;
  return keep(value, parseMask(fields));
}

function keep(value: unknown, mask: Mask): unknown {
  if (Array.isArray(value)) return value.map((entry) => keep(entry, mask));
  if (typeof value !== 'object' || value === null) return value;
  const kept: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) {
    const rule = mask.get(name) ?? mask.get('*');
    if (rule !== undefined) kept[name] = rule === true ? field : keep(field, rule);
  }
  return kept;
}

function parseMask(text: string): Mask {
  const tokens = text.match(/[A-Za-z0-9_*]+|[(),/]|\S/g) ?? [];
  let position = 0;

  const list = (): Mask => {
    const mask: Mask = new Map();
    do {
      path(mask);
    } while (tokens[position] === ',' && position++ >= 0);
    return mask;
  };

  const path = (into: Mask): void => {
    const name = tokens[position++];
    if (name === undefined || !/^[A-Za-z0-9_*]+$/.test(name)) {
      throw invalidArgument(`Invalid field selection ${name ?? text}`);
    }
    const known = into.get(name);
    const below: Mask = known instanceof Map ? known : new Map();
    if (tokens[position] === '/') {
      position += 1;
      path(below);
    } else if (tokens[position] === '(') {
      position += 1;
      for (const [inner, rule] of list()) below.set(inner, rule);
      if (tokens[position++] !== ')') throw invalidArgument(`Invalid field selection ${text}`);
    } else {
      into.set(name, true);
      return;
    }
    if (known !== true) into.set(name, below);
  };

  const mask = list();
  if (position < tokens.length) throw invalidArgument(`Invalid field selection ${text}`);
  return mask;
}
