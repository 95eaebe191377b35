/** Why a command on a deployment cannot continue, and what the operator can do. Contains no secret. */
export class DeployError extends Error {
  override readonly name = 'DeployError';
  readonly remediation: string;

  constructor(message: string, remediation: string) {
    super(message);
    this.remediation = remediation;
  }
}
