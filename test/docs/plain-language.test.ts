/**
 * Counts words that the style guide (CONTRIBUTING.md) replaces, over all text files of the project. A word has an allowance for
 * uses that are right: each row says which.
 */
import { expect, test } from 'vitest';
import { projectTexts } from './sources.ts';

interface Rule {
  readonly words: RegExp;
  readonly instead: string;
  /** Uses that are right. */
  readonly allowed?: number;
  readonly why?: string;
}

const WORDS: readonly Rule[] = [
  { words: /\bstands?\b/gi, instead: 'is, is stored in, appears' },
  {
    words: /\b(?:nobody|somebody|everybody|anybody)\b/gi,
    instead: 'no one, an operator, the caller',
    allowed: 5,
    why: 'the system user nobody, and an invalid address',
  },
  { words: /\bwhoever\b/gi, instead: 'anyone who, the caller' },
  { words: /\b(?:tells?|told)\b/gi, instead: 'reports, detected from, distinguishes' },
  { words: /\bby itself\b/gi, instead: 'automatically, on its own' },
  { words: /\bmeanwhile\b/gi, instead: 'in the meantime, while' },
  { words: /what must stay true/gi, instead: 'Invariant:' },
  { words: /\banew\b/gi, instead: 'again, from the start' },
  { words: /\b(?:none )?of ours\b/gi, instead: 'our, not for us' },
  { words: /\bat the most\b|\bin one go\b|\bfor ever\b/gi, instead: 'at most, at once, indefinitely' },
  // As a word of a sentence: identifiers may be called mails.
  { words: /(?<![.$/'"`-])\bmails\b(?!\s*[=.,:;(){}[\]|'"/-])/g, instead: 'emails, messages' },
  { words: /\bcures?\b/gi, instead: 'fix, remediation' },
  { words: /\b(?:doorbell|purse|turnstile|handful|pacer|verdict)s?\b/gi, instead: 'the standard term' },
  { words: /\b(?:mend|reckon)(?:s|ed|ing)?\b/gi, instead: 'fix, estimate' },
  { words: /\bbeside\b/gi, instead: 'next to, in addition to' },
  { words: /\b(?:goes|go|went) on\b/gi, instead: 'continues' },
];

const NAMES: readonly Rule[] = [
  { words: /\b(?:Lanes|Turnstile|Pacer|Purse|Handful)\b/g, instead: 'Semaphore, AimdLimit, QuotaBudget' },
  { words: /\b(?:lookAhead|LookFor|AtEnd)\b/g, instead: 'DueWork, readDueWork' },
  { words: /\b(?:Sighting|enterSightings|readmit)\b/g, instead: 'DiscoveredMessage, upsertDiscovered' },
  { words: /\b(?:withPatience|patiently|patienceSeconds)\b/g, instead: 'withRetries, retryForSeconds' },
  { words: /\b(?:createWorld|useWorlds|createStage)\b/g, instead: 'createTestSystem, createFixture' },
  {
    words: /\b(?:prove|judgeProof|planProof|settling)\b/g,
    instead: 'reconcile, evaluate, unconfirmed',
    allowed: 16,
    why: 'the old spelling ?prove=all, and what credentials and labels prove',
  },
  {
    words: /\b(?:FunctionContext|createLoaded|switchPush)\b/g,
    instead: 'AppContext, createLazyFunction, enableWatch',
  },
  { words: /\b(?:struck|strikeFault)\b/g, instead: 'injected, applyFault' },
  { words: /\b(?:buryExhausted|reviveDead|handBack|refundAttempts)\b/g, instead: 'the queue terms' },
];

/** This file and the style guide name the words. */
const EXEMPT = ['test/docs/plain-language.test.ts', 'CONTRIBUTING.md'];

test.each([...WORDS, ...NAMES])(
  'the project writes "$instead" instead of $words',
  ({ words, allowed = 0 }) => {
    const uses = [...projectTexts()]
      .filter(([path]) => !EXEMPT.includes(path))
      .flatMap(([path, text]) =>
        text
          .split('\n')
          .flatMap((line, index) =>
            [...line.matchAll(words)].map(() => `${path}:${index + 1}: ${line.trim()}`),
          ),
      );
    expect(uses.length, uses.join('\n')).toBeLessThanOrEqual(allowed);
  },
);
