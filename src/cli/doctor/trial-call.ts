// One small streamed chat call, as a client would have it sent: whether events come, how they end, whether usage is
// among them, and when the first byte comes.
import { chatStream } from '../../dialects/openai/chat-stream.ts'
import { tailLength } from '../../dialects/dialect.ts'
import { findUsage } from '../../dialects/openai/usage.ts'
import { newerUsage, type PartialUsage } from '../../dialects/usage.ts'
import { eventData, EventSplitter } from '../../http/sse.ts'
import { parseMediaType } from '../../http/media-type.ts'
import type { Probe, ProbeOutcome } from '../../upstream/probe.ts'

const maxTrialTokens = 16

/** An answer of 16 tokens has far less; whoever sends more has not understood the cap. */
const maxTrialBytes = 1024 * 1024

export interface TrialOptions {
  readonly model: string
  readonly asksUsage: boolean
  readonly timeoutMs: number
  readonly now: () => number
}

export interface Trial {
  readonly outcome: ProbeOutcome
  /** Undefined when what came is no event stream. */
  readonly stream: ReadStream | undefined
  /** Until the first byte of the body; undefined when none came. */
  readonly firstByteMs: number | undefined
  /** False when the provider refused to be asked for usage. */
  readonly askedUsage: boolean
}

interface ReadStream {
  readonly events: number
  readonly ending: 'complete' | 'error' | 'cut'
  /** What the provider says of its error on the stream. */
  readonly errorData: string
  readonly usage: PartialUsage | undefined
}

/** Asks again, for nothing was computed, when the provider refuses a parameter that some do not know. */
export async function tryCall(probe: Probe, options: TrialOptions): Promise<Trial> {
  let [cap, asksUsage] = ['max_tokens', options.asksUsage]
  for (let tries = 1; ; tries++) {
    const trial = await callOnce(probe, options, requestBody(options.model, cap, asksUsage))
    const refusal = refusalText(trial.outcome)
    if (tries < 3 && cap === 'max_tokens' && refusal.includes('max_completion_tokens')) {
      // OpenAI's reasoning models have another name for the cap.
      cap = 'max_completion_tokens'
    } else if (tries < 3 && asksUsage && refusal.includes('stream_options')) {
      asksUsage = false
    } else {
      return { ...trial, askedUsage: asksUsage }
    }
  }
}

function requestBody(model: string, cap: string, asksUsage: boolean): string {
  return JSON.stringify({
    model,
    messages: [{ role: 'user', content: 'Say OK.' }],
    [cap]: maxTrialTokens,
    stream: true,
    ...(asksUsage && { stream_options: { include_usage: true } }),
  })
}

function refusalText(outcome: ProbeOutcome): string {
  const isRefusal = outcome.kind !== 'failed' && (outcome.head.status === 400 || outcome.head.status === 422)
  return isRefusal ? outcome.body.toString() : ''
}

async function callOnce(
  probe: Probe,
  { timeoutMs, now }: TrialOptions,
  body: string,
): Promise<Omit<Trial, 'askedUsage'>> {
  const startedAtMs = now()
  let firstByteMs: number | undefined
  const outcome = await probe.ask({
    path: '/chat/completions',
    body,
    timeoutMs,
    maxBytes: maxTrialBytes,
    onData() {
      firstByteMs ??= now() - startedAtMs
      return true
    },
  })
  const isStream =
    outcome.kind !== 'failed' && outcome.head.status === 200 && mediaTypeOf(outcome) === 'text/event-stream'
  return { outcome, firstByteMs, stream: isStream ? readStream(outcome.body) : undefined }
}

/** Empty without a content type. */
export function mediaTypeOf({ head }: ProbeOutcome): string {
  const value = head?.headers['content-type']
  return (typeof value === 'string' ? parseMediaType(value)?.essence : undefined) ?? ''
}

function readStream(body: Buffer): ReadStream {
  const datas: Buffer[] = []
  const tail: Buffer[] = []
  const splitter = new EventSplitter()
  const event = (bytes: Buffer) => {
    const data = eventData(bytes)
    if (data === undefined) return
    datas.push(data)
    tail.push(bytes)
    if (tail.length > tailLength) tail.shift()
  }
  const sink = { event, overflow: () => {} }
  splitter.push(body, sink)
  const rest = splitter.end(sink)
  // Some servers forget the last blank line.
  if (rest !== undefined) event(rest)
  let usage: PartialUsage | undefined
  for (const data of datas) {
    const found = findUsage(parse(data))
    if (found !== undefined) usage = newerUsage(usage, found)
  }
  const ending = chatStream.ending(tail)
  const errorData =
    ending === 'error' ? (datas.findLast((data) => data.includes('rror')) ?? '').toString() : ''
  return { events: datas.length, ending, errorData, usage }
}

function parse(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString())
  } catch {
    return undefined
  }
}
