/**
 * Dumps the schema that results from the migrations as text for review, from the catalog of a migrated database.
 * Invariant: the order of the output depends only on the schema.
 */
import type { Queryable } from '../database.ts';

const COLUMNS = `
select c.relname as table_name,
       string_agg(format(
         '  %s %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
         case when a.attnotnull then ' not null' else '' end,
         case
           when a.attidentity = 'a' then ' generated always as identity'
           when a.attgenerated = 's' then ' generated always as (' || pg_get_expr(d.adbin, d.adrelid) || ') stored'
           when d.adbin is not null then ' default ' || pg_get_expr(d.adbin, d.adrelid)
           else ''
         end), E',\\n' order by a.attnum) as columns
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
where c.relnamespace = 'public'::regnamespace
  and c.relkind = 'r'
  and c.relname <> 'schema_migrations'
group by c.relname
order by c.relname`;

const CONSTRAINTS = `
select conrelid::regclass::text as table_name, conname as name, pg_get_constraintdef(oid) as definition
from pg_constraint
where connamespace = 'public'::regnamespace
  and contype <> 'n'
  and conrelid::regclass::text <> 'schema_migrations'
order by conrelid::regclass::text collate "C", contype desc, conname`;

/** Indexes that belong to no constraint. */
const INDEXES = `
select tablename as table_name, indexdef as definition
from pg_indexes i
where schemaname = 'public'
  and not exists (select 1 from pg_constraint c where c.conname = i.indexname)
order by tablename, indexname`;

const FUNCTIONS = `
select pg_get_functiondef(oid) as definition
from pg_proc
where pronamespace = 'public'::regnamespace
order by proname, pg_get_function_identity_arguments(oid) collate "C"`;

const TRIGGERS = `
select pg_get_triggerdef(oid) as definition
from pg_trigger
where not tgisinternal
order by tgrelid::regclass::text collate "C", tgname`;

/** @returns SQL-like text that ends with a newline */
export async function dumpSchema(db: Queryable): Promise<string> {
  const tables = await db.query<{ table_name: string; columns: string }>(COLUMNS);
  const constraints = await db.query<{ table_name: string; name: string; definition: string }>(CONSTRAINTS);
  const indexes = await db.query<{ table_name: string; definition: string }>(INDEXES);
  const blocks = tables.rows.map(({ table_name: table, columns }) => {
    const rules = constraints.rows
      .filter((row) => row.table_name === table)
      .map((row) => `  constraint ${row.name} ${row.definition}`);
    const after = indexes.rows.filter((row) => row.table_name === table).map((row) => `${row.definition};`);
    return [`create table ${table} (`, [columns, ...rules].join(',\n'), ');', ...after].join('\n');
  });
  for (const sql of [FUNCTIONS, TRIGGERS]) {
    const { rows } = await db.query<{ definition: string }>(sql);
    blocks.push(...rows.map(({ definition }) => `${definition.trimEnd()};`));
  }
  return `-- Written by \`npm run schema\` from the migrations; do not edit.\n\n${blocks.join('\n\n')}\n`;
}
