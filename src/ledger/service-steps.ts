// What became of model servers that are started on demand: rows of `service_steps`.
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { percentile } from '../platform/percentile.ts'
import type { NameKind } from './names.ts'

export interface ServiceStep {
  /** Milliseconds since 1970. */
  readonly atMs: number
  readonly provider: string
  readonly unit: string
  /** `adopted`: it ran already. */
  readonly what: 'adopted' | 'failed' | 'ready' | 'started' | 'stopped'
  /** From its start until it was ready, in milliseconds. Absent: it is not ready, or the gateway has not started it. */
  readonly readyMs?: number | undefined
  /** Why it was started or stopped, or how it has failed: `call`, `idle`, `exit-code 1`. */
  readonly reason?: string | undefined
}

const maxReason = 200

/** In the transaction of a batch. */
export class ServiceSteps {
  readonly #insert: StatementSync

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(
      'INSERT INTO service_steps(at_ms, provider, unit, what, ready_ms, reason) VALUES(?, ?, ?, ?, ?, ?)',
    )
  }

  /** @param idOf the number of a name. @throws what SQLite throws. */
  write(steps: readonly ServiceStep[], idOf: (kind: NameKind, name: string) => number): void {
    for (const { atMs, provider, unit, what, readyMs = null, reason } of steps) {
      const names = [idOf('provider', provider), idOf('unit', unit)] as const
      this.#insert.run(atMs, ...names, what, readyMs, reason?.slice(0, maxReason) ?? null)
    }
  }
}

/** The last ones of a provider, the latest first. @throws what SQLite throws. */
export function readServiceSteps(database: DatabaseSync, provider: string, count: number): ServiceStep[] {
  const rows = database
    .prepare(
      `SELECT at_ms, u.name AS unit, what, ready_ms, reason FROM service_steps s JOIN names p ON p.id = s.provider
        JOIN names u ON u.id = s.unit WHERE p.kind = 'provider' AND p.name = ? ORDER BY at_ms DESC, s.id DESC LIMIT ?`,
    )
    .all(provider, count)
  return rows.map((row) => ({
    atMs: row['at_ms'] as number,
    provider,
    unit: row['unit'] as string,
    what: row['what'] as ServiceStep['what'],
    readyMs: (row['ready_ms'] as number | null) ?? undefined,
    reason: (row['reason'] as string | null) ?? undefined,
  }))
}

/** Of one provider in a span. */
export interface ServiceUse {
  readonly provider: string
  /** By the gateway, or again by the service manager. */
  readonly starts: number
  readonly failed: number
  /** The median, in milliseconds. Null: none of its starts ended well. */
  readonly readyP50Ms: number | null
  /** Calls that waited for a start. */
  readonly waited: number
}

/**
 * Of a span, half open, by name: those that were started or failed in it.
 * @param sinceMs, @param untilMs in milliseconds since 1970. @throws what SQLite throws.
 */
export function readServiceUse(database: DatabaseSync, sinceMs: number, untilMs: number): ServiceUse[] {
  const rows = database
    .prepare(
      `SELECT n.name, SUM(what = 'started') AS starts, SUM(what = 'failed') AS failed FROM service_steps
        JOIN names n ON n.id = provider WHERE at_ms >= ? AND at_ms < ? GROUP BY provider
        HAVING starts + failed > 0 ORDER BY n.name`,
    )
    .all(sinceMs, untilMs) as unknown as { name: string; starts: number; failed: number }[]
  const times = database.prepare(
    `SELECT ready_ms FROM service_steps JOIN names n ON n.id = provider
      WHERE n.name = ? AND at_ms >= ? AND at_ms < ? AND ready_ms IS NOT NULL ORDER BY ready_ms`,
  )
  const waits = database.prepare(
    `SELECT COUNT(*) AS count FROM calls JOIN names n ON n.id = provider
      WHERE n.name = ? AND ended_ms >= ? AND ended_ms < ? AND start_ms > 0`,
  )
  return rows.map(({ name, starts, failed }) => {
    const ready = times.all(name, sinceMs, untilMs).map((row) => row['ready_ms'] as number)
    const waited = waits.get(name, sinceMs, untilMs)!['count'] as number
    const readyP50Ms = percentile(ready, 0.5) ?? null
    return { provider: name, starts, failed, readyP50Ms, waited }
  })
}
