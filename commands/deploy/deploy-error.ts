/** Why a deployment cannot go on, and what a person does about it. Holds no secret. */
export class DeployError extends Error {
  override readonly name = 'DeployError';
  readonly remediation: string;

  constructor(why: string, remediation: string) {
    super(why);
    this.remediation = remediation;
  }
}
