/** Asks the operator once before the monitor stops or a mailbox is removed. Escape cancels. The focus returns to the button. */
import { byId, setText } from './element.ts';

export async function confirmStop(): Promise<boolean> {
  return await confirm('stop-dialog', 'stop');
}

export async function confirmRemove(address: string): Promise<boolean> {
  setText(byId('remove-title'), `Remove ${address}?`);
  return await confirm('remove-dialog', 'remove');
}

async function confirm(id: string, value: string): Promise<boolean> {
  const dialog = byId<HTMLDialogElement>(id);
  if (dialog.open) return false;
  dialog.returnValue = '';
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }));
  return dialog.returnValue === value;
}
