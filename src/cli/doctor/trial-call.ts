// Makes one small streamed call, as the gateway would for a client: do events arrive, how does the stream end, does it
// report usage, and how soon does the first byte come?
import { ending as endingOfMessages } from '../../dialects/anthropic/message-stream.ts'
import type { StreamEnding } from '../../dialects/dialect.ts'
import { chatStream } from '../../dialects/openai/chat-stream.ts'
import { StreamTail } from '../../dialects/stream-tail.ts'
import { findUsage } from '../../dialects/openai/usage.ts'
import { newerUsage, type PartialUsage } from '../../dialects/usage.ts'
import { eventData, EventSplitter } from '../../bytes/sse.ts'
import { essenceOf } from '../../http/media-type.ts'
import { parseJson } from '../../bytes/json/parse.ts'
import type { Probe, ProbeOutcome } from '../../upstream/probe.ts'

const maxTrialTokens = 16

/** A response of 16 tokens is far shorter; a longer one shows that the server ignores the cap. */
const maxTrialBytes = 1024 * 1024

/** A format that a provider may be tried in. */
export interface TrialFormat {
  readonly path: string
  readonly ending: (tail: readonly Buffer[]) => StreamEnding
  /** False: usage is reported without being asked for. */
  readonly hasUsageWish: boolean
}

export const trialFormats = {
  chat: { path: '/chat/completions', ending: chatStream.ending, hasUsageWish: true },
  messages: { path: '/messages', ending: endingOfMessages, hasUsageWish: false },
} as const satisfies Readonly<Record<string, TrialFormat>>

export interface TrialOptions {
  readonly format: TrialFormat
  readonly model: string
  readonly asksUsage: boolean
  readonly timeoutMs: number
  readonly now: () => number
}

export interface Trial {
  readonly outcome: ProbeOutcome
  /** Undefined when the response was not an event stream. */
  readonly stream: ReadStream | undefined
  /** From the request to the first byte of the body; undefined when none came. */
  readonly firstByteMs: number | undefined
  /** False when usage was not requested, or the provider refused the request for it. */
  readonly askedUsage: boolean
}

interface ReadStream {
  readonly events: number
  readonly ending: 'complete' | 'error' | 'cut'
  /** The data of the error event; empty without one. */
  readonly errorData: string
  readonly usage: PartialUsage | undefined
}

/** Retries without a parameter that some providers refuse; a refused request costs nothing. */
export async function tryCall(probe: Probe, options: TrialOptions): Promise<Trial> {
  let cap = 'max_tokens'
  let asksUsage = options.asksUsage && options.format.hasUsageWish
  for (let attempt = 1; ; attempt++) {
    const trial = await callOnce(probe, options, requestBody(options.model, cap, asksUsage))
    const refusal = refusalText(trial.outcome)
    if (attempt < 3 && cap === 'max_tokens' && refusal.includes('max_completion_tokens')) {
      // OpenAI's reasoning models use another name for the cap.
      cap = 'max_completion_tokens'
    } else if (attempt < 3 && asksUsage && refusal.includes('stream_options')) {
      asksUsage = false
    } else {
      return { ...trial, askedUsage: asksUsage || !options.format.hasUsageWish }
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
  { format, timeoutMs, now }: TrialOptions,
  body: string,
): Promise<Omit<Trial, 'askedUsage'>> {
  const startedAtMs = now()
  let firstByteMs: number | undefined
  const outcome = await probe.send({
    path: format.path,
    body: Buffer.from(body),
    timeoutMs,
    maxBytes: maxTrialBytes,
    onData() {
      firstByteMs ??= now() - startedAtMs
      return true
    },
  })
  const isStream =
    outcome.kind !== 'failed' &&
    outcome.head.status === 200 &&
    essenceOf(outcome.head.headers['content-type']) === 'text/event-stream'
  return { outcome, firstByteMs, stream: isStream ? readStream(outcome.body, format) : undefined }
}

function readStream(body: Buffer, format: TrialFormat): ReadStream {
  let events = 0
  let usage: PartialUsage | undefined
  let lastError = ''
  const tail = new StreamTail()
  const splitter = new EventSplitter()
  const event = (bytes: Buffer) => {
    const data = eventData(bytes)
    if (data === undefined) return
    events += 1
    const counted = findUsage(parseJson(data))
    if (counted !== undefined) usage = newerUsage(usage, counted)
    if (data.includes('rror')) lastError = data.toString()
    tail.push(bytes)
  }
  const sink = { event, overflow: () => {} }
  splitter.push(body, sink)
  const rest = splitter.end(sink)
  // Some servers omit the last blank line.
  if (rest !== undefined) event(rest)
  const found = format.ending(tail.events)
  const ending = found === 'over' ? 'complete' : found
  return { events, ending, errorData: ending === 'error' ? lastError : '', usage }
}
