// The mix of calls, and the gateway that they go to. Each kind of call says how it must end: anything else is a fault.
import { formats } from '../gateways/formats.ts'
import type { Place } from '../gateways/contender.ts'
import type { Calls } from '../gateways/tasks.ts'
import type { Addressing, Format, Script } from '../gateways/wire.ts'

/** One kind of call. */
export interface Kind {
  readonly name: string
  /** How many of a cycle. */
  readonly weight: number
  readonly calls: Calls
  /** The statuses that it may end with, whatever the answer says; absent: 200 and the right answer. */
  readonly statuses?: readonly number[]
  /** The client leaves after so many events of its stream; 0: as soon as the call is sent. Absent: it stays. */
  readonly leavesAfter?: number
  /** Whether it counts for the latency: the upstream answers it at once, and nothing else is in its way. */
  readonly isTimed: boolean
}

const plain: Script = { kind: 'plain' }
const short: Script = { kind: 'stream', events: 20, gapMs: 5 }
const long: Script = { kind: 'stream', events: 80, gapMs: 25 }

/** Requests in any minute that the model `limited` takes: the others of its calls are refused. */
const limitedRpm = 60

interface Row {
  readonly name: string
  readonly weight: number
  readonly format: Format
  readonly model: string
  readonly script: Script
  readonly statuses?: readonly number[]
  readonly leavesAfter?: number
}

/** `bench` is at a provider that speaks chat, `native` at one that speaks Messages and Responses, `ollama` at an Ollama. */
const rows: readonly Row[] = [
  { name: 'chat', weight: 24, format: 'chat', model: 'bench', script: plain },
  { name: 'chat, streamed', weight: 24, format: 'chat', model: 'bench', script: short },
  { name: 'chat, long stream', weight: 2, format: 'chat', model: 'bench', script: long },
  { name: 'chat to Messages', weight: 4, format: 'chat', model: 'native', script: plain },
  { name: 'chat to Messages, streamed', weight: 4, format: 'chat', model: 'native', script: short },
  { name: 'completions', weight: 3, format: 'completions', model: 'bench', script: plain },
  { name: 'completions, streamed', weight: 3, format: 'completions', model: 'bench', script: short },
  { name: 'Messages', weight: 6, format: 'messages', model: 'native', script: plain },
  { name: 'Messages, streamed', weight: 8, format: 'messages', model: 'native', script: short },
  { name: 'Messages to chat', weight: 6, format: 'messages', model: 'bench', script: plain },
  { name: 'Messages to chat, streamed', weight: 8, format: 'messages', model: 'bench', script: short },
  { name: 'Responses', weight: 3, format: 'responses', model: 'native', script: plain },
  { name: 'Responses, streamed', weight: 5, format: 'responses', model: 'native', script: short },
  { name: 'Responses to chat', weight: 3, format: 'responses', model: 'bench', script: plain },
  { name: 'Responses to chat, streamed', weight: 5, format: 'responses', model: 'bench', script: short },
  { name: 'embeddings', weight: 6, format: 'embeddings', model: 'bench', script: plain },
  { name: 'Ollama', weight: 2, format: 'ollama_chat', model: 'ollama', script: plain },
  { name: 'Ollama, streamed', weight: 2, format: 'ollama_chat', model: 'ollama', script: short },
  { name: 'Ollama to chat', weight: 2, format: 'ollama_chat', model: 'bench', script: plain },
  { name: 'Ollama to chat, streamed', weight: 3, format: 'ollama_chat', model: 'bench', script: short },
  {
    name: 'chat, client disconnects at once',
    weight: 2,
    format: 'chat',
    model: 'bench',
    script: { kind: 'late', delayMs: 60 },
    leavesAfter: 0,
  },
  {
    name: 'chat, client disconnects in the stream',
    weight: 3,
    format: 'chat',
    model: 'bench',
    script: long,
    leavesAfter: 5,
  },
  {
    name: 'Messages to chat, client disconnects in the stream',
    weight: 2,
    format: 'messages',
    model: 'bench',
    script: long,
    leavesAfter: 5,
  },
  // What has failed may be refused for a while without another try.
  {
    name: 'provider fails',
    weight: 1,
    format: 'chat',
    model: 'failing',
    script: { kind: 'refuse', status: 500 },
    statuses: [500, 502, 503],
  },
  {
    name: 'provider refuses',
    weight: 2,
    format: 'messages',
    model: 'refusing',
    script: { kind: 'refuse', status: 400 },
    statuses: [400],
  },
  {
    name: 'provider is at its limit',
    weight: 1,
    format: 'chat',
    model: 'throttled',
    script: { kind: 'refuse', status: 429 },
    statuses: [429, 503],
  },
  {
    name: 'over the limit',
    weight: 3,
    format: 'chat',
    model: 'limited',
    script: plain,
    statuses: [200, 429],
  },
  {
    name: 'unknown model',
    weight: 2,
    format: 'responses',
    model: 'no-such-model',
    script: plain,
    statuses: [404],
  },
]

/** @param address of the gateway; the path is that of each format */
export function mixAt(address: Addressing): readonly Kind[] {
  return rows.map(({ name, weight, format, model, script, statuses, leavesAfter }) => ({
    name,
    weight,
    calls: {
      address: { ...address, path: formats[format].path },
      models: [model],
      script,
      bulkBytes: 0,
      format,
    },
    ...(statuses && { statuses }),
    ...(leavesAfter !== undefined && { leavesAfter }),
    isTimed: statuses === undefined && leavesAfter === undefined && script.kind === 'plain',
  }))
}

/** The numbers of the kinds, each as often as its weight says: a cycle, in order. */
export function cycleOf(mix: readonly Pick<Kind, 'weight'>[]): number[] {
  return mix.flatMap(({ weight }, index) => Array.from({ length: weight }, () => index))
}

/** Every default on, and limits that count everything and refuse nothing but `limited`. */
export function soakConfig({ port, upstreamPort }: Place): string {
  const root = `http://127.0.0.1:${upstreamPort}`
  const base_url = `${root}/v1`
  const [rpm, tpm] = [10_000_000, 1_000_000_000_000]
  const chat = { base_url, speaks: ['chat'] }
  return JSON.stringify({
    server: { hosts: ['127.0.0.1'], port, shutdown_grace_ms: 1000 },
    rate_limit_settings: {
      per_client: { rpm },
      default: { rpm, tpm },
      limits: { limited: { rpm: limitedRpm, tpm } },
    },
    providers: {
      scripted: chat,
      native: { base_url, speaks: ['messages', 'responses'] },
      ollama: { base_url, kind: 'ollama' },
      failing: chat,
      refusing: chat,
      throttled: chat,
    },
    models: {
      bench: { provider: 'scripted', price: { input: 1, output: 4 } },
      native: { provider: 'native', price: { input: 3, output: 15 } },
      ollama: { provider: 'ollama' },
      limited: { provider: 'scripted' },
      failing: { provider: 'failing' },
      refusing: { provider: 'refusing' },
      throttled: { provider: 'throttled' },
    },
  })
}
