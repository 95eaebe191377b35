/** Why a deployment cannot go on, and what a person does about it. Holds no secret. */
export class DeployError extends Error {
  override readonly name = 'DeployError';
  readonly cure: string;

  constructor(why: string, cure: string) {
    super(why);
    this.cure = cure;
  }
}
