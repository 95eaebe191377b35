import { describe, expect, it } from 'vitest';
import { failure } from '../../../commands/doctor/check-result.ts';
import { remediationForCommand } from '../../../commands/support/command-remediation.ts';
import { AppError } from '../../../shared/errors.ts';

describe('remediationForCommand', () => {
  it.each(['gmail_rate_limited', 'gmail_unavailable'] as const)(
    'never says that there is nothing to do: %s',
    (code) => {
      const result = failure('gmail_api', new AppError(code, '503.'));
      expect(result.state).toBe('fail');
      expect(result.remediation).toMatch(/^(Run|Check) /);
    },
  );

  it.each(['database_denied', 'schema_outdated'] as const)(
    'never says to call a function again: %s',
    (code) => {
      const text = remediationForCommand(new AppError(code, 'detail'), 'none');
      expect(text).toContain('migrate');
      expect(text).not.toMatch(/call again|Retry-After/);
    },
  );

  it('names the local stack only when it is stopped, and only for what it contains', () => {
    const down = (code: 'database_unavailable' | 'gmail_unavailable' | 'schema_outdated') =>
      remediationForCommand(new AppError(code, 'detail'), 'stopped');
    expect(down('database_unavailable')).toContain('npm start');
    expect(down('gmail_unavailable')).toContain('npm start');
    expect(down('schema_outdated')).toContain('npm run migrate');
    expect(remediationForCommand(new AppError('database_unavailable', 'detail'), 'running')).toContain(
      'Check that PostgreSQL runs',
    );
  });
});
