// The calls of a quarter of an hour, put together by how they ended: all that a report says of calls, in a hundredth of the time
// that reading their rows takes. What an outcome means is judged when it is read; here stands what it is judged by.
import { CallTimesDraft, type TimedCall } from './call-times.ts'
import { quarterMs } from './quarter-sums.ts'
import { VarintReader, VarintWriter } from './varint.ts'

/** How calls ended. Names are numbers of the ledger's table of names. */
interface CallEnd {
  /** Of groups, only of those with a code. */
  readonly client: number | null
  /** The model that was asked for, and the one that answered in its place. */
  readonly model: number | null
  readonly fallback: number | null
  readonly provider: number | null
  readonly status: number
  readonly code: number | null
  readonly trouble: number | null
  readonly providerStatus: number | null
}

export interface CallGroup extends CallEnd {
  readonly calls: number
  /** When the last of them ended, in milliseconds since 1970. */
  readonly lastMs: number
  /** How many ended in each minute of the quarter: its minutes from 0 to 14, each before its count, without empty ones. */
  readonly minutes: readonly number[]
  /** What `CallTimes` reads; empty where the calls failed. */
  readonly times: Uint8Array
}

export interface GroupedCall extends CallEnd, TimedCall {
  /** Milliseconds since 1970. */
  readonly endedMs: number
}

/** Columns of `calls` for `callOfRow`. */
export const groupedColumns = `id, ended_ms, client, model, fallback, provider, status, code, trouble, provider_status, stream,
  completion, wait_ms, COALESCE(start_ms, 0), COALESCE(first_token_ms, first_ms), duration_ms`
export type GroupedRow = readonly (number | null)[]

export function callOfRow(row: GroupedRow): GroupedCall {
  return {
    endedMs: row[1]!,
    client: row[2]!,
    model: row[3]!,
    fallback: row[4]!,
    provider: row[5]!,
    status: row[6]!,
    code: row[7]!,
    trouble: row[8]!,
    providerStatus: row[9]!,
    isStream: row[10] === 1,
    outputTokens: row[11]!,
    waitMs: row[12]! - row[13]!,
    firstMs: row[14]!,
    durationMs: row[15]!,
  }
}

const minuteMs = 60_000
const minutesPerQuarter = quarterMs / minuteMs

interface Draft {
  /** 0 in place of null. */
  readonly facts: readonly number[]
  calls: number
  lastMs: number
  /** By minute. */
  readonly minutes: number[]
  readonly times: CallTimesDraft | undefined
}

/** Puts calls of one quarter together, in any order. */
export class CallGroupsDraft {
  /** Quarters since 1970. */
  readonly quarter: number
  readonly #drafts = new Map<string, Draft>()
  /** By model, what its last call belongs to: most calls end as the one before. */
  readonly #recent = new Map<number | null, { readonly call: GroupedCall; readonly draft: Draft }>()
  #calls = 0

  constructor(quarter: number) {
    this.quarter = quarter
  }

  get calls(): number {
    return this.#calls
  }

  get size(): number {
    return this.#drafts.size
  }

  add(call: GroupedCall): void {
    const { endedMs } = call
    const draft = this.#draftOf(call)
    this.#calls += 1
    draft.calls += 1
    if (endedMs > draft.lastMs) draft.lastMs = endedMs
    draft.minutes[Math.floor(endedMs / minuteMs) % minutesPerQuarter]! += 1
    draft.times?.add(call)
  }

  groups(): CallGroup[] {
    return Array.from(this.#drafts.values(), ({ facts, calls, lastMs, minutes, times }) =>
      groupOf(facts, { calls, lastMs, minutes: pairsOf(minutes), times: times?.encoded() ?? noTimes }),
    )
  }

  /** For `decodeGroups`. */
  encoded(): Uint8Array {
    const writer = new VarintWriter()
    writer.number(form)
    writer.number(this.#drafts.size)
    for (const { facts, calls, lastMs, minutes, times } of this.#drafts.values()) {
      for (const fact of facts) writer.number(fact)
      writer.number(calls)
      writer.number(lastMs - this.quarter * quarterMs)
      const pairs = pairsOf(minutes)
      writer.number(pairs.length)
      for (const number of pairs) writer.number(number)
      writer.bytes(times?.encoded() ?? noTimes)
    }
    return writer.done()
  }

  #draftOf(call: GroupedCall): Draft {
    const recent = this.#recent.get(call.model)
    if (recent !== undefined && haveSameEnd(call, recent.call)) return recent.draft
    const draft = this.#findDraft(call)
    this.#recent.set(call.model, { call, draft })
    return draft
  }

  #findDraft(call: GroupedCall): Draft {
    const { model, fallback, provider, status, code, trouble, providerStatus } = call
    const client = code === null ? null : call.client
    const key = `${model},${provider},${status},${providerStatus},${fallback},${code},${trouble},${client}`
    let draft = this.#drafts.get(key)
    if (draft === undefined) {
      const facts = [client, model, fallback, provider, status, code, trouble, providerStatus]
      draft = {
        facts: facts.map((fact) => fact ?? 0),
        calls: 0,
        lastMs: 0,
        minutes: Array.from({ length: minutesPerQuarter }, () => 0),
        times: code === null && status < 400 ? new CallTimesDraft() : undefined,
      }
      this.#drafts.set(key, draft)
    }
    return draft
  }
}

/** Of calls of one model. */
function haveSameEnd(one: GroupedCall, other: GroupedCall): boolean {
  return (
    one.provider === other.provider &&
    one.status === other.status &&
    one.code === other.code &&
    one.fallback === other.fallback &&
    one.providerStatus === other.providerStatus &&
    one.trouble === other.trouble &&
    (one.code === null || one.client === other.client)
  )
}

function pairsOf(minutes: readonly number[]): number[] {
  return minutes.flatMap((count, minute) => (count === 0 ? [] : [minute, count]))
}

/** Of the encoding; what has another one is put together anew. */
const form = 1
const noTimes = new Uint8Array()
const factCount = 8

/** @returns undefined for bytes of another version. */
export function decodeGroups(quarter: number, bytes: Uint8Array): CallGroup[] | undefined {
  const reader = new VarintReader(bytes)
  if (reader.number() !== form) return undefined
  const groups: CallGroup[] = []
  for (let left = reader.number(); left > 0 && !reader.isOver; left -= 1) {
    const facts = reader.numbers(factCount)
    groups.push(
      groupOf(facts, {
        calls: reader.number(),
        lastMs: quarter * quarterMs + reader.number(),
        minutes: reader.numbers(Math.min(reader.number(), 2 * minutesPerQuarter)),
        times: reader.bytes(),
      }),
    )
  }
  return groups
}

/** 0 is no number of a name, and no status of a provider. */
function groupOf(
  [client, model, fallback, provider, status, code, trouble, providerStatus]: readonly number[],
  { calls, lastMs, minutes, times }: Pick<CallGroup, 'calls' | 'lastMs' | 'minutes' | 'times'>,
): CallGroup {
  return {
    client: client || null,
    model: model || null,
    fallback: fallback || null,
    provider: provider || null,
    status: status!,
    code: code || null,
    trouble: trouble || null,
    providerStatus: providerStatus || null,
    calls,
    lastMs,
    minutes,
    times,
  }
}
