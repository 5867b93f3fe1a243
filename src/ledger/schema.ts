// The tables of the ledger, and how an older file becomes one of this version: forward only, each step in one transaction.

/** `lgl1`, so that no other program's database is taken for a ledger (PRAGMA application_id). */
export const applicationId = 0x6c67_6c31

/** Step by step from an empty file on; PRAGMA user_version is the number of the steps that a file has taken. */
export const migrations: readonly string[] = [
  `CREATE TABLE names(
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, UNIQUE(kind, name)) STRICT;
  CREATE TABLE calls(
    id INTEGER PRIMARY KEY, ended_ms INTEGER NOT NULL, request_id TEXT NOT NULL, client INTEGER NOT NULL, key INTEGER,
    secret INTEGER, via INTEGER, dialect INTEGER NOT NULL, model INTEGER, provider INTEGER, target INTEGER,
    fallback INTEGER, status INTEGER NOT NULL, code INTEGER, stream INTEGER NOT NULL, prompt INTEGER NOT NULL,
    cached INTEGER NOT NULL, cache_write INTEGER NOT NULL, completion INTEGER NOT NULL, reasoning INTEGER NOT NULL,
    cost_nano INTEGER CHECK(cost_nano >= 0), price INTEGER, estimated INTEGER NOT NULL, attempts INTEGER NOT NULL,
    wait_ms INTEGER NOT NULL, first_ms INTEGER, duration_ms INTEGER NOT NULL,
    CHECK(cached + cache_write <= prompt AND reasoning <= completion)) STRICT;
  CREATE INDEX calls_ended ON calls(ended_ms);
  CREATE TABLE quarters(
    quarter INTEGER NOT NULL, key INTEGER NOT NULL, client INTEGER NOT NULL, model INTEGER NOT NULL,
    provider INTEGER NOT NULL, calls INTEGER NOT NULL, failed INTEGER NOT NULL, prompt INTEGER NOT NULL,
    cached INTEGER NOT NULL, cache_write INTEGER NOT NULL, completion INTEGER NOT NULL, reasoning INTEGER NOT NULL,
    cost_nano INTEGER NOT NULL, unpriced INTEGER NOT NULL, estimated INTEGER NOT NULL, lost INTEGER NOT NULL,
    PRIMARY KEY(quarter, key, client, model, provider)) STRICT, WITHOUT ROWID;
  CREATE TABLE prices(
    id INTEGER PRIMARY KEY, since_ms INTEGER NOT NULL, target INTEGER NOT NULL, source TEXT NOT NULL,
    json TEXT NOT NULL, UNIQUE(target, source, json)) STRICT;
  CREATE TABLE key_state(
    secret INTEGER PRIMARY KEY, first_used_ms INTEGER NOT NULL, last_used_ms INTEGER NOT NULL) STRICT;
  CREATE TABLE runs(
    id INTEGER PRIMARY KEY, started_ms INTEGER NOT NULL, ended_ms INTEGER, seq INTEGER NOT NULL DEFAULT 0,
    lost_rows INTEGER NOT NULL DEFAULT 0) STRICT;`,
  // What is spent of budgets. `charges` are its rows, one for each call and scope, and
  // corrections without a call; `spend` sums them by the quarter of an
  // hour (0: all that is too old for any window); a hold is of a call under way. Without a row in `budgets` the sums do not
  // begin with the first call.
  `ALTER TABLE calls ADD COLUMN scope INTEGER;
  CREATE TABLE scopes(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, entry TEXT NOT NULL) STRICT;
  CREATE TABLE charges(
    id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, scope INTEGER NOT NULL, request_id TEXT NOT NULL,
    nano INTEGER NOT NULL, tokens INTEGER NOT NULL) STRICT;
  CREATE INDEX charges_at ON charges(at_ms);
  CREATE TABLE spend(
    scope INTEGER NOT NULL, quarter INTEGER NOT NULL, nano INTEGER NOT NULL, tokens INTEGER NOT NULL,
    PRIMARY KEY(scope, quarter)) STRICT, WITHOUT ROWID;
  CREATE TABLE holds(
    run INTEGER NOT NULL, hold INTEGER NOT NULL, since_ms INTEGER NOT NULL, scope INTEGER, total INTEGER,
    nano INTEGER NOT NULL, tokens INTEGER NOT NULL, prompt INTEGER NOT NULL, request_id TEXT NOT NULL,
    client INTEGER NOT NULL, key INTEGER, secret INTEGER, via INTEGER, dialect INTEGER NOT NULL, model INTEGER,
    charged INTEGER NOT NULL DEFAULT 0, UNIQUE(run, hold)) STRICT;
  CREATE TABLE budgets(one INTEGER PRIMARY KEY CHECK(one = 1), revision INTEGER NOT NULL) STRICT;`,
  // What tells apart how a call ended whose status is the provider's: missing credit from a rate limit, say.
  `ALTER TABLE calls ADD COLUMN first_token_ms INTEGER;
  ALTER TABLE calls ADD COLUMN provider_status INTEGER;
  ALTER TABLE calls ADD COLUMN trouble INTEGER;`,
  // The part of the wait that was for the start of a server.
  `ALTER TABLE calls ADD COLUMN start_ms INTEGER;`,
  // What became of model servers that are started on demand.
  `CREATE TABLE service_steps(
    id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, provider INTEGER NOT NULL, unit INTEGER NOT NULL,
    what TEXT NOT NULL, ready_ms INTEGER, reason TEXT) STRICT;
  CREATE INDEX service_steps_at ON service_steps(at_ms);`,
  // The calls of quarters that are over, by how they ended (`call-groups.ts`); made of the rows whenever one is missing.
  `CREATE TABLE digests(quarter INTEGER PRIMARY KEY, calls INTEGER NOT NULL, groups BLOB NOT NULL) STRICT;`,
  // What tells this ledger from those of other machines, whose reports are added up: a copy of it is not counted twice.
  `CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO meta(name, value) VALUES('id', lower(hex(randomblob(12))));`,
]

/** The oldest SQLite that writes here: before it, two connections could damage the file by a checkpoint at the same instant. */
export const oldestSqlite = '3.51.3'

/** Two dotted versions as numbers: negative where the first is older. */
export function compareVersions(one: string, other: string): number {
  const [ours, theirs] = [one, other].map((version) => version.split('.').map(Number)) as [number[], number[]]
  const at = ours.findIndex((part, index) => part !== (theirs[index] ?? 0))
  return at < 0 ? 0 : ours[at]! - (theirs[at] ?? 0)
}
