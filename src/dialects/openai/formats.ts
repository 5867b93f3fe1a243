// OpenAI's wire formats, sorted by path. https://platform.openai.com/docs/api-reference
import type { ClientDialect, ProviderDialect } from '../dialect.ts'
import { judgeWholeResponse } from '../whole-response.ts'
import { chatStream, isEndMark, type StreamFormat } from './chat-stream.ts'
import { standardEvent } from './error-event.ts'
import { errorHeadOf, readErrorCode, readErrorFields, renderError } from './errors.ts'
import { mayRefuseUsage } from './include-usage.ts'
import { jsonScannerOf, readJsonRequest } from './json-request.ts'
import { readMultipartRequest } from './multipart-request.ts'
import { rateHeaders } from './rate-headers.ts'
import { typedStream } from './typed-stream.ts'
import { usageReader } from './usage.ts'

interface Format {
  readonly name: string
  readonly path: string
  readonly body: 'json' | 'multipart'
  readonly stream: StreamFormat
  /** Absent: false. */
  readonly hasStreamOptions?: boolean
  readonly hasOutputTokens?: boolean
  /** Whether an empty text is a valid response: a transcript of silence. */
  readonly mayBeEmpty?: boolean
  /** The list that a whole response has; absent where there is none. */
  readonly outputMember?: string
  /** Absent: true. */
  readonly hasEvents?: boolean
}

/** An SSE comment, which every client of OpenAI's streams ignores. */
const heartbeat = Buffer.from(': ping\n\n')

const speechStream = typedStream({ finalTypes: new Set(['speech.audio.done']) })
/** Speaches streams segments, or text alone (https://github.com/speaches-ai/speaches). */
const transcriptStream = typedStream({ finalTypes: new Set(['transcript.text.done']), mayBeUntyped: true })
const imageStream = typedStream({
  finalTypes: new Set(['image_generation.completed', 'image_edit.completed']),
})
const responseStream = typedStream({
  preambleTypes: ['response.created', 'response.queued', 'response.in_progress'],
  finalTypes: new Set(['response.completed', 'response.incomplete', 'response.cancelled']),
})
const transcript = {
  body: 'multipart',
  stream: transcriptStream,
  hasOutputTokens: true,
  mayBeEmpty: true,
} as const
const written = {
  body: 'json',
  stream: chatStream,
  hasOutputTokens: true,
  hasStreamOptions: true,
  outputMember: 'choices',
} as const
const image = { stream: imageStream, outputMember: 'data' } as const

const formats: readonly Format[] = [
  { name: 'speech', path: '/audio/speech', body: 'json', stream: speechStream, hasEvents: false },
  { ...transcript, name: 'transcription', path: '/audio/transcriptions' },
  { ...transcript, name: 'translation', path: '/audio/translations' },
  { ...written, name: 'chat', path: '/chat/completions' },
  { ...written, name: 'completion', path: '/completions' },
  { name: 'embedding', path: '/embeddings', body: 'json', stream: chatStream, outputMember: 'data' },
  { ...image, name: 'image_edit', path: '/images/edits', body: 'multipart' },
  { ...image, name: 'image', path: '/images/generations', body: 'json' },
  { ...image, name: 'image_variation', path: '/images/variations', body: 'multipart' },
  { name: 'moderation', path: '/moderations', body: 'json', stream: chatStream, outputMember: 'results' },
  { name: 'rerank', path: '/rerank', body: 'json', stream: chatStream },
  {
    name: 'response',
    path: '/responses',
    body: 'json',
    stream: responseStream,
    hasOutputTokens: true,
    outputMember: 'output',
  },
]

export const openAiDialects: readonly ClientDialect[] = formats.map(clientDialectOf)

function clientDialectOf(format: Format): ClientDialect {
  const { name, path, body, stream } = format
  const { hasStreamOptions = false, hasOutputTokens = false, hasEvents = true } = format
  return {
    name,
    path,
    body,
    hasEvents,
    hasOutputTokens,
    native: providerDialectOf(format),
    heartbeat,
    scannerOf: body === 'json' ? jsonScannerOf : () => undefined,
    readRequest:
      body === 'json'
        ? (_, received) => readJsonRequest({ hasStreamOptions, hasOutputTokens }, received)
        : (contentType, received) => readMultipartRequest(hasOutputTokens, contentType, received),
    renderError,
    errorEvent: stream.errorEvent,
    rateHeaders,
  }
}

function providerDialectOf({
  name,
  path,
  stream,
  mayBeEmpty = false,
  outputMember,
}: Format): ProviderDialect {
  return {
    name,
    path,
    isEndMark,
    isPreamble: stream.isPreamble,
    standardEvent,
    errorHeadOf,
    judgeWhole: (head, body) => judgeWholeResponse(head, body, { mayBeEmpty, errorHeadOf, outputMember }),
    ending: stream.ending,
    readErrorFields,
    readErrorCode,
    usage: usageReader,
    mayRefuseUsage,
  }
}
