import { describe, expect, test } from 'vitest';
import { readLabel } from '../../shared/db/label-setting.ts';
import { callOutsideRun } from '../../shared/ingest/call-outside-run.ts';
import { identifyMailbox } from '../../shared/ingest/identify-mailbox.ts';
import { findLabel, labelOf, resolveLabel, resolveLabelAtStart } from '../../shared/ingest/resolve-label.ts';
import { createFixture, type IngestFixture } from '../helpers/ingest-fixture.ts';

interface LabelFixture extends IngestFixture {
  readonly mailboxId: number;
  /** The label in a run of an instance with this setting. */
  label(setting: string): ReturnType<typeof labelOf>;
  columns(): Promise<Record<string, unknown> | undefined>;
  readonly listCount: () => number;
  /** Ledger rows that were ignored by these rules. */
  ignored(...rules: string[]): Promise<void>;
  ledger(): Promise<Record<string, unknown>[]>;
}

async function createLabelFixture(): Promise<LabelFixture> {
  const fixture = await createFixture();
  const { id } = await identifyMailbox(fixture.app, callOutsideRun(fixture.app, null, fixture.deadline()));
  return {
    ...fixture,
    mailboxId: id,
    label: async (setting) =>
      await labelOf(fixture.run(id, { GMAIL_LABEL_ID: setting }), await readLabel(fixture.db, id)),
    columns: async () =>
      (await fixture.rows('select label_setting, label_id, last_error_code from mailboxes'))[0],
    listCount: () => fixture.gmail.callLog.countByMethod['labels.list'] ?? 0,
    ignored: async (...rules) => {
      for (const rule of rules) {
        await fixture.rows(
          `insert into email_ledger (mailbox_id, gmail_message_id, source, state, ignored_rule, resolved_at)
           values ($1::integer, $2::text, 'history', 'ignored', $2::text, now())`,
          [id, rule],
        );
      }
    },
    ledger: async () =>
      await fixture.rows(
        'select gmail_message_id as id, state, labels_unknown, priority from email_ledger order by id',
      ),
  };
}

describe('GMAIL_LABEL_ID', () => {
  test('finds a label by id before name, and by name ignoring case', () => {
    const labels = [
      { id: 'Label_1', name: 'Orders' },
      { id: 'Label_2', name: 'Label_1' },
      { id: 'Label_3', name: 'ORDERS' },
    ];
    expect(findLabel(labels, 'Label_1')?.id).toBe('Label_1');
    expect(findLabel(labels, 'ORDERS')?.id).toBe('Label_3');
    expect(findLabel(labels, 'orders')?.id).toBe('Label_1');
    expect(findLabel(labels, 'Invoices')).toBeNull();
  });

  test('does not call Gmail when GMAIL_LABEL_ID is not set', async () => {
    const fixture = await createLabelFixture();
    expect(await fixture.label('')).toEqual({ kind: 'none' });
    expect(fixture.listCount()).toBe(0);
  });

  test.each(['Label_1', 'Orders', 'orders'])(
    'resolves GMAIL_LABEL_ID "%s" once for one unit and then reads it from the row',
    async (setting) => {
      const fixture = await createLabelFixture();
      fixture.gmail.createLabel('Orders');
      fixture.gmail.resetCounters();
      expect(await fixture.label(setting)).toEqual({ kind: 'resolved', id: 'Label_1' });
      expect(await fixture.label(setting)).toEqual({ kind: 'resolved', id: 'Label_1' });
      expect([fixture.listCount(), fixture.gmail.quota.spentUnits]).toEqual([1, 1]);
      expect(await fixture.columns()).toMatchObject({ label_setting: setting, label_id: 'Label_1' });
    },
  );

  test('reports an unknown label with the names of the existing user labels', async () => {
    const fixture = await createLabelFixture();
    fixture.gmail.createLabel('Invoices');
    const label = await fixture.label('Orders');
    expect(label).toMatchObject({
      kind: 'missing',
      error: {
        code: 'label_missing',
        message: 'The configured label is "Orders". The mailbox has "Invoices".',
      },
    });
    expect(await fixture.columns()).toEqual({
      label_setting: 'Orders',
      label_id: null,
      last_error_code: 'label_missing',
    });
  });

  test('asks Gmail in every run while the label is missing, and recovers when it exists', async () => {
    const fixture = await createLabelFixture();
    await fixture.label('Orders');
    await fixture.label('Orders');
    expect(fixture.listCount()).toBe(2);
    fixture.gmail.createLabel('Orders');
    expect(await fixture.label('Orders')).toEqual({ kind: 'resolved', id: 'Label_1' });
    expect(await fixture.columns()).toMatchObject({ label_id: 'Label_1', last_error_code: null });
  });

  test('start reports a missing label immediately and succeeds when Gmail does not answer', async () => {
    const fixture = await createLabelFixture();
    const app = fixture.instance({ GMAIL_LABEL_ID: 'Orders' });
    fixture.gmail.faults.add({ kind: 'status', status: 503, method: 'labels.list' });
    await resolveLabelAtStart(app, fixture.mailboxId, fixture.deadline());
    expect(await fixture.columns()).toMatchObject({ label_setting: null, last_error_code: null });
    fixture.gmail.faults.clear();
    await resolveLabelAtStart(app, fixture.mailboxId, fixture.deadline());
    expect(await fixture.columns()).toMatchObject({
      label_setting: 'Orders',
      last_error_code: 'label_missing',
    });
  });
});

