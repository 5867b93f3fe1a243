// The calls of a run: what each asks for and how its client behaves, by the seed alone.
import { rawRequest } from '../support/raw-client.ts'
import type { Conversation } from '../dialects/translate/client-rules.ts'
import { Random } from '../support/random.ts'

export interface PlannedCall {
  /** Goes out as `x-request-id`. */
  readonly id: string
  readonly model: string
  /** The format of its request and of all that it gets. */
  readonly dialect: Conversation
  /** It asks for the number of a prompt's tokens, in Messages. */
  readonly isCount: boolean
  readonly isStream: boolean
  /** Whether the client asks for the event with the usage, which chat has. */
  readonly wantsUsage: boolean
  /** Undefined: it stays. */
  readonly leaves: { readonly afterMs: number; readonly how: 'close' | 'reset' } | undefined
  readonly readsSlowly: boolean
  /** Before the call. */
  readonly pauseMs: number
  /** Above 64 KiB the gateway reads it bit by bit, into memory that it uses again. */
  readonly promptBytes: number
}

/** Responses' shapes are drawn with another seed than all else. */
export const shapeSeed = 1_000_003

const callsPerLane = 100_000

/** Of `callId`: every lane counts its own calls. */
export function indexOf(callId: string): number {
  const [, lane, count] = callId.split('-')
  return Number(lane) * callsPerLane + Number(count)
}

/** Calls that fill the slots of a provider at the end, and are held until they are released. */
export function isProbe(callId: string): boolean {
  return callId.startsWith('probe-')
}

export function planCall(seed: number, lane: number, count: number): PlannedCall {
  const id = `chaos-${lane}-${count}`
  const random = new Random(seed, indexOf(id))
  const isCount = random.has(0.05)
  const dialect = isCount ? 'messages' : random.pick(['chat', 'messages', 'response'] as const)
  const isStream = lane % 2 === 0 && !isCount
  const model = random.pick([
    'steady',
    'steady',
    'queue',
    'queue',
    'queue',
    'free',
    'free',
    'free',
    'free',
    'lonely',
  ])
  return {
    id,
    model,
    dialect,
    isCount,
    isStream,
    wantsUsage: isStream && dialect === 'chat' && random.has(0.2),
    leaves: random.has(0.15)
      ? { afterMs: random.below(random.pick([5, 100, 600])), how: random.pick(['close', 'reset']) }
      : undefined,
    readsSlowly: random.has(0.05),
    pauseMs: random.below(150),
    // The tokens that the queue allows are soon used up by such prompts.
    promptBytes: model !== 'queue' && random.has(0.06) ? random.below(800_000) : 60,
  }
}

/** It names its call all over, so that what is missing or another's shows. */
export function promptOf(callId: string, bytes: number): string {
  return `${callId} says hello. `.repeat(Math.ceil(bytes / callId.length)).slice(0, bytes)
}

/** @param headers besides its id. */
export function requestOf(call: PlannedCall, headers: Readonly<Record<string, string>> = {}): Buffer {
  const path = call.isCount ? '/messages/count_tokens' : paths[call.dialect]
  return rawRequest(`POST /v1${path}`, { 'x-request-id': call.id, ...headers }, JSON.stringify(bodyOf(call)))
}

const paths: Readonly<Record<Conversation, string>> = {
  chat: '/chat/completions',
  messages: '/messages',
  response: '/responses',
}

function bodyOf({ id, model, dialect, isCount, isStream, wantsUsage, promptBytes }: PlannedCall): object {
  const text = promptOf(id, promptBytes)
  const turns = [{ role: 'user', content: text }]
  if (isCount) return { model, messages: turns }
  const common = { model, stream: isStream }
  switch (dialect) {
    case 'chat':
      return { ...common, messages: turns, ...(wantsUsage && { stream_options: { include_usage: true } }) }
    case 'messages':
      return { ...common, max_tokens: 1_000, messages: turns }
    case 'response':
      return { ...common, store: false, input: turns }
    default:
      return dialect satisfies never
  }
}
