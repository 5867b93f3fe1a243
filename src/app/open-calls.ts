// Reports of the calls under way. All that is computed for one is computed when somebody looks: a call itself keeps the facts that
// it needs anyway.
import type { CallRecord } from '../call/record.ts'
import type { Clock } from '../platform/clock.ts'
import type { CallPhase, OpenCall } from '../status/open-call.ts'
import type { Pseudonyms } from '../vault/pseudonyms.ts'

export function oldestFirst(calls: readonly OpenCall[]): OpenCall[] {
  return calls.toSorted((one, other) => other.age_ms - one.age_ms)
}

interface Sample {
  readonly tokens: number
  readonly atMs: number
}

/** The last looks at a call: the older one is the start of what its speed is measured over. */
interface Samples {
  older: Sample
  newer: Sample
}

/** A speed is measured over this long at least, and over no look that is older than the second. */
const [minSpanMs, maxSpanMs] = [2_000, 10_000]

export class OpenCallReporter {
  readonly #clock: Pick<Clock, 'now' | 'wallNow'>
  readonly #pseudonyms: Pseudonyms | undefined
  readonly #samples = new WeakMap<CallRecord, Samples>()

  /** @param pseudonyms of clients; undefined: their names stay as they are. */
  constructor(clock: Pick<Clock, 'now' | 'wallNow'>, pseudonyms: Pseudonyms | undefined) {
    this.#clock = clock
    this.#pseudonyms = pseudonyms
  }

  report(record: CallRecord): OpenCall {
    const { call, meter, lineSinceMs, startSinceMs } = record
    const { requestId, client, dialect, startedAtMs } = call
    const nowMs = this.#clock.now()
    const ageMs = nowMs - startedAtMs
    const startingMs = startSinceMs === undefined ? 0 : nowMs - startSinceMs
    const waitMs = record.waitMs + startingMs + (lineSinceMs === undefined ? 0 : nowMs - lineSinceMs)
    const key = client.keyId === undefined ? undefined : client.terms?.name
    const firstTokenAtMs = meter?.firstTokenAtMs
    return {
      id: requestId,
      model: record.model ?? null,
      client: this.#pseudonyms?.of(client.id) ?? client.id,
      key: (key && (this.#pseudonyms?.ofKey(key) ?? key)) ?? null,
      program: record.programNumber ?? null,
      dialect: dialect.name,
      provider: record.provider ?? null,
      target_model: record.targetModel ?? null,
      phase: phaseOf(record),
      started_at: new Date(this.#clock.wallNow() - ageMs).toISOString(),
      age_ms: Math.round(ageMs),
      attempt: record.attempts,
      wait_ms: Math.round(waitMs),
      start_ms: Math.round(record.startMs + startingMs),
      // Only the owner of the services knows: `withTurns`.
      turn: null,
      stream: record.isStream,
      prompt_tokens: meter?.seenPromptTokens() ?? record.promptTokens ?? null,
      tokens: meter?.seenOutputTokens() ?? 0,
      tokens_per_second: this.#speedOf(record, nowMs),
      first_token_ms: firstTokenAtMs === undefined ? null : Math.round(firstTokenAtMs - startedAtMs),
    }
  }

  #speedOf(record: CallRecord, nowMs: number): number | null {
    const { meter } = record
    if (meter?.firstTokenAtMs === undefined) return null
    const sample = { tokens: meter.seenOutputTokens(), atMs: nowMs }
    const samples = this.#samples.get(record)
    if (samples === undefined || nowMs - samples.newer.atMs > maxSpanMs) {
      // The first token came when the count of them began.
      const first = { tokens: 1, atMs: meter.firstTokenAtMs }
      this.#samples.set(record, { older: first, newer: sample })
      return speedBetween(first, sample)
    }
    if (nowMs - samples.newer.atMs >= minSpanMs) {
      samples.older = samples.newer
      samples.newer = sample
    }
    return speedBetween(samples.older, sample)
  }
}

/** Tokens per second; null: there was no time for any. */
function speedBetween(one: Sample, other: Sample): number | null {
  const ms = other.atMs - one.atMs
  // A provider's own count may be lower than what was estimated before it.
  const tokens = Math.max(0, other.tokens - one.tokens)
  return ms <= 0 ? null : Math.round((tokens / ms) * 100_000) / 100
}

function phaseOf({ lineSinceMs, startSinceMs, attempt, promptTokens }: CallRecord): CallPhase {
  if (startSinceMs !== undefined) return 'starting'
  if (lineSinceMs !== undefined) return 'in_line'
  if (attempt !== undefined) return attempt.stage
  return promptTokens === undefined ? 'reading' : 'connecting'
}
