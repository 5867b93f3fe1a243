// Whether an audit log is whole: its lines in order, from the first month that is kept to the last line, and what stands
// about its end elsewhere.
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { auditFiles, readHead } from './audit-log.ts'
import { type AuditHead, type AuditRecord, ChainCheck } from './chain.ts'

export interface AuditVerdict {
  /** Lines that are intact, from the first one on. */
  readonly lines: number
  /** The last of them. */
  readonly head: AuditHead | undefined
  /** The first line that is not, for people: `audit-2026-11.jsonl:12: …`. Undefined: all are intact. */
  readonly fault: string | undefined
  /** Up to this line the log is known to be the one that was written; undefined: nothing else speaks of it. */
  readonly anchoredTo: number | undefined
  /** From this line on the codes have the key; undefined: none has. */
  readonly keyedFrom: number | undefined
  /** The last line in which the log itself reports a fault: events lost, a torn line, an end that was cut off. */
  readonly lastOwnFault: OwnFault | undefined
}

interface OwnFault {
  /** In the order of the lines, from 1 on. */
  readonly line: number
  readonly time: string
  /** `audit.gap`. */
  readonly name: string
}

/** @param anchors lines that are known from elsewhere: the journal, a note. */
export async function verifyAudit(
  directory: string,
  key: Buffer | undefined,
  anchors: readonly AuditHead[],
): Promise<AuditVerdict> {
  const check = new ChainCheck(key)
  const kept = readHead(directory)
  const known = new Map([...anchors, ...(kept === undefined ? [] : [kept])].map(({ seq, mac }) => [seq, mac]))
  let lines = 0
  let fault: string | undefined
  let first: AuditRecord | undefined
  let pruned: AuditHead | undefined
  let anchoredTo: number | undefined
  let lastOwnFault: OwnFault | undefined
  for (const name of await auditFiles(directory)) {
    let number = 0
    for await (const line of linesOf(join(directory, name))) {
      number += 1
      const record = check.take(line)
      if (record === undefined) {
        fault ??= `${name}:${number}: ${check.fault!.reason}`
        continue
      }
      lines += 1
      first ??= record
      lastOwnFault = ownFault(record, lines) ?? lastOwnFault
      pruned = prunedBy(record) ?? pruned
      const mac = known.get(record.seq)
      if (mac === undefined) continue
      if (mac === record.mac) anchoredTo = record.seq
      else
        fault ??= `${name}:${number}: line ${record.seq} is not the one that was written: its code is noted otherwise`
    }
  }
  fault ??= faultOfBegin(first, pruned) ?? faultOfEnd(check.head, known)
  const { head, keyedFrom } = check
  return { lines, head, fault, anchoredTo, keyedFrom, lastOwnFault }
}

function ownFault({ event_name: event, outcome, time }: AuditRecord, line: number): OwnFault | undefined {
  const [, name] = /^llm_gateway\.(audit\..*)$/.exec(event) ?? []
  return name === undefined || outcome !== 'failure' ? undefined : { line, time, name }
}

/** The records of a log, in order, whether or not they can be read. */
export async function* auditLines(directory: string): AsyncGenerator<string> {
  for (const name of await auditFiles(directory)) yield* linesOf(join(directory, name))
}

function linesOf(path: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })
}

/** The last line that was removed before this record. */
function prunedBy({ event_name: name, attributes }: AuditRecord): AuditHead | undefined {
  if (name !== 'llm_gateway.audit.pruned') return undefined
  const { 'audit.seq': seq, 'audit.mac': mac } = attributes
  return typeof seq === 'number' && typeof mac === 'string' ? { seq, mac } : undefined
}

function faultOfBegin(first: AuditRecord | undefined, pruned: AuditHead | undefined): string | undefined {
  if (first === undefined || first.seq === 1) return undefined
  if (pruned?.seq === first.seq - 1 && pruned.mac === first.prev) return undefined
  return `the log begins with line ${first.seq}, and no record says that those before it were removed`
}

function faultOfEnd(head: AuditHead | undefined, known: ReadonlyMap<number, string>): string | undefined {
  const last = Math.max(0, ...known.keys())
  const end = head?.seq ?? 0
  if (last <= end) return undefined
  return `the log ends with line ${end}, but line ${last} was written: its end was cut off`
}
