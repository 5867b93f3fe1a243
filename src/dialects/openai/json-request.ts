// A JSON request of OpenAI's API: one scan of its bytes.
import type { RequestSize, Span } from '../../domain.ts'
import { GatewayError } from '../../errors.ts'
import { readJson, readString, scanJson } from '../../bytes/json/scan.ts'
import type { JsonMember, JsonScan } from '../../bytes/json/types.ts'
import { JsonScanner } from '../../bytes/json/scanner.ts'
import { LargeBody } from '../../bytes/large-body.ts'
import { MemberNames } from '../../bytes/json/member-names.ts'
import type { Splice } from '../../bytes/splice.ts'
import type { ReceivedRequest } from '../dialect.ts'
import { bytesOf, checkModel, checkModelName, edited, invalidRequest, type ModelRequest } from '../request.ts'
import { includeUsageSplice } from './include-usage.ts'
import { promptMembers, PromptSize } from './prompt-size.ts'

export interface JsonFormat {
  /** Whether a stream of the format brings all that a whole answer has. Absent: no. */
  readonly isStreamable?: boolean
  /** Whether `stream_options.include_usage` is part of the format. */
  readonly hasStreamOptions: boolean
  readonly hasOutputTokens: boolean
  /** Members that may occur once, in their exact spelling. Absent: those of OpenAI's formats. */
  readonly guarded?: MemberNames
  /** What is wrong with the members beyond what all formats require. Absent: nothing. */
  readonly problemOf?: (members: JsonScan['members']) => GatewayError | undefined
  /** The values with which the prompt begins. Absent: the first of those that OpenAI's formats have. */
  readonly promptStart?: (body: Buffer, members: JsonScan['members']) => readonly Span[]
  /** As what a provider keeps the response, and whether it does so unless `store` is false. Absent: it does not. */
  readonly stored?: { readonly as: 'chat_completion' | 'response'; readonly byDefault: boolean } | undefined
}

/** Providers differ in which of these they apply, so the largest counts. */
const outputCaps = [
  'max_completion_tokens',
  'max_output_tokens',
  'max_tokens',
  'n_predict',
  'num_predict',
] as const

/**
 * Members that decide what a call costs and where it goes. Each may occur once, in its exact spelling, so that the gateway
 * and the provider cannot read them differently.
 */
const guardedMembers = new MemberNames(
  [
    ...outputCaps,
    'background',
    'best_of',
    'input',
    'messages',
    'model',
    'n',
    'prompt',
    'service_tier',
    'store',
    'stream',
    'stream_options',
  ],
  promptMembers,
)

export function jsonScannerOf(bytes: Buffer, guarded = guardedMembers): JsonScanner {
  return new JsonScanner(bytes, guarded, new PromptSize())
}

export function readJsonRequest(
  format: JsonFormat,
  { body: received, model: named }: ReceivedRequest,
  defaultModel?: string,
): ModelRequest | GatewayError {
  const body = bytesOf(received)
  if (body.length === 0) {
    return invalidRequest('The body is empty; a JSON object with a "model" is expected.')
  }
  const scanned = received instanceof LargeBody ? received.scan : undefined
  const outcome = scanned ?? scanJson(body, format.guarded ?? guardedMembers, new PromptSize())
  if (!outcome.ok) {
    return invalidRequest(`Invalid JSON body: ${outcome.problem} (at byte ${outcome.offset}).`, outcome.param)
  }
  const { scan } = outcome
  const member = scan.members.get('model')
  const other = member === undefined ? (named ?? defaultModel) : named
  if (member === undefined && other === undefined) {
    return invalidRequest('The body has no "model".', 'model')
  }
  const inBody = member && checkModel(member.value, () => readString(body, member))
  const model = other === undefined ? inBody! : checkModelName(other)
  if (model instanceof GatewayError) return model
  const problem = format.problemOf?.(scan.members)
  if (problem !== undefined) return problem
  const isStream = scan.members.get('stream')?.kind === 'true'
  const usageSplice = format.hasStreamOptions && isStream ? includeUsageSplice(body, scan) : undefined
  if (usageSplice instanceof GatewayError) return usageSplice
  const size = sizeOf(format, body, scan)
  return {
    model,
    isStream,
    contentType: 'application/json',
    body: received,
    size,
    get promptPrefix() {
      return prefixOf(format, received, scan)
    },
    mayAskUsage: usageSplice !== undefined,
    serviceTier: serviceTierOf(body, scan),
    storedAs: storedAs(format, scan),
    ...(isInBackground(format, scan) && { isInBackground: true }),
    bodyFor(name, asksUsage) {
      const edits: Splice[] = name === inBody ? [] : [modelSplice(name, scan)]
      if (asksUsage && usageSplice !== undefined) edits.push(usageSplice)
      return edited(received, edits)
    },
    streamBodyFor(name, asksProgress) {
      if (isStream || size.choices > 1) return undefined
      if (size.maxOutputTokens !== undefined && size.maxOutputTokens <= maxHeldBackTokens) return undefined
      const edits = streamSplices(format, body, scan, asksProgress)
      if (edits === undefined) return undefined
      return edited(received, name === inBody ? edits : [modelSplice(name, scan), ...edits])
    },
  }
}

