import { describe, expect, expectTypeOf, test } from 'vitest';
import type { Queryable } from '../../shared/db/database.ts';
import { type CamelCase, camelCase, onlyRow } from '../../shared/db/rows.ts';
import { statement } from '../../shared/db/statement.ts';

const COLUMNS = {
  id: 'integer',
  last_error_code: 'text?',
  rfc822_message_id: 'text',
  changed_at: 'timestamp with time zone',
} as const;

const READ = statement(
  `select 1 as id, null as last_error_code, 'a' as rfc822_message_id, now() as changed_at`,
  COLUMNS,
);

/** Answers every statement with these rows. */
function answering(rows: unknown[]): Queryable {
  return { query: async () => ({ rows, rowCount: rows.length }) } as Queryable;
}

describe('camelCase', () => {
  test('camelCase renames every column and keeps its value', () => {
    const changedAt = new Date(0);
    const row = { id: 1, last_error_code: null, rfc822_message_id: 'a', changed_at: changedAt };
    expect(camelCase(row)).toEqual({ id: 1, lastErrorCode: null, rfc822MessageId: 'a', changedAt });
    expect(row).toHaveProperty('last_error_code');
  });

  test('camelCase converts names with single letters, digits and repeated underscores as its type does', () => {
    const row = { a: 1, a_b_c: 2, size_2_bytes: 3, to__name_: 4 };
    const converted = camelCase(row);
    expect(converted).toEqual({ a: 1, aBC: 2, size2Bytes: 3, toName: 4 });
    expectTypeOf(converted).toEqualTypeOf<{
      readonly a: number;
      readonly aBC: number;
      readonly size2Bytes: number;
      readonly toName: number;
    }>();
  });

  test('the type of a converted row has the names in camelCase and the types of its columns', () => {
    type Row = CamelCase<NonNullable<typeof READ.row>>;
    expectTypeOf<Row>().toEqualTypeOf<{
      readonly id: number;
      readonly lastErrorCode: string | null;
      readonly rfc822MessageId: string;
      readonly changedAt: Date;
    }>();
    expectTypeOf(camelCase<{ is_due: boolean }>).returns.toEqualTypeOf<{ readonly isDue: boolean }>();
  });
});

describe('onlyRow', () => {
  test('onlyRow returns the row of the statement', async () => {
    const row = await onlyRow(answering([{ id: 1 }]), READ);
    expect(row).toEqual({ id: 1 });
    expectTypeOf(row).toEqualTypeOf<NonNullable<typeof READ.row>>();
  });

  test('onlyRow names the statement that returned no row, without parameters', async () => {
    const failure = onlyRow(answering([]), READ, ['a secret']);
    await expect(failure).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringContaining('select 1 as id, null as last_error_code'),
    });
    await expect(failure).rejects.not.toThrow('a secret');
  });
});
