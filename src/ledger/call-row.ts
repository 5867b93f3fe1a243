// A call as a row of the ledger: a flat run of cells, which costs the serving thread a microsecond to write down and to hand
// over. Names travel as text; the writer's thread has numbers for them.
import type { Tariff } from '../domain.ts'

/** What of a call's facts the ledger keeps, by the names that they have in the log. */
export interface EndedCall {
  readonly request_id: string
  readonly client: string
  /** The name of the key that the call came with, and which of its secrets. */
  readonly key?: string | undefined
  readonly key_secret?: string | undefined
  /** What the client's limits and budgets are counted by: `key:ID`, `client:ID`. */
  readonly scope?: string | undefined
  /** The Unix user or address that the client came through, where the client is another. */
  readonly via?: string | undefined
  readonly dialect: string
  readonly model: string | undefined
  readonly provider: string | undefined
  readonly target_model: string | undefined
  readonly fallback_model: string | undefined
  readonly status: number
  readonly code: string | undefined
  readonly stream: boolean
  readonly prompt_tokens: number | undefined
  readonly completion_tokens: number | undefined
  readonly cached_tokens: number | undefined
  readonly cache_write_tokens: number | undefined
  readonly reasoning_tokens: number | undefined
  readonly estimated: boolean | undefined
  /** In nano-USD, a whole number. Undefined: no price is known. */
  readonly cost_nano?: number | undefined
  /** Where the price is from: `target`, `model`, `provider`, `list`, `reported`, `free`. */
  readonly price?: string | undefined
  /** Which leads from the counts to the cost. */
  readonly tariff?: Tariff | undefined
  readonly attempts: number
  readonly wait_ms: number
  /** For the start of a server; a part of `wait_ms`. Absent: it waited for none. */
  readonly start_ms?: number | undefined
  readonly first_byte_ms: number | undefined
  /** Of a stream: until the first piece of its output. */
  readonly first_token_ms?: number | undefined
  readonly provider_status?: number | undefined
  /** What is wrong with the provider (`FailureKind`). */
  readonly trouble?: string | undefined
  readonly duration_ms: number
}

export type Cell = string | number | null

/** The columns of a row, in order. `fallback` is the model that answered in place of `model`. */
export const column = {
  endedMs: 0,
  requestId: 1,
  client: 2,
  key: 3,
  secret: 4,
  via: 5,
  dialect: 6,
  model: 7,
  provider: 8,
  target: 9,
  fallback: 10,
  status: 11,
  code: 12,
  stream: 13,
  prompt: 14,
  cached: 15,
  cacheWrite: 16,
  completion: 17,
  reasoning: 18,
  costNano: 19,
  price: 20,
  estimated: 21,
  attempts: 22,
  waitMs: 23,
  firstMs: 24,
  durationMs: 25,
  scope: 26,
  firstTokenMs: 27,
  providerStatus: 28,
  trouble: 29,
  startMs: 30,
  /** The last one. */
  tariff: 31,
} as const

export const rowWidth = 32

/** Of a model that does not exist the name is whatever the client wrote, and there is no end of such names. */
const unknownModel = 'model_not_found'

/** @param endedMs milliseconds since 1970. */
export function appendRow(rows: Cell[], call: EndedCall, endedMs: number): void {
  const prompt = call.prompt_tokens ?? 0
  const completion = call.completion_tokens ?? 0
  // Parts are subsets of their totals; a provider that counts otherwise is not followed.
  const cached = atMost(call.cached_tokens, prompt)
  rows.push(
    endedMs,
    call.request_id,
    call.client,
    call.key ?? null,
    call.key_secret ?? null,
    call.via ?? null,
    call.dialect,
    call.code === unknownModel ? null : (call.model ?? null),
    call.provider ?? null,
    call.target_model ?? null,
    call.fallback_model ?? null,
    call.status,
    call.code ?? null,
    call.stream ? 1 : 0,
    prompt,
    cached,
    atMost(call.cache_write_tokens, prompt - cached),
    completion,
    atMost(call.reasoning_tokens, completion),
    call.cost_nano ?? null,
    call.price ?? null,
    call.estimated === true ? 1 : 0,
    call.attempts,
    Math.round(call.wait_ms),
    roundedOf(call.first_byte_ms),
    Math.round(call.duration_ms),
    call.scope ?? null,
    roundedOf(call.first_token_ms),
    call.provider_status ?? null,
    call.trouble ?? null,
    roundedOf(call.start_ms),
    call.tariff === undefined ? null : textOf(call.tariff),
  )
}

const texts = new WeakMap<Tariff, string>()

/** Calls share the tariffs of a configuration. */
function textOf(tariff: Tariff): string {
  let text = texts.get(tariff)
  if (text === undefined) {
    const { rates, above } = tariff
    text = JSON.stringify({ rates, ...(above.length > 0 && { above }) })
    texts.set(tariff, text)
  }
  return text
}

function roundedOf(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms)
}

function atMost(count: number | undefined, total: number): number {
  return count === undefined ? 0 : Math.min(count, total)
}
