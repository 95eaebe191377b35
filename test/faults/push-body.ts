/** Bodies of additional pushes: repeated, old, for another mailbox, or not a notification. */
export type PushKind = 'current' | 'old' | 'garbage' | 'stranger';

export function pushBody(kind: PushKind, address: string, historyId: string): unknown {
  switch (kind) {
    case 'current':
      return push(address, historyId);
    case 'old':
      return push(address, String(BigInt(historyId) - 1_000n));
    case 'stranger':
      return push('stranger@example.net', historyId);
    case 'garbage':
      return { message: { data: Buffer.from('no notification').toString('base64') } };
  }
}

function push(emailAddress: string, historyId: string): unknown {
  const data = Buffer.from(JSON.stringify({ emailAddress, historyId })).toString('base64');
  return {
    message: { data, messageId: '1' },
    subscription: 'projects/emulated-project/subscriptions/gmail-push',
  };
}
