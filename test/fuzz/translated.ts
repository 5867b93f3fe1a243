// Sends spoiled requests, streams and bodies of the conversation formats through a running gateway that translates them, and
// reports what its clients must not get.
import { ClientConnection, type Wire } from '../chaos/client-connection.ts'
import {
  type ClientFormat,
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
/** A leak of 400 bytes per input is as much; code that is compiled late and calls under way take up to 6 MiB. */
const maxGrowthBytes = 10 * 1024 * 1024
const maxFindings = 20

const paths: Readonly<Record<ClientFormat, string>> = {
  chat: '/v1/chat/completions',
  messages: '/v1/messages',
  ollama_chat: '/api/chat',
  ollama_generate: '/api/generate',
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
  // The first reading lets go of what the start has left.
  await heldBytes(gateway)
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
  readonly dialect: ClientFormat
  /** `reshaped`: a response in the client's format and the other form, whose members stay as the provider wrote them. */
  readonly kind: 'translated' | 'reshaped' | 'counted'
  /** Undefined: either is right. */
  readonly isStream: boolean | undefined
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

const requestOf = (vector: Vector) => JSON.parse(vector.file('request.json')!) as object
const turns = [{ role: 'user', content: 'hello' }]

function makeInput(random: Random, id: string): Input {
  const spoilt = random.pick(['stream', 'stream', 'stream', 'body', 'request', 'request', 'request'] as const)
  const source = random.pick(spoilt === 'body' ? [...whole, ...refusing] : streamed)
  const leaves = random.has(0.03)
    ? { afterMs: random.below(20), how: random.pick(['close', 'reset'] as const) }
    : undefined
  const common = { id, answer: answerOf(spoilt, source, random), leaves }
  const format = providerOf(source).name as Conversation
  if (spoilt !== 'request' && random.has(0.1)) {
    // In the provider's own format, in the other form than the provider sends.
    const isStream = spoilt === 'body'
    const asked = { model: format, max_tokens: 64, messages: turns, stream: isStream }
    const request = sent(id, paths[format], JSON.stringify(asked))
    return {
      ...common,
      what: `${spoilt} of ${source.name}, reshaped`,
      kind: 'reshaped',
      dialect: format,
      isStream,
      request,
    }
  }
  const taken = spoilt === 'request' ? vectors : takenBy.get(format)!
  const asking = random.has(0.3) && spoilt !== 'request' ? source : random.pick(taken)
  const isStream = random.has(0.7)
  const dialect = asking.dialect as ClientFormat
  const asked = JSON.stringify({ ...requestOf(asking), model: providerOf(asking).name, stream: isStream })
  const isCount = spoilt === 'request' && dialect === 'messages' && random.has(0.1)
  const path = isCount ? '/v1/messages/count_tokens' : paths[dialect]
  return {
    ...common,
    what: `${spoilt} of ${source.name} for ${asking.name}`,
    dialect,
    kind: isCount ? 'counted' : 'translated',
    // A spoiled request may want the other form.
    isStream: spoilt === 'request' ? undefined : isStream,
    request: sent(id, path, spoilt === 'request' ? spoiler.body(asked, random) : asked),
  }
}

function sent(id: string, path: string, body: Buffer | string): Buffer {
  return rawRequest(`POST ${path}`, { 'x-request-id': id }, body)
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
    const type = message.header('content-type') ?? ''
    return endOfAnswer(input, { status, body, type, ownCode: message.header('x-llm-gateway-error') })
  } catch (error) {
    return { fault: `${String(error)}: ${status} ${body.toString()}` }
  }
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: Buffer
  /** Of an error of the gateway. */
  readonly ownCode: string | undefined
}

function endOfAnswer(
  { dialect, isStream, kind }: Input,
  { status, type, body, ownCode }: Answer,
): string | { readonly fault: string } {
  if (status !== 200) {
    if (kind === 'reshaped' && ownCode === undefined) return `${status} reshaped`
    const { code, type: errorType } = readErrorBody(dialect, body)
    if (ownCode === 'internal_error') return { fault: body.toString() }
    return `${status} ${dialect === 'messages' ? errorType : code}`
  }
  if (kind === 'counted') {
    const { input_tokens: tokens } = JSON.parse(body.toString()) as { input_tokens?: unknown }
    return Number.isSafeInteger(tokens) ? 'counted' : { fault: `no count: ${body.toString()}` }
  }
  const isEvents = type.startsWith('text/event-stream') || type === 'application/x-ndjson'
  if (isStream !== undefined && isEvents !== isStream) return { fault: `a 200 of type ${type}` }
  if (kind === 'reshaped') return endOfReshaped(dialect as Conversation, isEvents, body.toString())
  if (!isEvents) {
    readWhole(dialect, body)
    return `${dialect} whole`
  }
  const { end } = readStream(dialect, withoutEarlyPings(body.toString()))
  if (end === 'none') return { fault: `a stream without an end: ${body.toString()}` }
  return `${dialect} ${end === 'whole' ? 'streamed' : 'broken'}`
}

const endEvents: Readonly<Record<Conversation, RegExp>> = {
  chat: /(?:^|\n)data: (?:\[DONE\]|\{"error":[^\n]*)\n\n$/,
  messages: /(?:^|\n)event: (?:message_stop|error)\ndata: [^\n]*\n\n$/,
  response: /(?:^|\n)event: response\.(?:completed|incomplete|failed)\ndata: [^\n]*\n\n$/,
}

function endOfReshaped(
  dialect: Conversation,
  isEvents: boolean,
  body: string,
): string | { readonly fault: string } {
  if (!isEvents) return typeof JSON.parse(body) === 'object' ? `${dialect} assembled` : { fault: body }
  return endEvents[dialect].test(body) ? `${dialect} split` : { fault: `a stream without an end: ${body}` }
}

/** Before the first event of a response. */
function withoutEarlyPings(text: string): string {
  return text.replace(/^(?: +|event: ping\ndata: \{"type":"ping"\}\n\n|: ping\n)+/, '')
}
