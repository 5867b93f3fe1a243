// A request as the story needs it: which model, streamed or not, how large, and its bytes for a given target.
// The bytes are the client's own. Only what must change is spliced in: the model's name, and the wish for usage.
import type { RequestSize, Span } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { type JsonMember, type JsonScan, readJson, readString, scanJson } from '../http/json-scan.ts'
import { JsonScanner } from '../http/json-scanner.ts'
import { LargeBody, type SplicedBody } from '../http/large-body.ts'
import { soleParameter } from '../http/media-type.ts'
import { MemberNames } from '../http/member-names.ts'
import { readField, scanMultipart } from '../http/multipart-scan.ts'
import { splice, type Splice, spliceParts } from '../http/splice.ts'
import type { Dialect } from './dialect.ts'
import { usageSplice } from './usage-wish.ts'

export interface ModelRequest {
  /** As the client wrote it: a model, an alias or a name that a wildcard covers. */
  readonly model: string
  readonly isStream: boolean
  readonly contentType: string
  readonly size: RequestSize
  /** The first bytes of the prompt: the same for every turn of a conversation. */
  readonly promptPrefix: Buffer
  /** Whether the provider can be asked for usage on this stream, which the client did not ask for by itself. */
  readonly mayAskUsage: boolean
  /**
   * The identical buffer when nothing must change. A large body comes in parts, which are valid until the call ends.
   * @param providerModel replaces the model's name.
   * @param asksUsage adds `stream_options.include_usage`; only where `mayAskUsage`.
   */
  bodyFor(providerModel: string, asksUsage: boolean): Buffer | SplicedBody
}

/** Longer names are no names; they would only fill the log. */
const maxModelNameLength = 256
/** Of a name of that length as JSON, if all of it are escapes. What is longer need not be decoded. */
const maxModelBytes = maxModelNameLength * 6 + 2

/** Providers differ in which of these they follow, so the largest counts. */
const outputCaps = [
  'max_completion_tokens',
  'max_output_tokens',
  'max_tokens',
  'n_predict',
  'num_predict',
] as const

/**
 * Members that decide what a call costs and where it goes. Each may stand once and in its own spelling only, so that
 * the gateway and the provider can't read them differently.
 */
const guardedMembers = new MemberNames([
  ...outputCaps,
  'best_of',
  'input',
  'messages',
  'model',
  'n',
  'prompt',
  'stream',
  'stream_options',
])

/** Scans a large JSON body as it arrives; `readRequest` wants to know then what it found. */
export function scannerOf(dialect: Dialect, bytes: Buffer): JsonScanner | undefined {
  return dialect.body === 'json' ? new JsonScanner(bytes, guardedMembers) : undefined
}

/** @throws GatewayError `invalid_request`, naming what is wrong and where. */
export function readRequest(
  dialect: Dialect,
  contentType: string | undefined,
  body: Buffer | LargeBody,
): ModelRequest {
  return dialect.body === 'json'
    ? readJsonRequest(dialect, body)
    : readMultipartRequest(dialect, contentType, body)
}

function readJsonRequest(dialect: Dialect, received: Buffer | LargeBody): ModelRequest {
  const body = bytesOf(received)
  if (body.length === 0) throw invalid('The body is empty; a JSON object with a "model" is expected.')
  const scanned = received instanceof LargeBody ? received.scan : undefined
  const outcome = scanned ?? scanJson(body, guardedMembers)
  if (!outcome.ok) {
    throw invalid(`The body can't be taken: ${outcome.problem} (at byte ${outcome.offset}).`, outcome.param)
  }
  const { scan } = outcome
  const member = scan.members.get('model')
  if (member === undefined) throw invalid('The body has no "model".', 'model')
  if (sizeOfSpan(member.value) > maxModelBytes) throw modelTooLong()
  const model = checkModel(readString(body, member))
  const isStream = scan.members.get('stream')?.kind === 'true'
  const wish = dialect.hasStreamOptions && isStream ? usageSplice(body, scan) : undefined
  return {
    model,
    isStream,
    contentType: 'application/json',
    size: sizeOf(dialect, body, scan),
    promptPrefix: received instanceof LargeBody ? Buffer.from(prefixOf(body, scan)) : prefixOf(body, scan),
    mayAskUsage: wish !== undefined,
    bodyFor(name, asksUsage) {
      const edits: Splice[] = name === model ? [] : [{ at: member.value, bytes: JSON.stringify(name) }]
      if (asksUsage && wish !== undefined) edits.push(wish)
      return edited(received, edits)
    },
  }
}

/** Short, so that a conversation's own turns soon lie behind it; a cache for less is worth nothing. */
const prefixBytes = 512

