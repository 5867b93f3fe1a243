// OpenAI's wire formats, sorted by path. https://platform.openai.com/docs/api-reference
import { essenceOf } from '../../http/media-type.ts'
import type { BodyKind, ClientDialect, ProviderDialect } from '../dialect.ts'
import { serverWishes } from '../management.ts'
import { judgeWholeResponse } from '../whole-response.ts'
import { chatStream, isEndMark, type StreamFormat } from './chat-stream.ts'
import { standardEvent } from './error-event.ts'
import { errorHeadOf, readErrorCode, readErrorFields, renderError } from './errors.ts'
import { mayRefuseUsage } from './include-usage.ts'
import { type JsonFormat, jsonScannerOf, readJsonRequest } from './json-request.ts'
import { readMultipartRequest } from './multipart-request.ts'
import { rateHeaders } from './rate-headers.ts'
import { carriesRequestHeader, carriesResponseHeader } from './response-headers.ts'
import { responseStream } from './response-stream.ts'
import { typedStream } from './typed-stream.ts'
import { usageReader } from './usage.ts'

interface Format {
  readonly name: string
  readonly path: string
  readonly bodies: readonly BodyKind[]
  readonly stream: StreamFormat
  /** Absent: false. */
  readonly isStreamable?: boolean
  readonly hasStreamOptions?: boolean
  readonly hasOutputTokens?: boolean
  /** Absent: true. */
  readonly isPaidByTokens?: boolean
  /** Whether an empty text is a valid response: a transcript of silence. */
  readonly mayBeEmpty?: boolean
  /** The list that a whole response has; absent where there is none. */
  readonly outputMember?: string
  /** Absent: true. */
  readonly hasEvents?: boolean
  /** Absent: none. */
  readonly carried?: Pick<ClientDialect, 'carriesRequestHeader' | 'carriesResponseHeader'>
  readonly stored?: JsonFormat['stored']
  readonly withoutRoute?: string
}

const speechStream = typedStream({ finalTypes: new Set(['speech.audio.done']) })
/** Speaches streams segments, or text alone (https://github.com/speaches-ai/speaches). */
const transcriptStream = typedStream({ finalTypes: new Set(['transcript.text.done']), mayBeUntyped: true })
const imageStream = typedStream({
  finalTypes: new Set(['image_generation.completed', 'image_edit.completed']),
})
const transcript = {
  bodies: ['multipart'],
  stream: transcriptStream,
  hasOutputTokens: true,
  isPaidByTokens: false,
  mayBeEmpty: true,
} as const
const written = {
  bodies: ['json'],
  stream: chatStream,
  hasOutputTokens: true,
  hasStreamOptions: true,
  isStreamable: true,
  outputMember: 'choices',
} as const
const image = { stream: imageStream, isPaidByTokens: false, outputMember: 'data' } as const

const formats: readonly Format[] = [
  {
    name: 'speech',
    path: '/audio/speech',
    bodies: ['json'],
    stream: speechStream,
    hasEvents: false,
    isPaidByTokens: false,
  },
  { ...transcript, name: 'transcription', path: '/audio/transcriptions' },
  { ...transcript, name: 'translation', path: '/audio/translations' },
  {
    ...written,
    name: 'chat',
    path: '/chat/completions',
    stored: { as: 'chat_completion', byDefault: false },
  },
  { ...written, name: 'completion', path: '/completions' },
  { name: 'embedding', path: '/embeddings', bodies: ['json'], stream: chatStream, outputMember: 'data' },
  { ...image, name: 'image_edit', path: '/images/edits', bodies: ['multipart', 'json'] },
  { ...image, name: 'image', path: '/images/generations', bodies: ['json'] },
  { ...image, name: 'image_variation', path: '/images/variations', bodies: ['multipart'] },
  {
    name: 'moderation',
    path: '/moderations',
    bodies: ['json'],
    stream: chatStream,
    outputMember: 'results',
    isPaidByTokens: false,
  },
  { name: 'rerank', path: '/rerank', bodies: ['json'], stream: chatStream, isPaidByTokens: false },
  {
    name: 'response',
    path: '/responses',
    bodies: ['json'],
    stream: responseStream,
    hasOutputTokens: true,
    isStreamable: true,
    outputMember: 'output',
    carried: { carriesRequestHeader, carriesResponseHeader },
    stored: { as: 'response', byDefault: true },
  },
  {
    name: 'compaction',
    path: '/responses/compact',
    bodies: ['json'],
    stream: responseStream,
    hasOutputTokens: true,
    hasEvents: false,
    outputMember: 'output',
    carried: { carriesRequestHeader, carriesResponseHeader },
    withoutRoute: 'Ask for a summary with a normal call, as Codex does with a provider of its own.',
  },
]

export const openAiDialects: readonly ClientDialect[] = formats.map(clientDialectOf)

function clientDialectOf(format: Format): ClientDialect {
  const { name, path, bodies, stream } = format
  const {
    isStreamable = false,
    hasStreamOptions = false,
    hasOutputTokens = false,
    hasEvents = true,
    stored,
  } = format
  const { isPaidByTokens = true } = format
  return {
    name,
    path,
    bodies,
    hasEvents,
    hasOutputTokens,
    isPaidByTokens,
    native: providerDialectOf(format),
    scannerOf: (contentType, bytes) => (isMultipart(contentType) ? undefined : jsonScannerOf(bytes)),
    readRequest: (received, defaultModel) =>
      isMultipart(received.contentType)
        ? readMultipartRequest(hasOutputTokens, received, defaultModel)
        : readJsonRequest(
            { isStreamable, hasStreamOptions, hasOutputTokens, stored, wishesOf: serverWishes },
            received,
            defaultModel,
          ),
    renderError,
    ownEvents: stream.ownEvents,
    rateHeaders,
    ...format.carried,
  }
}

function isMultipart(contentType: string | undefined): boolean {
  return essenceOf(contentType) === 'multipart/form-data'
}

function providerDialectOf({
  name,
  path,
  stream,
  mayBeEmpty = false,
  outputMember,
  withoutRoute,
}: Format): ProviderDialect {
  return {
    name,
    path,
    ...(withoutRoute !== undefined && { withoutRoute }),
    isEndMark,
    isPreamble: stream.isPreamble,
    standardEvent,
    errorHeadOf,
    judgeWhole: (head, body) => judgeWholeResponse(head, body, { mayBeEmpty, errorHeadOf, outputMember }),
    ending: stream.ending,
    readErrorFields,
    readErrorCode,
    usage: { ...usageReader, textBytes: stream.textBytes },
    mayRefuseUsage,
  }
}
