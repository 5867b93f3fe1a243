// What budgets cost a call, and by how much 64 agents at once exceed one.
import {
  type BudgetDemand,
  budgetDemandOf,
  type BudgetHold,
  type BudgetSettings,
  usualBudgetSettings,
} from '../src/admission/budget.ts'
import { BudgetBook } from '../src/admission/budget-book.ts'
import { Calibration } from '../src/admission/estimate.ts'
import type { Budget, RequestSize } from '../src/domain.ts'

const runs = 7
const callsPerRun = 100_000
const used = { kind: 'used', tokens: 0 } as const
const perUsd = 1_000_000_000

const call = {
  requestId: 'bench',
  client: 'user:bench',
  key: undefined,
  secret: undefined,
  via: undefined,
  dialect: 'chat',
  model: 'm',
}

/** Microseconds per call with three windows, as the median of the runs. */
function cost(): number {
  const budgets = (['day', 'week', 'month'] as const).map((per): Budget => ({
    unit: 'usd',
    limit: perUsd ** 2,
    per,
  }))
  const book = new BudgetBook({ wallNow: Date.now })
  const scopes = [{ name: 'key:bench', entry: 'bench', budgets }]
  const demand: BudgetDemand = {
    scopes,
    rates: { input: 1_000, output: 4_000, request: 0 },
    nano: 3_000,
    tokens: 1_500,
    promptTokens: 1_000,
    call,
  }
  const micros: number[] = []
  for (let run = 0; run <= runs; run++) {
    const startedAtMs = performance.now()
    for (let count = 0; count < callsPerRun; count++) {
      const hold = book.take(demand)
      if (hold.kind !== 'held') throw new Error(hold.kind)
      book.grow(hold, 2_000)
      book.settle(hold, used, { nano: 4_000, tokens: 1_700 })
    }
    // The first run warms up.
    if (run > 0) micros.push(((performance.now() - startedAtMs) * 1000) / callsPerRun)
  }
  return micros.toSorted((one, other) => one - other)[Math.floor(runs / 2)]!
}

interface Outcome {
  readonly overshoot: number
  /** When the first call was refused. */
  readonly spentAtRefusal: number
}

interface Agent {
  hold: BudgetHold
  promptTokens: number
  outputTokens: number
  endsAt: number
}

/**
 * 64 agents call at once and without a pause until all are refused, at 3 and 15 USD per million tokens: prompts of 10,000
 * tokens, answers of a log-normal length with a mean of 2,700, 70 tokens a second.
 * @param seed of the chances. @returns USD.
 */
function simulate(limitUsd: number, reserve: BudgetSettings['reserve'], seed: number): Outcome {
  const book = new BudgetBook({ wallNow: () => 0 })
  book.follow({ ...usualBudgetSettings, reserve })
  const budgets: Budget[] = [{ unit: 'usd', limit: limitUsd * perUsd, per: 'total' }]
  const request = {
    scopes: [{ name: 'total', entry: 'total', budgets }],
    rates: { input: 3e6, output: 15e6, request: 0 },
    call,
  }
  const calibration = new Calibration()
  const chance = chanceOf(seed)
  const size: RequestSize = {
    textBytes: 37_000,
    mediaCount: 0,
    messageCount: 0,
    tokenIdCount: 0,
    promptCount: 1,
    maxOutputTokens: 8_192,
    choices: 1,
  }
  const promptTokens = 10_000
  const spent = () => book.describe(request.scopes)[0]!.spent / perUsd
  const agents: Agent[] = []
  let spentAtRefusal: number | undefined
  const begin = (now: number) => {
    const estimate = calibration.estimate('m', 'p', size, undefined)
    const hold = book.take(budgetDemandOf(request, estimate, size, reserve))
    if (hold.kind !== 'held') {
      spentAtRefusal ??= spent()
      return
    }
    const outputTokens = Math.min(8_192, Math.ceil(1_640 * Math.exp(normal(chance))))
    agents.push({ hold, promptTokens, outputTokens, endsAt: now + outputTokens / 70 })
  }
  for (let count = 0; count < 64; count++) begin(count / 64)
  while (agents.length > 0) {
    agents.sort((one, other) => other.endsAt - one.endsAt)
    const { hold, outputTokens, endsAt } = agents.pop()!
    for (const other of agents) {
      const seen = promptTokens + other.outputTokens - Math.max(0, (other.endsAt - endsAt) * 70)
      if (seen > other.hold.tokens) book.grow(other.hold, Math.ceil(1.25 * seen))
    }
    calibration.learn('m', 'p', size, { promptTokens, completionTokens: outputTokens })
    const nano = 3_000 * promptTokens + 15_000 * outputTokens
    book.settle(hold, used, { nano, tokens: promptTokens + outputTokens })
    begin(endsAt)
  }
  return { overshoot: spent() - limitUsd, spentAtRefusal: spentAtRefusal ?? Number.NaN }
}

/** From 0 to below 1: a linear congruential generator. */
function chanceOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

function normal(chance: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance())
}

export function benchBudgets(): void {
  process.stdout.write(`reserve + grow + settle of three windows: ${cost().toFixed(2)} µs\n\n`)
  process.stdout.write(
    '64 agents, 60 runs, USD          overshoot: mean     worst   spent at the first refusal\n',
  )
  for (const limitUsd of [5, 50]) {
    for (const reserve of ['predicted', 'worst_case'] as const) {
      const outcomes = Array.from({ length: 60 }, (_, seed) => simulate(limitUsd, reserve, seed + 1))
      const mean = (of: (each: Outcome) => number) => outcomes.reduce((sum, each) => sum + of(each), 0) / 60
      const overshoot = mean((each) => each.overshoot).toFixed(2)
      const worst = Math.max(...outcomes.map((each) => each.overshoot)).toFixed(2)
      const refusal = mean((each) => each.spentAtRefusal).toFixed(1)
      process.stdout.write(
        `${String(limitUsd).padStart(3)} ${reserve.padEnd(28)}${overshoot.padStart(19)}${worst.padStart(10)}${refusal.padStart(10)}\n`,
      )
    }
  }
}
