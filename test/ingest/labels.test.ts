import { describe, expect, test } from 'vitest';
import { callOutsideRun } from '../../shared/ingest/call-outside-run.ts';
import { identifyMailbox } from '../../shared/ingest/identify-mailbox.ts';
import { findLabel, labelOf, resolveLabel, resolveLabelAtStart } from '../../shared/ingest/resolve-label.ts';
import { createStage, type IngestStage } from '../helpers/ingest-stage.ts';

interface LabelStage extends IngestStage {
  readonly mailboxId: number;
  /** The label of a run of an instance with this setting. */
  label(setting: string): ReturnType<typeof labelOf>;
  columns(): Promise<Record<string, unknown> | undefined>;
  readonly listCount: () => number;
  /** Ledger rows that were ignored by these rules. */
  ignored(...rules: string[]): Promise<void>;
  ledger(): Promise<Record<string, unknown>[]>;
}

async function createLabelStage(): Promise<LabelStage> {
  const stage = await createStage();
  const { id } = await identifyMailbox(stage.app, callOutsideRun(stage.app, null, stage.deadline()));
  return {
    ...stage,
    mailboxId: id,
    label: async (setting) => await labelOf(stage.run(id, { GMAIL_LABEL_ID: setting })),
    columns: async () =>
      (await stage.rows('select label_setting, label_id, last_error_code from mailboxes'))[0],
    listCount: () => stage.gmail.callLog.countByMethod['labels.list'] ?? 0,
    ignored: async (...rules) => {
      for (const rule of rules) {
        await stage.rows(
          `insert into email_ledger (mailbox_id, gmail_message_id, source, state, ignored_rule, resolved_at)
           values ($1::integer, $2::text, 'history', 'ignored', $2::text, now())`,
          [id, rule],
        );
      }
    },
    ledger: async () =>
      await stage.rows(
        'select gmail_message_id as id, state, labels_unknown, priority from email_ledger order by id',
      ),
  };
}

