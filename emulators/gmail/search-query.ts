// Parses Gmail's search syntax into a tree: operators, negation, quotes, OR, parentheses (all) and braces (any). As
// in Gmail, an unknown operator is read as a word.
// https://support.google.com/mail/answer/7190

export type SearchNode =
  | { kind: 'all'; nodes: SearchNode[] }
  | { kind: 'any'; nodes: SearchNode[] }
  | { kind: 'not'; node: SearchNode }
  /** `operator:value`, both in lower case. */
  | { kind: 'operator'; operator: string; value: string }
  /** A word or a quoted phrase in lower case. */
  | { kind: 'words'; text: string };

export interface Search {
  root: SearchNode;
  /** The search contains `in:spam`, `in:trash` or `in:anywhere`, so spam and trash are not excluded. */
  namesSpamOrTrash: boolean;
}

const operators = new Set(
  'in is label from to cc bcc deliveredto subject has filename after before newer older newer_than older_than larger smaller size rfc822msgid list category'.split(
    ' ',
  ),
);

/** A token: a bracket, OR, or any part of `-operator:"value"`. */
const tokenPattern = /[(){}]|-?(?:[a-z0-9_]+:)?"[^"]*"?|-?[a-z0-9_]+:(?=[({])|-(?=[({])|[^\s(){}"]+/giu;

export function parseSearch(text: string): Search {
  const tokens = text.match(tokenPattern) ?? [];
  const parser = new SearchParser(tokens);
  const root = parser.sequence('all', null);
  return { root, namesSpamOrTrash: parser.namesSpamOrTrash };
}

class SearchParser {
  namesSpamOrTrash = false;
  readonly #tokens: readonly string[];
  #position = 0;
  #negations = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  /** The nodes up to the closing bracket or the end, joined with `kind`. `a OR b` binds tighter. */
  sequence(kind: 'all' | 'any', operator: string | null): SearchNode {
    const nodes: SearchNode[] = [];
    while (this.#position < this.#tokens.length) {
      const token = this.#tokens[this.#position] ?? '';
      this.#position += 1;
      if (token === ')' || token === '}') break;
      const previous = nodes.at(-1);
      if (token === 'OR' && previous !== undefined) {
        const next = this.#take(operator);
        if (next !== null) nodes.splice(-1, 1, { kind: 'any', nodes: [previous, next] });
      } else if (token !== 'AND') {
        nodes.push(this.#node(token, operator));
      }
    }
    return { kind, nodes };
  }

  #take(operator: string | null): SearchNode | null {
    const token = this.#tokens[this.#position];
    if (token === undefined || token === ')' || token === '}') return null;
    this.#position += 1;
    return this.#node(token, operator);
  }

  /** @param operator the operator of the enclosing bracket, as in `from:(amy OR ben)` */
  #node(token: string, operator: string | null): SearchNode {
    if (token.startsWith('-')) return this.#negated(token.slice(1), operator);
    if (token === '(') return this.sequence('all', operator);
    if (token === '{') return this.sequence('any', operator);
    const [, name, rest] = /^([a-z0-9_]+):(.*)$/isu.exec(token) ?? [];
    if (name !== undefined && rest !== undefined && operators.has(name.toLowerCase())) {
      if (rest === '') return this.#take(name.toLowerCase()) ?? { kind: 'all', nodes: [] };
      return this.#operator(name.toLowerCase(), rest);
    }
    return operator === null
      ? { kind: 'words', text: unquoted(token).toLowerCase() }
      : this.#operator(operator, token);
  }

  #negated(token: string, operator: string | null): SearchNode {
    this.#negations += 1;
    // A minus without text precedes a bracket.
    const node = token === '' ? this.#take(operator) : this.#node(token, operator);
    this.#negations -= 1;
    return node === null ? { kind: 'all', nodes: [] } : { kind: 'not', node };
  }

  #operator(operator: string, rest: string): SearchNode {
    const value = unquoted(rest).toLowerCase();
    const isLocation = operator === 'in' || operator === 'label' || operator === 'is';
    if (isLocation && this.#negations === 0 && ['spam', 'trash', 'anywhere'].includes(value))
      this.namesSpamOrTrash = true;
    return { kind: 'operator', operator, value };
  }
}

function unquoted(text: string): string {
  return text.replaceAll('"', '');
}
