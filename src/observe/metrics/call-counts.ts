// What the end of a call adds to the counts.
import type { CallFacts } from '../events/calls.ts'
import { type Outcome, outcomeOf, outcomes } from '../outcome.ts'
import type { SeriesWriter } from './counters.ts'
import { bucketsOf, type FamilyName, otherName } from './families.ts'
import { observeValue } from './observe-value.ts'

export interface CallCountsOptions {
  /** `metrics.max_models`: so many names of models are told apart. */
  readonly maxModels: number
  /** `metrics.client_label`: whether clients are. */
  readonly hasClients: boolean
}

const maxClients = 100

/** The cells of one model at one provider; -1: not in use yet. */
interface Pair {
  readonly values: readonly [model: string, provider: string]
  /** By dialect, then in the order of `outcomes`. */
  readonly calls: Map<string, Int32Array>
  /** Undefined until an attempt was made. */
  used: UsedCells | undefined
  firstToken: number
  perToken: number
}

interface UsedCells {
  readonly input: number
  readonly output: number
  readonly cached: number
  readonly cacheWrite: number
  readonly reasoning: number
  readonly estimated: number
  readonly cost: number
  readonly unpriced: number
  readonly duration: number
}

const indexOf = Object.fromEntries(outcomes.map((outcome, index) => [outcome, index])) as Record<
  Outcome,
  number
>

const [durations, firstTokens, perTokens, waits, serviceWaits, overheads] = (
  [
    'call_duration_seconds',
    'time_to_first_token_seconds',
    'time_per_output_token_seconds',
    'queue_wait_seconds',
    'service_wait_seconds',
    'overhead_seconds',
  ] as const
).map((name) => bucketsOf(name)!) as [number[], number[], number[], number[], number[], number[]]

export class CallCounts {
  readonly #writer: SeriesWriter
  readonly #options: CallCountsOptions
  /** Model → provider. */
  readonly #pairs = new Map<string, Map<string, Pair>>()
  /** Model → first cell. */
  readonly #waits = new Map<string, number>()
  /** Names below wildcards that have answered. */
  readonly #concrete = new Set<string>()
  readonly #clients = new Map<string, ClientCells>()
  readonly #overhead: number
  readonly #dropped: number
  #others: Pair | undefined

  constructor(writer: SeriesWriter, options: CallCountsOptions) {
    this.#writer = writer
    this.#options = options
    this.#overhead = writer.cell('overhead_seconds', [])
    this.#dropped = writer.cell('metrics_dropped_total', [])
  }

  /** @param countedModel of the file, a wildcard or listed; undefined: no such model was asked for. */
  count(call: CallFacts, countedModel: string | undefined): void {
    const outcome = outcomeOf(call)
    const model = this.#nameOf(call, countedModel, outcome)
    // Of several that have failed, none is at fault alone.
    const pair = this.#pairOf(model, outcome === 'no_target' ? '' : (call.provider ?? ''))
    this.#add(this.#callsCell(pair, call.dialect, outcome), 1)
    this.#observe(this.#overhead, overheads, call.gateway_ms / 1000)
    if (call.attempts > 0) this.#countUse(call, outcome, pair)
    const { start_ms: startMs = 0 } = call
    const lineMs = call.wait_ms - startMs
    if (lineMs > 0) this.#countWait(lineMs, model)
    if (startMs > 0) {
      this.#observe(this.#writer.cell('service_wait_seconds', [model]), serviceWaits, startMs / 1000)
    }
    if (outcome === 'limited') this.#addTo('limited_total', [model, call.limited_by ?? 'requests'], 1)
    if (call.attempts === 0 && call.code !== undefined) {
      this.#addTo('refusals_total', [call.code], 1)
    }
    if (outcome === 'ok' && call.fallback_model !== undefined) {
      this.#addTo('fallbacks_total', [model, call.fallback_model], 1)
    }
    if (this.#options.hasClients) this.#countClient(call)
  }

  #countUse(call: CallFacts, outcome: Outcome, pair: Pair): void {
    const used = (pair.used ??= this.#usedCells(pair))
    const { prompt_tokens: input = 0, completion_tokens: output = 0, cost_nano: costNano } = call
    const tokens = input + output
    if (tokens > 0) {
      this.#add(used.input, input)
      this.#add(used.output, output)
      this.#addPart(used.cached, call.cached_tokens, input)
      this.#addPart(used.cacheWrite, call.cache_write_tokens, input)
      this.#addPart(used.reasoning, call.reasoning_tokens, output)
      if (call.estimated === true) this.#add(used.estimated, tokens)
      if (costNano === undefined) this.#add(used.unpriced, 1)
    }
    if (costNano !== undefined) this.#add(used.cost, costNano / 1e9)
    const { duration_ms: durationMs, first_token_ms: firstTokenMs } = call
    this.#observe(used.duration, durations, durationMs / 1000)
    if (firstTokenMs === undefined) return
    if (pair.firstToken < 0) pair.firstToken = this.#writer.cell('time_to_first_token_seconds', pair.values)
    this.#observe(pair.firstToken, firstTokens, firstTokenMs / 1000)
    if (outcome !== 'ok' || output < 2 || call.estimated === true) return
    if (pair.perToken < 0) pair.perToken = this.#writer.cell('time_per_output_token_seconds', pair.values)
    this.#observe(pair.perToken, perTokens, (durationMs - firstTokenMs) / 1000 / (output - 1))
  }

  #countWait(lineMs: number, model: string): void {
    let cell = this.#waits.get(model)
    if (cell === undefined) {
      cell = this.#writer.cell('queue_wait_seconds', [model])
      if (this.#writer.hasRoom) this.#waits.set(model, cell)
    }
    this.#observe(cell, waits, lineMs / 1000)
  }

  #countClient(call: CallFacts): void {
    const { client, prompt_tokens: input = 0, completion_tokens: output = 0, cost_nano: costNano } = call
    const cells = this.#clients.get(client) ?? this.#clientCells(client)
    this.#add(cells.calls, 1)
    this.#add(cells.input, input)
    this.#add(cells.output, output)
    if (costNano !== undefined) this.#add(cells.cost, costNano / 1e9)
  }