function modelSplice(name: string, { members, insertAt, isEmpty }: JsonScan): Splice {
  const member = members.get('model')
  if (member !== undefined) return { at: member.value, bytes: JSON.stringify(name) }
  const at = { start: insertAt, end: insertAt }
  return { at, bytes: `"model":${JSON.stringify(name)}${isEmpty ? '' : ','}` }
}

/**
 * A stream holds back what may be the beginning of a tool call. Where no more than that comes, llama.cpp leaves it out of
 * the stream; and so short an answer ends soon enough by itself.
 */
const maxHeldBackTokens = 8

/** The edits that ask for a stream. Undefined if the answer is more than its stream brings. */
function streamSplices(
  format: JsonFormat,
  body: Buffer,
  scan: JsonScan,
  asksProgress: boolean,
): Splice[] | undefined {
  const { members, insertAt, visitor, isEmpty } = scan
  if (format.isStreamable !== true || isEmpty || isInBackground(format, scan)) return undefined
  if (!(visitor instanceof PromptSize) || visitor.asksDetails) return undefined
  // Several prompts have several answers.
  if (members.get('prompt')?.kind === 'array') return undefined
  const stream = members.get('stream')
  if (stream !== undefined && stream.kind !== 'false' && stream.kind !== 'null') return undefined
  const edits: Splice[] = []
  const inserted = { start: insertAt, end: insertAt }
  edits.push(
    stream === undefined ? { at: inserted, bytes: '"stream":true,' } : { at: stream.value, bytes: 'true' },
  )
  if (asksProgress && format.hasStreamOptions) edits.push({ at: inserted, bytes: '"return_progress":true,' })
  if (!format.hasStreamOptions) return edits
  const options = members.get('stream_options')?.kind
  if (options !== undefined && options !== 'null' && options !== 'object') return undefined
  const usage = includeUsageSplice(body, scan)
  if (usage instanceof GatewayError) return undefined
  return usage === undefined ? edits : [...edits, usage]
}

/** Anthropic has a dearer way of serving besides its tiers: `speed: fast`. */
function serviceTierOf(body: Buffer, { members }: JsonScan): string | undefined {
  const [speed, tier] = [members.get('speed'), members.get('service_tier')]
  if (speed === undefined && tier === undefined) return undefined
  const fast = speed && readString(body, speed)
  return fast === 'fast' ? fast : tier && readString(body, tier)
}

function storedAs({ stored }: JsonFormat, { members }: JsonScan): ModelRequest['storedAs'] {
  const store = members.get('store')?.kind
  const isStored = stored?.byDefault === true ? store !== 'false' : store === 'true'
  return isStored ? stored?.as : undefined
}

/** Only a response can be fetched later. */
function isInBackground({ stored }: JsonFormat, { members }: JsonScan): boolean {
  const kind = stored?.as === 'response' ? members.get('background')?.kind : undefined
  return kind !== undefined && kind !== 'false' && kind !== 'null'
}

/** Short, so that it ends before the messages that a conversation adds; a shorter cached prefix saves nothing. */
const prefixBytes = 512

function prefixOf(
  { promptStart = openAiPromptStart }: JsonFormat,
  received: Buffer | LargeBody,
  { members }: JsonScan,
): Buffer {
  const body = bytesOf(received)
  const parts = promptStart(body, members).map(({ start, end }) =>
    body.subarray(start, Math.min(end, start + prefixBytes)),
  )
  // The memory of a large body is used again.
  return parts.length === 1 && received === body ? parts[0]! : Buffer.concat(parts)
}

function openAiPromptStart(_: Buffer, members: JsonScan['members']): readonly Span[] {
  const prompt = members.get('messages') ?? members.get('input') ?? members.get('prompt')
  return prompt === undefined ? [] : [prompt.value]
}

function sizeOf({ hasOutputTokens }: JsonFormat, body: Buffer, { members, visitor }: JsonScan): RequestSize {
  if (!(visitor instanceof PromptSize)) throw new Error('scanned without counting the prompt')
  const counts = visitor.counts()
  const numberIn = (name: string) => readCount(body, members.get(name))
  const caps = outputCaps.map(numberIn).filter((cap) => cap !== undefined)
  const cap = caps.length === 0 ? undefined : Math.max(...caps)
  return {
    ...counts,
    // The texts of an embedding are not messages, which add tokens of their own.
    messageCount: hasOutputTokens ? counts.messageCount : 0,
    maxOutputTokens: hasOutputTokens ? cap : 0,
    choices: Math.max(1, numberIn('n') ?? 1, numberIn('best_of') ?? 1),
  }
}

/** A whole number from 0 on. null, −1 and values of another kind set no cap; the provider judges them. */
function readCount(body: Buffer, member: JsonMember | undefined): number | undefined {
  if (member?.kind !== 'number') return undefined
  const value = readJson(body, member)
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined
}
