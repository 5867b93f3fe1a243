// Sends spoiled requests, streams and bodies of the conversation formats through a running gateway that translates them, and
// reports what its clients must not get.
import { ClientConnection, type Wire } from '../chaos/client-connection.ts'
import {
  type Conversation,
  readErrorBody,
  readStream,
  readWhole,
} from '../dialects/translate/client-rules.ts'
import { errorOf, spoiler, vectors } from '../dialects/translate/spoil.ts'
import { providerOf, type Vector } from '../dialects/translate/vector.ts'
import { at, type Setup } from '../support/gateway-config.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { heldMemory, heldMemoryOptions } from '../support/held-memory.ts'
import { Random } from '../support/random.ts'
import { rawRequest } from '../support/raw-client.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { type PlannedAnswer, type SpoiledProvider, startSpoiledProvider } from './spoiled-provider.ts'

export interface TranslatedFuzz {
  readonly seed: number
  /** Index of the first input: with a count of 1 it makes a single one again. */
  readonly first: number
  readonly count: number
  /** Ends the run before its count. */
  readonly isOver: () => boolean
}

export interface TranslatedReport {
  /** What should not have happened, with the input's index. No more than the first 20. */
  readonly findings: readonly string[]
  readonly made: number
  /** How clients' responses have ended. */
  readonly ends: ReadonlyMap<string, number>
  /** Memory that is held after the warm-up, 0 in a run that is shorter, and at the end. */
  readonly warmBytes: number
  readonly endBytes: number
}

const laneCount = 16
/** A provider that falls silent is given up long before. */
const deadlineMs = 10_000
/** Memory counts from here: before, code is compiled. */
const warmUpCount = 5_000
/** A leak of 500 bytes per input is as much. */
const maxGrowthBytes = 5 * 1024 * 1024
const maxFindings = 20

const paths: Readonly<Record<Conversation, string>> = {
  chat: '/v1/chat/completions',
  messages: '/v1/messages',
  response: '/v1/responses',
}

function configuration({ url }: SpoiledProvider): Setup {
  const timeouts = { idle_ms: 400 }
  return {
    server: { heartbeat_after_ms: 100 },
    access: { allowed_users: ['any'] },
    rate_limit_settings: { per_client: {} },
    providers: {
      chat: at({ url }, { speaks: ['chat'], timeouts }),
      messages: at({ url }, { speaks: ['messages'], timeouts }),
    },
    models: { chat: { provider: 'chat' }, messages: { provider: 'messages' } },
  }
}

export async function fuzzTranslated(
  t: Cleanup,
  { seed, first, count, isOver }: TranslatedFuzz,
): Promise<TranslatedReport> {
  const findings: string[] = []
  const accuse = (what: string) => {
    if (findings.length < maxFindings) findings.push(what)
  }
  const provider = await startSpoiledProvider(t, accuse)
  const launch = { options: heldMemoryOptions }
  const { gateway } = await startGatewayProcess(t, configuration(provider), {}, launch)
  gateway.drainInto((text) => judgeLog(text, accuse))
  const ends = new Map<string, number>()
  let next = first
  let warmBytes = 0
  const work = async (connection: ClientConnection) => {
    const mayGoOn = () => !isOver() && gateway.ending() === undefined && findings.length < maxFindings
    while (next < first + count && mayGoOn()) {
      const index = next++
      if (index === first + warmUpCount) warmBytes = await heldBytes(gateway)
      const input = makeInput(new Random(seed, index), `spoiled-${index}`)
      provider.plan.set(input.id, input.answer)
      const wire = await connection.call(input.request, { leaves: input.leaves, readsSlowly: false })
      provider.plan.delete(input.id)
      const end = endOf(input, wire)
      if (typeof end !== 'string') accuse(`input ${index} (${input.what}): ${end.fault}`)
      else ends.set(end, (ends.get(end) ?? 0) + 1)
    }
    connection.close()
  }
  const lanes = Array.from({ length: laneCount }, () => new ClientConnection(gateway.url, deadlineMs))
  await Promise.all(lanes.map((lane) => work(lane)))
  const endBytes = gateway.ending() === undefined ? await heldBytes(gateway) : 0
  if (warmBytes > 0 && endBytes - warmBytes > maxGrowthBytes)
    accuse(`the memory that is held grew from ${warmBytes} to ${endBytes} bytes`)
  await judgeEnd(gateway, accuse)
  return { findings, made: next - first, ends, warmBytes, endBytes }
}

async function heldBytes(gateway: GatewayProcess): Promise<number> {
  const { heapUsed, external } = await heldMemory(gateway)
  return heapUsed + external
}

function judgeLog(text: string, accuse: (what: string) => void): void {
  for (const line of text.split('\n')) {
    if (line.includes('"internal_error"')) accuse(`the log has ${line.slice(0, 2000)}`)
  }
}

async function judgeEnd(gateway: GatewayProcess, accuse: (what: string) => void): Promise<void> {
  if (gateway.ending() !== undefined) {
    accuse(`the gateway ended (${gateway.ending()}): ${gateway.stderr().slice(-3000)}`)
    return
  }
  let log = ''
  gateway.drainInto((text) => (log += text))
  const ending = await gateway.stop().catch(() => 'not at all')
  judgeLog(log, accuse)
  if (ending !== 0) accuse(`SIGTERM ended it with ${ending}`)
  if (!log.includes('"open_calls":0')) accuse(`calls were left open: ${log.slice(0, 1000)}`)
  if (gateway.stderr() !== '') accuse(`it wrote to standard error: ${gateway.stderr().slice(-3000)}`)
}

