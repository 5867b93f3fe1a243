// The audit log of a process: opened when its first event comes, and closed after the last one. While the gateway that this one
// replaces still writes it, events are held back.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { OpenedAuditKey } from '../config/record-keys.ts'
import type { AuditConfig } from '../config/observe-types.ts'
import { AuditLog } from '../observe/audit/audit-log.ts'
import type { AuditEvent } from '../observe/audit/chain.ts'
import { auditEventOf, type CommandEvent } from '../observe/audit/command-events.ts'
import { AuditNames } from '../observe/audit/names.ts'
import type { Events, GatewayEvent, Sink } from '../observe/events.ts'
import { auditSink, isSecurityEvent } from '../observe/sinks/audit.ts'
import type { Pseudonyms } from '../vault/pseudonyms.ts'
import type { Clock } from '../platform/clock.ts'
import { reasonOf } from '../platform/thrown.ts'

export interface OpenedAudit {
  readonly sink: Sink
  /**
   * Takes the event of a command. @param isRequired resolves when it is on disk, and drops it where it cannot be written; else
   *   it may be written later. @throws why it cannot be written.
   */
  append(event: CommandEvent, isRequired: boolean): Promise<void>
  /**
   * Erases the name of a client, and records that `actor` did. @returns the name in its place; undefined: there is none.
   * @throws why the log or its names cannot be written.
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
/** Between two tries to have the log of a process that still writes it. */
const retryMs = 1_000
/** Events that are held back meanwhile; later ones are counted as lost. */
const maxHeldBack = 10_000

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
  /** Read once the lock is held; undefined before that, and where they cannot be read. */
  let names: AuditNames | undefined
  let fault = ''
  const unavailable = (cause: unknown) => {
    fault = reasonOf(cause)
    emit({ kind: 'audit_unavailable', reason: fault })
  }
  const prune = async (log: AuditLog) => {
    await log.prune(clock.wallNow() - keepDays * dayMs).catch(unavailable)
    stopPruning = clock.setTimer(() => void prune(log), pruneEveryMs)
  }
  let stopPruning: (() => void) | undefined
  const open = async () => {
    const opening = AuditLog.open({
      directory: stateDirectory,
      key: key.kind === 'opened' ? key.key : undefined,
      wallNow: clock.wallNow,
      prepare: async () => names?.save(),
      onFault: unavailable,
    })
    const read = AuditNames.read(stateDirectory, clock.wallNow())
    if (read instanceof AuditNames) names = read
    const log = await opening
    if (!(log instanceof AuditLog)) {
      waitFor(log.pid)
      return undefined
    }
    if ('fault' in read) {
      await log.close()
      throw new Error(read.fault)
    }
    void prune(log)
    log.countLost(lost)
    release()
    return log
  }
  /** Until the lock is held, or the log cannot be had at all; then undefined. */
  let heldBack: GatewayEvent[] | undefined = []
  let lost = 0
  let isWaiting = false
  let stopRetrying: (() => void) | undefined
  const waitFor = (pid: number) => {
    if (!isWaiting) unavailable(`another gateway of this user writes it (pid ${pid})`)
    isWaiting = true
    const retry = () => {
      opening = undefined
      void opened()
    }
    stopRetrying = clock.setTimer(retry, retryMs)
  }
  const release = () => {
    const events = heldBack ?? []
    heldBack = undefined
    for (const event of events) sink.receive(event)
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
      heldBack = undefined
      return undefined
    })
    stopAnchoring ??= clock.setTimer(() => void anchor(), anchorEveryMs)
    return opening
  }
  const add = (event: AuditEvent) => void opened().then((log) => log?.add(event))
  const nameOf = (id: string) => pseudonyms?.of(id) ?? id
  const numberOf = (id: string) => {
    void opened()
    return names?.numberOf(nameOf(id)) ?? 0
  }
  const sink = auditSink({ add, numberOf, digestOf, setTimer: clock.setTimer })
  return {
    sink: {
      name: sink.name,
      receive(event) {
        if (heldBack === undefined) return sink.receive(event)
        if (!isSecurityEvent(event)) return
        if (heldBack.length < maxHeldBack) heldBack.push(event)
        else lost += 1
        void opened()
      },
    },
    async append(event, isRequired) {
      const log = await opened()
      if (log === undefined) throw new Error(fault)
      const line = auditEventOf(event, numberOf)
      if (isRequired) await log.addAndWait(line)
      else log.add(line)
    },
    async erase(client, actor) {
      const log = await opened()
      if (log === undefined || names === undefined) throw new Error(fault)
      // It may have been recorded before there were pseudonyms, too.
      const erased = names.erase(client, nameOf(client))
      if (erased === undefined) return undefined
      await names.save()
      const event = {
        name: 'usage.erased',
        outcome: 'success',
        actor,
        client: erased,
        attributes: {},
      } as const
      log.add(auditEventOf(event, numberOf))
      return erased
    },
    async close() {
      stopRetrying?.()
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
