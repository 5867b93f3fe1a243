// The audit log of a process: opened when its first event comes, and closed after the last one.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { AuditConfig } from '../config/types.ts'
import { AuditLog } from '../observe/audit/audit-log.ts'
import type { AuditEvent } from '../observe/audit/chain.ts'
import { AuditNames } from '../observe/audit/names.ts'
import type { Events, Sink } from '../observe/events.ts'
import { auditSink } from '../observe/sinks/audit.ts'
import type { Clock } from '../platform/clock.ts'
import { holdLock } from '../platform/process-lock.ts'

export interface OpenedAudit {
  readonly sink: Sink
  /** Writes what has been received. */
  close(): Promise<void>
}

export interface AuditParts {
  readonly clock: Clock
  readonly emit: Events['emit']
  /** Undefined: there is none, and nothing is recorded. */
  readonly stateDirectory: string | undefined
}

const dayMs = 86_400_000
/** Between two looks at months that are too old, and between two reports of the last line. */
const pruneEveryMs = dayMs
const anchorEveryMs = 60_000

/** Undefined: nothing is recorded. */
export function openAudit(
  { enabled, keepDays }: AuditConfig,
  { clock, emit, stateDirectory }: AuditParts,
): OpenedAudit | undefined {
  if (!enabled || stateDirectory === undefined) return undefined
  const names = new AuditNames(stateDirectory)
  const unavailable = (cause: unknown) => emit({ kind: 'audit_unavailable', reason: messageOf(cause) })
  const prune = async (log: AuditLog) => {
    await log.prune(clock.wallNow() - keepDays * dayMs).catch(unavailable)
    stopPruning = clock.setTimer(() => void prune(log), pruneEveryMs)
  }
  let stopPruning: (() => void) | undefined
  const open = async () => {
    const log = await AuditLog.open({
      directory: stateDirectory,
      key: undefined,
      wallNow: clock.wallNow,
      hold: holdLock,
      prepare: () => names.save(),
      onFault: unavailable,
    })
    if (log instanceof AuditLog) {
      void prune(log)
      return log
    }
    unavailable(`another gateway of this user writes it (pid ${log.pid})`)
    return undefined
  }
  let opening: Promise<AuditLog | undefined> | undefined
  let stopAnchoring: (() => void) | undefined
  let anchored = 0
  const anchor = async () => {
    stopAnchoring = undefined
    const { seq = 0, mac = '' } = (await opening)?.head ?? {}
    if (seq === anchored) return
    anchored = seq
    emit({ kind: 'audit_head', seq, mac })
  }
  const add = (event: AuditEvent) => {
    opening ??= open().catch((cause: unknown) => {
      unavailable(cause)
      return undefined
    })
    void opening.then((log) => log?.add(event))
    stopAnchoring ??= clock.setTimer(() => void anchor(), anchorEveryMs)
  }
  const numberOf = (name: string) => names.numberOf(name)
  return {
    sink: auditSink({ add, numberOf, digestOf, setTimer: clock.setTimer }),
    async close() {
      stopPruning?.()
      stopAnchoring?.()
      const log = await opening
      await log?.close()
      await anchor()
    },
  }
}

/** In hexadecimal. */
function digestOf(path: string): string | undefined {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex')
  } catch {
    return undefined
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
