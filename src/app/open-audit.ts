// The audit log of a process: opened when its first event comes, and closed after the last one.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { OpenedAuditKey } from '../config/record-keys.ts'
import type { AuditConfig } from '../config/types.ts'
import { AuditLog } from '../observe/audit/audit-log.ts'
import type { AuditEvent } from '../observe/audit/chain.ts'
import { auditEventOf, type CommandEvent } from '../observe/audit/command-events.ts'
import { AuditNames } from '../observe/audit/names.ts'
import type { Events, Sink } from '../observe/events.ts'
import type { Pseudonyms } from '../vault/pseudonyms.ts'
import { auditSink } from '../observe/sinks/audit.ts'
import type { Clock } from '../platform/clock.ts'
import { holdLock } from '../platform/process-lock.ts'

export interface OpenedAudit {
  readonly sink: Sink
  /**
   * Takes the event of a command. @param isRequired resolves when it is on disk, and drops it where it cannot be written; else
   *   it may be written later. @throws why it cannot be written.
   */
  append(event: CommandEvent, isRequired: boolean): Promise<void>
  /**
   * Erases the name of a client, and records that `actor` did. @returns the name in its place; undefined: there is none.
   * @throws what the disk reports.
   */
  erase(client: string, actor: string): Promise<string | undefined>
  /** Writes what has been received. */
  close(): Promise<void>
}

export interface AuditParts {
  readonly clock: Clock
  readonly emit: Events['emit']
  /** Undefined: there is none, and nothing is recorded. */
  readonly stateDirectory: string | undefined
  /** Of the chain. `refused`: it is there and does not open, and nothing is recorded. */
  readonly key: OpenedAuditKey
  /** Of clients and users; undefined: they are named as they are. */
  readonly pseudonyms: Pseudonyms | undefined
}

const dayMs = 86_400_000
/** Between two looks at months that are too old, and between two reports of the last line. */
const pruneEveryMs = dayMs
const anchorEveryMs = 60_000

/** Why nothing can be recorded. Undefined: nothing is in the way, or nothing is to be recorded. */
export function auditObstacle(
  { enabled }: AuditConfig,
  { stateDirectory, key }: Pick<AuditParts, 'stateDirectory' | 'key'>,
): string | undefined {
  if (!enabled) return undefined
  if (stateDirectory === undefined) return 'there is no state directory'
  return key.kind === 'refused' ? key.message : undefined
}

/** Undefined: nothing is recorded. */
export function openAudit(
  { enabled, keepDays }: AuditConfig,
  { clock, emit, stateDirectory, key, pseudonyms }: AuditParts,
): OpenedAudit | undefined {
  if (!enabled || stateDirectory === undefined || key.kind === 'refused') return undefined
  const names = new AuditNames(stateDirectory)
  let fault = ''
  const unavailable = (cause: unknown) => {
    fault = messageOf(cause)
    emit({ kind: 'audit_unavailable', reason: fault })
  }
  const prune = async (log: AuditLog) => {
    await log.prune(clock.wallNow() - keepDays * dayMs).catch(unavailable)
    stopPruning = clock.setTimer(() => void prune(log), pruneEveryMs)
  }
  let stopPruning: (() => void) | undefined
  const open = async () => {
    const log = await AuditLog.open({
      directory: stateDirectory,
      key: key.kind === 'opened' ? key.key : undefined,
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
  const opened = () => {
    opening ??= open().catch((cause: unknown) => {
      unavailable(cause)
      return undefined
    })
    stopAnchoring ??= clock.setTimer(() => void anchor(), anchorEveryMs)
    return opening
  }
  const add = (event: AuditEvent) => void opened().then((log) => log?.add(event))
  const nameOf = (id: string) => pseudonyms?.of(id) ?? id
  const numberOf = (id: string) => names.numberOf(nameOf(id))
  return {
    sink: auditSink({ add, numberOf, digestOf, setTimer: clock.setTimer }),
    async append(event, isRequired) {
      const log = await opened()
      if (log === undefined) throw new Error(fault)
      const line = auditEventOf(event, numberOf)
      if (isRequired) await log.addAndWait(line)
      else log.add(line)
    },
    async erase(client, actor) {
      // It may have been recorded before there were pseudonyms, too.
      const erased = [client, nameOf(client)]
        .map((name) => names.erase(name))
        .findLast((name) => name !== undefined)
      if (erased === undefined) return undefined
      await names.save()
      const event = {
        name: 'usage.erased',
        outcome: 'success',
        actor,
        client: erased,
        attributes: {},
      } as const
      add(auditEventOf(event, numberOf))
      return erased
    },
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