describe('messages ignored for their label', () => {
  const pending = { id: 'label', state: 'pending', labels_unknown: true, priority: 1 };
  const spam = { id: 'spam', state: 'ignored', labels_unknown: false, priority: 0 };

  test.each([
    ['names another label', 'Invoices'],
    ['is removed', ''],
  ])(
    'makes messages ignored for their label pending when the setting %s, but not those ignored by another rule',
    async (_case, setting) => {
      const fixture = await createLabelFixture();
      for (const name of ['Orders', 'Invoices']) fixture.gmail.createLabel(name);
      await fixture.label('Orders');
      await fixture.ignored('label', 'spam');
      await fixture.label(setting);
      expect(await fixture.ledger()).toEqual([pending, spam]);
    },
  );

  test('makes messages ignored for their label pending when the label was recreated under a new id', async () => {
    const fixture = await createLabelFixture();
    const app = fixture.instance({ GMAIL_LABEL_ID: 'Orders' });
    const resolve = async () =>
      await resolveLabel(app, fixture.mailboxId, callOutsideRun(app, fixture.mailboxId, fixture.deadline()));
    fixture.gmail.deleteLabel(fixture.gmail.createLabel('Old'));
    const first = fixture.gmail.createLabel('Orders');
    expect(await resolve()).toEqual({ kind: 'resolved', id: first });
    await fixture.ignored('label');
    // As each reconciliation does.
    fixture.gmail.deleteLabel(first);
    expect(await resolve()).toMatchObject({ kind: 'missing' });
    expect(await fixture.ledger()).toMatchObject([{ state: 'ignored' }]);
    fixture.gmail.createLabel('Orders');
    expect(await resolve()).toEqual({ kind: 'resolved', id: 'Label_3' });
    expect(await fixture.ledger()).toEqual([pending]);
  });

  test('makes messages ignored for their label pending in bounded batches over several runs, and uses the new label immediately', async () => {
    const fixture = await createLabelFixture();
    for (const name of ['Orders', 'Invoices']) fixture.gmail.createLabel(name);
    await fixture.label('Orders');
    await fixture.rows(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, state, ignored_rule, resolved_at)
       select $1::integer, 'm' || n, 'history', 'ignored', 'label', now()
       from generate_series(1, 25_001) n`,
      [fixture.mailboxId],
    );
    const pending = async () =>
      (await fixture.rows("select count(*)::integer as n from email_ledger where state = 'pending'"))[0]?.[
        'n'
      ];
    const run = async (budgetMs?: number) =>
      await labelOf(
        fixture.run(fixture.mailboxId, { GMAIL_LABEL_ID: 'Invoices' }, budgetMs),
        await readLabel(fixture.db, fixture.mailboxId),
      );
    expect(await run()).toEqual({ kind: 'resolved', id: 'Label_2' });
    expect(await pending()).toBe(20_000);
    // A short run still processes one batch.
    expect(await run(1_999)).toEqual({ kind: 'resolved', id: 'Label_2' });
    expect(await pending()).toBe(25_000);
    await run();
    expect(await pending()).toBe(25_001);
    expect(await fixture.rows('select label_reopened_to_id from mailboxes')).toEqual([
      { label_reopened_to_id: null },
    ]);
  });

  test('keeps messages ignored when the setting only changes from the name of the label to its id', async () => {
    const fixture = await createLabelFixture();
    fixture.gmail.createLabel('Orders');
    await fixture.label('Orders');
    await fixture.ignored('label');
    await fixture.label('Label_1');
    expect(await fixture.ledger()).toMatchObject([{ state: 'ignored' }]);
  });
});