describe('GMAIL_LABEL_ID', () => {
  test('is found by id before name, and by name without regard to case', () => {
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

  test('that is not set asks Gmail for nothing', async () => {
    const stage = await createLabelStage();
    expect(await stage.label('')).toEqual({ kind: 'none' });
    expect(stage.listCount()).toBe(0);
  });

  test.each(['Label_1', 'Orders', 'orders'])(
    'as "%s" is resolved once for one unit, and then read from the row',
    async (setting) => {
      const stage = await createLabelStage();
      stage.gmail.createLabel('Orders');
      stage.gmail.resetCounters();
      expect(await stage.label(setting)).toEqual({ kind: 'resolved', id: 'Label_1' });
      expect(await stage.label(setting)).toEqual({ kind: 'resolved', id: 'Label_1' });
      expect([stage.listCount(), stage.gmail.quota.spentUnits]).toEqual([1, 1]);
      expect(await stage.columns()).toMatchObject({ label_setting: setting, label_id: 'Label_1' });
    },
  );

  test('that names no label is an error with the names of those that exist, and none of the system', async () => {
    const stage = await createLabelStage();
    stage.gmail.createLabel('Invoices');
    const label = await stage.label('Orders');
    expect(label).toMatchObject({
      kind: 'missing',
      error: { code: 'label_missing', message: 'GMAIL_LABEL_ID is "Orders". The mailbox has "Invoices".' },
    });
    expect(await stage.columns()).toEqual({
      label_setting: 'Orders',
      label_id: null,
      last_error_code: 'label_missing',
    });
  });

  test('is asked for in every run while its label is missing, and recovers by itself', async () => {
    const stage = await createLabelStage();
    await stage.label('Orders');
    await stage.label('Orders');
    expect(stage.listCount()).toBe(2);
    stage.gmail.createLabel('Orders');
    expect(await stage.label('Orders')).toEqual({ kind: 'resolved', id: 'Label_1' });
    expect(await stage.columns()).toMatchObject({ label_id: 'Label_1', last_error_code: null });
  });

  test('at start shows the missing label at once, and a Gmail that does not answer does not stop it', async () => {
    const stage = await createLabelStage();
    const app = stage.instance({ GMAIL_LABEL_ID: 'Orders' });
    stage.gmail.faults.add({ kind: 'status', status: 503, method: 'labels.list' });
    await resolveLabelAtStart(app, stage.mailboxId, stage.deadline());
    expect(await stage.columns()).toMatchObject({ label_setting: null, last_error_code: null });
    stage.gmail.faults.clear();
    await resolveLabelAtStart(app, stage.mailboxId, stage.deadline());
    expect(await stage.columns()).toMatchObject({
      label_setting: 'Orders',
      last_error_code: 'label_missing',
    });
  });
});

describe('mail that was ignored for its label', () => {
  const pending = { id: 'label', state: 'pending', labels_unknown: true, priority: 1 };
  const spam = { id: 'spam', state: 'ignored', labels_unknown: false, priority: 0 };

  test.each([
    ['names another label', 'Invoices'],
    ['is removed', ''],
  ])(
    'is judged again when the setting %s, and mail that another rule ignored is not',
    async (_case, setting) => {
      const stage = await createLabelStage();
      for (const name of ['Orders', 'Invoices']) stage.gmail.createLabel(name);
      await stage.label('Orders');
      await stage.ignored('label', 'spam');
      await stage.label(setting);
      expect(await stage.ledger()).toEqual([pending, spam]);
    },
  );

  test('is judged again when the label was deleted and is back under a new id', async () => {
    const stage = await createLabelStage();
    const app = stage.instance({ GMAIL_LABEL_ID: 'Orders' });
    const resolve = async () =>
      await resolveLabel(app, stage.mailboxId, callOutsideRun(app, stage.mailboxId, stage.deadline()));
    stage.gmail.deleteLabel(stage.gmail.createLabel('Old'));
    const first = stage.gmail.createLabel('Orders');
    expect(await resolve()).toEqual({ kind: 'resolved', id: first });
    await stage.ignored('label');
    // As each reconciliation does.
    stage.gmail.deleteLabel(first);
    expect(await resolve()).toMatchObject({ kind: 'missing' });
    expect(await stage.ledger()).toMatchObject([{ state: 'ignored' }]);
    stage.gmail.createLabel('Orders');
    expect(await resolve()).toEqual({ kind: 'resolved', id: 'Label_3' });
    expect(await stage.ledger()).toEqual([pending]);
  });

  test('is judged again in bounded parts: each run continues where the one before ended, and the label counts at once', async () => {
    const stage = await createLabelStage();
    for (const name of ['Orders', 'Invoices']) stage.gmail.createLabel(name);
    await stage.label('Orders');
    await stage.rows(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, state, ignored_rule, resolved_at)
       select $1::integer, 'm' || n, 'history', 'ignored', 'label', now()
       from generate_series(1, 25_001) n`,
      [stage.mailboxId],
    );
    const pending = async () =>
      (await stage.rows("select count(*)::integer as n from email_ledger where state = 'pending'"))[0]?.['n'];
    const run = async (budgetMs?: number) =>
      await labelOf(stage.run(stage.mailboxId, { GMAIL_LABEL_ID: 'Invoices' }, budgetMs));
    expect(await run()).toEqual({ kind: 'resolved', id: 'Label_2' });
    expect(await pending()).toBe(20_000);
    // A short run still gets on by one part.
    expect(await run(1_999)).toEqual({ kind: 'resolved', id: 'Label_2' });
    expect(await pending()).toBe(25_000);
    await run();
    expect(await pending()).toBe(25_001);
    expect(await stage.rows('select label_reopened_to_id from mailboxes')).toEqual([
      { label_reopened_to_id: null },
    ]);
  });

  test('stays as it is while the setting only changes from the name of the label to its id', async () => {
    const stage = await createLabelStage();
    stage.gmail.createLabel('Orders');
    await stage.label('Orders');
    await stage.ignored('label');
    await stage.label('Label_1');
    expect(await stage.ledger()).toMatchObject([{ state: 'ignored' }]);
  });
});