  #clientCells(client: string): ClientCells {
    const isOther = this.#clients.size >= maxClients || !this.#writer.hasRoom
    const name = isOther ? otherName : client
    const cells = this.#clients.get(name) ?? {
      calls: this.#writer.cell('client_calls_total', [name]),
      input: this.#writer.cell('client_tokens_total', [name, 'input']),
      output: this.#writer.cell('client_tokens_total', [name, 'output']),
      cost: this.#writer.cell('client_cost_usd_total', [name]),
    }
    this.#clients.set(name, cells)
    return cells
  }

  /** A client chooses the names below a wildcard: one counts by itself once a provider has answered for it. */
  #nameOf({ model = '' }: CallFacts, counted: string | undefined, outcome: Outcome): string {
    if (counted?.endsWith('*') !== true) return counted ?? ''
    if (this.#concrete.has(model)) return model
    const isLearnt = outcome === 'ok' && this.#concrete.size < this.#options.maxModels && this.#writer.hasRoom
    if (!isLearnt) return counted
    this.#concrete.add(model)
    return model
  }

  #pairOf(model: string, provider: string): Pair {
    return this.#pairs.get(model)?.get(provider) ?? this.#newPair(model, provider)
  }

  #newPair(model: string, provider: string): Pair {
    if (!this.#writer.hasRoom || (!this.#pairs.has(model) && this.#pairs.size > this.#options.maxModels)) {
      this.#writer.countOther()
      return (this.#others ??= this.#makePair(otherName, otherName))
    }
    const pair = this.#makePair(model, provider)
    const ofModel = this.#pairs.get(model)
    if (ofModel === undefined) this.#pairs.set(model, new Map([[provider, pair]]))
    else ofModel.set(provider, pair)
    return pair
  }

  #makePair(model: string, provider: string): Pair {
    return { values: [model, provider], calls: new Map(), used: undefined, firstToken: -1, perToken: -1 }
  }

  #usedCells({ values }: Pair): UsedCells {
    const cell = (name: FamilyName) => this.#writer.cell(name, values)
    return {
      input: cell('input_tokens_total'),
      output: cell('output_tokens_total'),
      cached: cell('cached_input_tokens_total'),
      cacheWrite: cell('cache_write_tokens_total'),
      reasoning: cell('reasoning_tokens_total'),
      estimated: cell('estimated_tokens_total'),
      cost: cell('cost_usd_total'),
      unpriced: cell('unpriced_calls_total'),
      duration: cell('call_duration_seconds'),
    }
  }

  #callsCell({ calls, values }: Pair, dialect: string, outcome: Outcome): number {
    let cells = calls.get(dialect)
    if (cells === undefined) {
      cells = new Int32Array(outcomes.length).fill(-1)
      calls.set(dialect, cells)
    }
    const index = indexOf[outcome]
    const known = cells[index]!
    if (known >= 0) return known
    const cell = this.#writer.cell('calls_total', [...values, dialect, outcome])
    cells[index] = cell
    return cell
  }

  #addTo(name: FamilyName, values: readonly string[], amount: number): void {
    this.#add(this.#writer.cell(name, values), amount)
  }

  /** A provider that counts parts otherwise than as parts is not followed. */
  #addPart(cell: number, amount: number | undefined, total: number): void {
    if (amount !== undefined) this.#add(cell, Math.min(amount, total))
  }

  #add(cell: number, amount: number): void {
    if (amount >= 0 && amount < Infinity) this.#writer.add(cell, amount)
    else this.#writer.add(this.#dropped, 1)
  }

  #observe(first: number, buckets: readonly number[], value: number): void {
    if (!(value >= 0 && value < Infinity)) {
      this.#writer.add(this.#dropped, 1)
      return
    }
    observeValue(this.#writer, first, buckets, value)
  }
}

interface ClientCells {
  readonly calls: number
  readonly input: number
  readonly output: number
  readonly cost: number
}
