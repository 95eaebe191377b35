/** Parses the log-based metrics in `terraform/metrics.tf`, for the tests: names, fields, and which log lines they count. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { variablesText } from './variables.ts';

const ROOT = join(import.meta.dirname, '../..');
const metricsFile = readFileSync(join(ROOT, 'terraform/metrics.tf'), 'utf8');

type Line = Readonly<Record<string, unknown>>;

export interface LogCounter {
  readonly event: string;
  /** Conditions of the log filter in addition to the event. */
  readonly where: readonly string[];
  readonly labels: readonly string[];
}

/** Keyed by the name of the metric without the deployment's prefix. */
export const counters: ReadonlyMap<string, LogCounter> = new Map(
  [...between('log_counters = {', '\n  }').matchAll(/^ {4}([a-z-]+) = \{\n([\s\S]*?)\n {4}\}/gm)].map(
    ([, name = '', body = '']) => [
      name,
      {
        event: body.match(/event\s+= "([^"]+)"/)?.[1] ?? '',
        where: strings(body.match(/where\s+= \[(.*)\]/)?.[1] ?? '').map(withDefaults),
        labels: labelsOf(body),
      },
    ],
  ),
);

/** The field that each value metric extracts, keyed by metric name. */
export const extracted: ReadonlyMap<string, string> = new Map(
  [...between('log_values = {', '\n  }').matchAll(/^ {4}([a-z-]+)\s+= \{ field = "([a-z_]+)"/gm)].map(
    ([, name = '', field = '']) => [name, field],
  ),
);

/** Applies Cloud Logging's rule: a field that is null, absent or not a number matches no comparison. */
export function counts({ event, where }: LogCounter, line: Line): boolean {
  return line['event'] === event && where.every((comparison) => matches(comparison, line));
}

export function fieldOf(comparison: string): string {
  return comparison.match(/^jsonPayload\.([a-z_]+)/)?.[1] ?? '';
}

const SEVERITIES = ['DEBUG', 'INFO', 'WARNING', 'ERROR'];

function matches(comparison: string, line: Line): boolean {
  const severity = comparison.match(/^severity>=([A-Z]+)$/)?.[1];
  if (severity !== undefined)
    return SEVERITIES.indexOf(String(line['severity'])) >= SEVERITIES.indexOf(severity);
  const [, field = '', operator, number] =
    comparison.match(/^jsonPayload\.([a-z_]+)([<>])(\d+(?:\.\d+)?)$/) ?? [];
  if (operator === undefined) throw new Error(`Unsupported comparison: ${comparison}`);
  const value = line[field];
  if (typeof value !== 'number') return false;
  return operator === '>' ? value > Number(number) : value < Number(number);
}

function labelsOf(body: string): string[] {
  const inLine = body.match(/labels\s+= \{(.*)\}/)?.[1];
  const block = inLine ?? body.match(/labels = \{\n([\s\S]*?)\n {6}\}/)?.[1] ?? '';
  return [...block.matchAll(/([a-z_]+)\s+= "/g)].map(([, label = '']) => label);
}

function strings(list: string): string[] {
  return [...list.matchAll(/"([^"]+)"/g)].map(([, text = '']) => text);
}

/** Replaces variables with their defaults. */
function withDefaults(text: string): string {
  return text.replaceAll(/\$\{var\.([a-z_]+)\}/g, (_all, name: string) => {
    const block = variablesText.match(new RegExp(`variable "${name}" \\{[\\s\\S]*?\\n\\}`))?.[0];
    const found = block?.match(/default\s+= (\d+)/)?.[1];
    if (found === undefined) throw new Error(`The variables of Terraform have no number for ${name}`);
    return found;
  });
}

function between(start: string, end: string): string {
  const from = metricsFile.indexOf(start);
  if (from === -1) throw new Error(`terraform/metrics.tf has no ${start}`);
  return metricsFile.slice(from + start.length, metricsFile.indexOf(end, from) + 1);
}
