/** Asks the operator once before the monitor stops. Escape cancels. The focus returns to the button that asked. */
import { byId } from './element.ts';

export async function confirmStop(): Promise<boolean> {
  const dialog = byId<HTMLDialogElement>('stop-dialog');
  if (dialog.open) return false;
  dialog.returnValue = '';
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }));
  return dialog.returnValue === 'stop';
}