// ── Inputs ────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Input {
  readonly id: string
  /** For findings: what is spoiled, and of which vectors. */
  readonly what: string
  readonly dialect: Conversation
  readonly isStream: boolean
  readonly request: Buffer
  readonly answer: PlannedAnswer
  readonly leaves: { readonly afterMs: number; readonly how: 'close' | 'reset' } | undefined
}

const streamed = vectors.filter(({ file }) => file('response.sse') !== undefined)
const whole = vectors.filter(({ file }) => file('response.json') !== undefined)
const refusing = vectors.filter(({ file }) => file('error.json') !== undefined)
/** Vectors whose requests a translation takes, by the provider's format. */
const takenBy = Map.groupBy(
  vectors.filter(({ file, traits }) => file('refused.json') === undefined && traits === undefined),
  (vector) => providerOf(vector).name,
)

function makeInput(random: Random, id: string): Input {
  const spoilt = random.pick(['stream', 'stream', 'stream', 'body', 'request', 'request', 'request'] as const)
  const source = random.pick(spoilt === 'body' ? [...whole, ...refusing] : streamed)
  const format = providerOf(source).name
  const taken = spoilt === 'request' ? vectors : takenBy.get(format)!
  const asking = random.has(0.3) && spoilt !== 'request' ? source : random.pick(taken)
  const model = providerOf(asking).name
  const isStream = random.has(0.7)
  const whole200 = { ...(JSON.parse(asking.file('request.json')!) as object), model, stream: isStream }
  const text = JSON.stringify(whole200)
  const body = spoilt === 'request' ? spoiler.body(text, random) : Buffer.from(text)
  const dialect = asking.dialect as Conversation
  return {
    id,
    what: `${spoilt} of ${source.name} for ${asking.name}`,
    dialect,
    isStream,
    request: rawRequest(`POST ${paths[dialect]}`, { 'x-request-id': id }, body),
    answer: answerOf(spoilt, source, random),
    leaves: random.has(0.03)
      ? { afterMs: random.below(20), how: random.pick(['close', 'reset']) }
      : undefined,
  }
}

function answerOf(spoilt: 'stream' | 'body' | 'request', source: Vector, random: Random): PlannedAnswer {
  const isError = source.file('error.json') !== undefined
  if (spoilt === 'body') {
    const { status, body } = isError ? errorOf(source) : { status: 200, body: source.file('response.json')! }
    const pieces = [spoiler.body(body, random)]
    return { status, type: 'application/json', pieces, end: random.has(0.05) ? 'reset' : 'end' }
  }
  const text = source.file('response.sse')!
  const bytes = spoilt === 'stream' ? spoiler.stream(text, random) : Buffer.from(text)
  const end = spoilt === 'stream' && random.has(0.1) ? random.pick(['reset', 'silence'] as const) : 'end'
  return { status: 200, type: 'text/event-stream', pieces: cut(bytes, random), end }
}

function cut(bytes: Buffer, random: Random): Buffer[] {
  const bounds = Array.from({ length: random.below(4) }, () => random.below(bytes.length + 1))
  const sorted = [0, ...bounds.toSorted((one, other) => one - other), bytes.length]
  return sorted.slice(1).map((bound, at) => bytes.subarray(sorted[at], bound))
}

// ── Judgement ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** @returns how the response has ended, for a count. */
function endOf(input: Input, { ending, message }: Wire): string | { readonly fault: string } {
  if (ending === 'left') return 'left'
  if (ending !== 'answered' || message === undefined)
    return { fault: `the gateway's end: ${ending}, ${message?.body().toString().slice(-600)}` }
  const status = Number(message.startLine.split(' ')[1])
  const body = message.body()
  try {
    return endOfAnswer(input, { status, body, type: message.header('content-type') ?? '' })
  } catch (error) {
    return { fault: `${String(error)}: ${status} ${body.toString()}` }
  }
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: Buffer
}

function endOfAnswer(
  { dialect }: Input,
  { status, type, body }: Answer,
): string | { readonly fault: string } {
  if (status !== 200) {
    const { code, type: errorType } = readErrorBody(dialect, body)
    if (status >= 500 && code === 'internal_error') return { fault: body.toString() }
    return `${status} ${dialect === 'messages' ? errorType : code}`
  }
  // A spoiled request may want something else than its vector.
  if (!type.startsWith('text/event-stream')) {
    readWhole(dialect, body)
    return `${dialect} whole`
  }
  const { end } = readStream(dialect, withoutEarlyPings(body.toString()))
  if (end === 'none') return { fault: `a stream without an end: ${body.toString()}` }
  return `${dialect} ${end === 'whole' ? 'streamed' : 'broken'}`
}

/** Before the first event of a response. */
function withoutEarlyPings(text: string): string {
  return text.replace(/^(?:event: ping\ndata: \{"type":"ping"\}\n\n|: ping\n)+/, '')
}