function prefixOf(body: Buffer, { members }: JsonScan): Buffer {
  const prompt = members.get('messages') ?? members.get('input') ?? members.get('prompt')
  if (prompt === undefined) return Buffer.alloc(0)
  const { start, end } = prompt.value
  return body.subarray(start, Math.min(end, start + prefixBytes))
}

function sizeOf(dialect: Dialect, body: Buffer, scan: JsonScan): RequestSize {
  const { textBytes, mediaCount, messageCount, tokenIdCount, promptCount } = scan
  const numberIn = (name: string) => readCount(body, scan.members.get(name))
  const caps = outputCaps.map(numberIn).filter((cap) => cap !== undefined)
  const cap = caps.length === 0 ? undefined : Math.max(...caps)
  return {
    textBytes,
    mediaCount,
    // The texts of an embedding are no messages, which bring tokens of their own.
    messageCount: dialect.hasOutputTokens ? messageCount : 0,
    tokenIdCount,
    promptCount,
    maxOutputTokens: dialect.hasOutputTokens ? cap : 0,
    choices: Math.max(1, numberIn('n') ?? 1, numberIn('best_of') ?? 1),
  }
}

/** A whole number from 0 on. null, −1 and what is no number set no cap; the provider says what it thinks of them. */
function readCount(body: Buffer, member: JsonMember | undefined): number | undefined {
  if (member?.kind !== 'number') return undefined
  const value = readJson(body, member)
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined
}

/** Of a field that is read as a number or a word. */
const maxWordBytes = 64

/** RFC 2046 §5.1.1. */
const maxBoundaryLength = 70

const guardedFields: ReadonlySet<string> = new Set(['model', 'n', 'prompt', 'stream'])

function readMultipartRequest(
  dialect: Dialect,
  contentType: string | undefined,
  received: Buffer | LargeBody,
): ModelRequest {
  const body = bytesOf(received)
  const boundary = soleParameter(contentType ?? '', 'boundary')
  if (boundary === undefined || boundary.length > maxBoundaryLength) {
    throw invalid(
      'The content-type of a multipart body must have exactly one boundary, of the characters that RFC 2046 allows.',
      'content-type',
    )
  }
  const outcome = scanMultipart(body, boundary, guardedFields)
  if (!outcome.ok) throw invalid(`The multipart body can't be taken: ${outcome.problem}.`, outcome.param)
  const { fields } = outcome.scan
  const field = fields.get('model')
  if (field === undefined) throw invalid('The multipart body has no "model" part.', 'model')
  if (sizeOfSpan(field.value) > maxModelBytes) throw modelTooLong()
  const model = checkModel(readField(body, field))
  const textOf = (name: string) => {
    const part = fields.get(name)
    return part === undefined || sizeOfSpan(part.value) > maxWordBytes ? '' : (readField(body, part) ?? '')
  }
  const prompt = fields.get('prompt')
  return {
    model,
    isStream: textOf('stream') === 'true',
    contentType: `multipart/form-data; boundary="${boundary}"`,
    size: {
      textBytes: prompt === undefined ? 0 : sizeOfSpan(prompt.value),
      mediaCount: 1,
      messageCount: 0,
      tokenIdCount: 0,
      promptCount: 1,
      maxOutputTokens: dialect.hasOutputTokens ? undefined : 0,
      choices: Math.max(1, Number.parseInt(textOf('n'), 10) || 1),
    },
    promptPrefix: Buffer.alloc(0),
    mayAskUsage: false,
    bodyFor: (name) => edited(received, name === model ? [] : [{ at: field.value, bytes: name }]),
  }
}

function sizeOfSpan({ start, end }: Span): number {
  return end - start
}

function bytesOf(body: Buffer | LargeBody): Buffer {
  return body instanceof LargeBody ? body.bytes : body
}

function edited(body: Buffer | LargeBody, edits: readonly Splice[]): Buffer | SplicedBody {
  return body instanceof LargeBody ? { of: body, parts: spliceParts(body.bytes, edits) } : splice(body, edits)
}

function checkModel(model: string | undefined): string {
  if (model === undefined) throw invalid('"model" must be a string of valid Unicode.', 'model')
  if (model === '') throw invalid('"model" is empty.', 'model')
  if (model.length > maxModelNameLength) throw modelTooLong()
  return model
}

function modelTooLong(): GatewayError {
  return invalid(`"model" is longer than the ${maxModelNameLength} characters that are allowed.`, 'model')
}

function invalid(message: string, param?: string): GatewayError {
  return new GatewayError('invalid_request', message, param === undefined ? {} : { param })
}
