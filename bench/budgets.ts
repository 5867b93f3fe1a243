// What budgets cost a call, and by how much 64 agents at once exceed one: on a running gateway with real sockets, before a
// provider that counts what was really used. Time runs 60 times faster for all of them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { BudgetDemand } from '../src/admission/budget.ts'
import { BudgetBook } from '../src/admission/budget-book.ts'
import { startApp } from '../src/app/app.ts'
import { loadConfig } from '../src/config/load.ts'
import type { Budget } from '../src/domain.ts'
import { fastClock } from './fast-clock.ts'
import { randomFrom } from './gateways/statistics.ts'
import { type RealUse, startCountingProvider } from './limits-provider.ts'

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
  /** USD above the budget; negative: less was spent. */
  readonly overshoot: number
  /** USD, when the first call was refused. */
  readonly spentAtRefusal: number
}

const agents = 64
const budgetsUsd = [5, 50] as const
/** Gateways started for each row. */
const rounds = 5
const inputUsd = 3 / 1e6
const outputUsd = 15 / 1e6
const maxOutputTokens = 8_192
/** 10,000 tokens by the provider's count. */
const prompt = 'x'.repeat(45_400)

/**
 * How the budget is kept. `check_then_record`: the gateway has none; whoever calls looks at what is spent before the call and
 * adds what it has cost after it, as proxies do that only keep a sum.
 */
const ways = ['check_then_record', 'predicted', 'worst_case'] as const
type Way = (typeof ways)[number]

/** 64 agents call at once and without a pause until all are refused. Answers have a log-normal length, 2,700 tokens on average. */
async function run(limitUsd: number, way: Way, seed: number): Promise<Outcome> {
  const clock = fastClock(60)
  const provider = await startCountingProvider(clock)
  const folder = mkdtempSync(join(tmpdir(), 'llm-gateway-bench-'))
  const app = await startApp(configFor(folder, provider.url, { limitUsd, way }), {
    stdout: new PassThrough().resume(),
    version: 'bench',
    configFile: join(folder, 'llm-gateway.yaml'),
    stateDirectory: undefined,
    clock,
  })
  const agent = new Agent({ keepAlive: true, maxSockets: agents })
  const url = `${app.addresses[0]!}/v1/chat/completions`
  const random = randomFrom(seed)
  const spentNow = () => provider.calls.reduce((sum, call) => sum + usdOf(call), 0)
  let recorded = 0
  let spentAtRefusal: number | undefined
  await Promise.all(
    Array.from({ length: agents }, async () => {
      const mayCall = () => way !== 'check_then_record' || recorded < limitUsd
      while (mayCall()) {
        const outputTokens = Math.min(maxOutputTokens, Math.ceil(1_640 * Math.exp(normal(random))))
        const response = await send({ url, agent, outputTokens })
        if (response.status === 429) break
        if (response.status !== 200) throw new Error(`${response.status} ${response.text}`)
        recorded += usdOf(JSON.parse(/^data: (.*"usage":.*)$/m.exec(response.text)![1]!).usage)
      }
      spentAtRefusal ??= spentNow()
    }),
  )
  const overshoot = spentNow() - limitUsd
  agent.destroy()
  await app.stop('bench')
  provider.close()
  rmSync(folder, { recursive: true })
  return { overshoot, spentAtRefusal: spentAtRefusal! }
}

function configFor(folder: string, base: string, { limitUsd, way }: { limitUsd: number; way: Way }) {
  const file = join(folder, 'llm-gateway.yaml')
  const total = [{ usd: limitUsd, per: 'total' }]
  const config = {
    providers: { p: { kind: 'openai', base_url: `${base}/v1`, price: { input: 3, output: 15 } } },
    models: { m: { provider: 'p' } },
    ...(way !== 'check_then_record' && { budgets: { reserve: way, total } }),
    usage: { enabled: false },
  }
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 })
  const loaded = loadConfig(file, { env: { LLM_GATEWAY_PORT: '0' } })
  if (!loaded.ok) throw new Error(loaded.problems.map(({ message }) => message).join('\n'))
  return loaded.config
}

interface Sending {
  readonly url: string
  readonly agent: Agent
  readonly outputTokens: number
}

function send({ url, agent, outputTokens }: Sending): Promise<{ status: number; text: string }> {
  const body = JSON.stringify({
    model: 'm',
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: maxOutputTokens,
    user: String(outputTokens),
    messages: [{ role: 'user', content: prompt }],
  })
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const request = httpRequest(url, { method: 'POST', agent, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode!, text }))
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(body)
  })
}

type Counted = RealUse | { readonly prompt_tokens: number; readonly completion_tokens: number }

function usdOf(use: Counted): number {
  const [input, output] =
    'promptTokens' in use ? [use.promptTokens, use.outputTokens] : [use.prompt_tokens, use.completion_tokens]
  return input * inputUsd + output * outputUsd
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

export async function benchBudgets(): Promise<void> {
  const print = (line: string) => void process.stdout.write(`${line}\n`)
  print(`reserve + grow + settle of three windows: ${cost().toFixed(2)} µs\n`)
  print(`${agents} agents at once, ${rounds} gateways each, in USD:\n`)
  print('| budget | kept by | spent above it, mean | worst | spent at the first refusal, mean |')
  print('|--:|---|--:|--:|--:|')
  for (const limitUsd of budgetsUsd) {
    for (const way of ways) {
      const outcomes: Outcome[] = []
      for (let round = 1; round <= rounds; round++) outcomes.push(await run(limitUsd, way, round))
      const mean = (of: keyof Outcome) => outcomes.reduce((sum, each) => sum + each[of], 0) / rounds
      const worst = Math.max(...outcomes.map((each) => each.overshoot))
      const figures = [mean('overshoot').toFixed(2), worst.toFixed(2), mean('spentAtRefusal').toFixed(1)]
      print(`| ${limitUsd} | ${way.replaceAll('_', ' ')} | ${figures.join(' | ')} |`)
    }
  }
}
