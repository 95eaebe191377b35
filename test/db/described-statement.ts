/** Asks PostgreSQL what a statement would return, without running it. */
import type pg from 'pg';

export interface Described {
  /** Names with types as `format_type` writes them, in the order of the result. */
  readonly columns: readonly (readonly [name: string, type: string])[];
  readonly parameterTypes: readonly string[];
}

interface Field {
  readonly name: string;
}

/** The messages of the extended query protocol that `pg.Query` sends, up to Describe: Bind and Execute are left out. */
class Describe {
  readonly fields: Promise<readonly Field[]>;
  readonly #name: string;
  readonly #text: string;
  #fields: readonly Field[] = [];
  readonly #done = Promise.withResolvers<readonly Field[]>();

  constructor(name: string, text: string) {
    this.#name = name;
    this.#text = text;
    this.fields = this.#done.promise;
  }

  submit(connection: pg.Connection): void {
    connection.parse({ name: this.#name, text: this.#text, types: [] }, true);
    connection.describe({ type: 'S', name: this.#name }, true);
    connection.sync();
  }

  handleRowDescription(message: { readonly fields: readonly Field[] }): void {
    this.#fields = message.fields;
  }
  handleError(error: Error): void {
    this.#done.reject(error);
  }
  handleReadyForQuery(): void {
    this.#done.resolve(this.#fields);
  }
}

/** @throws {pg.DatabaseError} when the schema does not have what the statement uses */
export async function describeStatement(client: pg.Client, name: string, text: string): Promise<Described> {
  const { fields } = client.query(new Describe(name, text) as unknown as pg.Query & Describe);
  const names = (await fields).map((field) => field.name);
  const { rows } = await client.query<{ parameters: string[]; results: string[] | null }>(
    `select parameter_types::text[] as parameters, result_types::text[] as results
     from pg_prepared_statements
     where name = $1::text`,
    [name],
  );
  const types = rows[0]?.results ?? [];
  return {
    columns: names.map((column, n) => [column, types[n] ?? 'unknown'] as const),
    parameterTypes: rows[0]?.parameters ?? [],
  };
}
