/** The buttons of advice and errors: one for each action that the server names. */
import type { AdviceAction } from '../../shared/schemas/actions.ts';
import type { Requeued } from '../../shared/schemas/processing.ts';
import type { AdviceItem, StatusJson } from '../../shared/schemas/status.ts';
import { CONSOLE_API, MONITOR_API, post } from './api.ts';
import { checkNow } from './check-now.ts';
import { pollNow, restartMonitor, runAction, startMonitor, stopMonitor } from './controls.ts';
import { button } from './element.ts';
import { pluralize } from './format-number.ts';
import { retryMessages } from './message-row.ts';
import { setErrorButtons } from './notices.ts';

/** The action with the names that it needs; `known` are the addresses of the mailboxes in the database. */
export type ActionRequest = Pick<AdviceItem, 'account' | 'consumer'> & {
  readonly action: AdviceAction;
  readonly known: readonly string[];
};

let onChange: () => Promise<void> = async () => undefined;

/** @param callback called after each action, whether it succeeded or failed */
export function wireActionButtons(callback: () => Promise<void>): void {
  onChange = callback;
  setErrorButtons((action) => actionButtons({ action, known: [] }));
}

/** Empty for an action that this page cannot do: a command for a shell, or a confirmation without its addresses. */
export function actionButtons({ account, action, consumer, known }: ActionRequest): HTMLButtonElement[] {
  switch (action) {
    case 'start':
      return [button('Start', (self) => void startMonitor(self, onChange))];
    case 'stop':
      return [button('Stop', (self) => void stopMonitor(self, onChange))];
    case 'restart':
      return [button('Stop and start', (self) => void restartMonitor(self, onChange))];
    case 'poll_now':
      return [button('Fetch now', (self) => void pollNow(self, onChange))];
    case 'reconcile_all':
      return [button('Check now', (self) => void checkNow(self, onChange))];
    case 'retry_dead':
      return [
        button(
          'Retry dead messages',
          (self) => void retryMessages(self, `${CONSOLE_API}/messages/retry`, onChange),
        ),
      ];
    case 'requeue_emails':
      return consumer === undefined
        ? []
        : [button(`Process dead emails of ${consumer} again`, (self) => void requeueDead(self, consumer))];
    case 'confirm_mailbox':
      return account === undefined ? [] : confirmationButtons(account, known);
    default:
      return [];
  }
}

async function requeueDead(control: HTMLButtonElement, consumer: string): Promise<void> {
  await runAction(control, 'Queueing…', onChange, async () => {
    const path = `${CONSOLE_API}/consumers/${encodeURIComponent(consumer)}/requeue-dead`;
    const { requeued } = await post<Requeued>(path);
    return requeued === 0
      ? 'Nothing to process again: no longer dead.'
      : `${pluralize(requeued, 'email')} of ${consumer} queued again.`;
  });
}

/** Each button names the address of the account and that of the known mailbox. */
function confirmationButtons(account: string, known: readonly string[]): HTMLButtonElement[] {
  const others = known.filter((address) => address !== account);
  const added = others.length === 0 ? '' : `, in addition to ${others.join(', ')}`;
  return [
    button(`${account} is a new mailbox${added}`, (self) => void confirm(self, 'new_mailbox', account)),
    ...known.map((address) =>
      button(
        address === account ? `${account} is still the same mailbox` : `${address} is now ${account}`,
        (self) => void confirm(self, 'renamed_from', address),
      ),
    ),
  ];
}

async function confirm(
  control: HTMLButtonElement,
  parameter: 'new_mailbox' | 'renamed_from',
  address: string,
): Promise<void> {
  await runAction(control, 'Confirming…', onChange, async () => {
    await post<StatusJson>(`${MONITOR_API}/start?${parameter}=${encodeURIComponent(address)}`);
    return 'Confirmed, and the monitor is started.';
  });
}
