// OpenAI's wire formats, sorted by path. https://platform.openai.com/docs/api-reference
import type { ClientDialect, ProviderDialect } from '../dialect.ts'
import { judgeWholeResponse } from '../whole-response.ts'
import { chatStream, isEndMark, type StreamFormat } from './chat-stream.ts'
import { errorHeadOf, readErrorCode, readErrorFields, renderError } from './errors.ts'
import { mayRefuseUsage } from './include-usage.ts'
import { jsonScannerOf, readJsonRequest } from './json-request.ts'
import { readMultipartRequest } from './multipart-request.ts'
import { rateHeaders } from './rate-headers.ts'
import { responseStream } from './response-stream.ts'
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
  /** Absent: true. */
  readonly hasEvents?: boolean
}

const speechStream = typedStream(new Set(['speech.audio.done']))
const transcriptStream = typedStream(new Set(['transcript.text.done']))
const imageStream = typedStream(new Set(['image_generation.completed', 'image_edit.completed']))
const transcript = {
  body: 'multipart',
  stream: transcriptStream,
  hasOutputTokens: true,
  mayBeEmpty: true,
} as const
const written = { body: 'json', stream: chatStream, hasOutputTokens: true, hasStreamOptions: true } as const

const formats: readonly Format[] = [
  { name: 'speech', path: '/audio/speech', body: 'json', stream: speechStream, hasEvents: false },
  { ...transcript, name: 'transcription', path: '/audio/transcriptions' },
  { ...transcript, name: 'translation', path: '/audio/translations' },
  { ...written, name: 'chat', path: '/chat/completions' },
  { ...written, name: 'completion', path: '/completions' },
  { name: 'embedding', path: '/embeddings', body: 'json', stream: chatStream },
  { name: 'image_edit', path: '/images/edits', body: 'multipart', stream: imageStream },
  { name: 'image', path: '/images/generations', body: 'json', stream: imageStream },
  { name: 'image_variation', path: '/images/variations', body: 'multipart', stream: imageStream },
  { name: 'moderation', path: '/moderations', body: 'json', stream: chatStream },
  { name: 'rerank', path: '/rerank', body: 'json', stream: chatStream },
  { name: 'response', path: '/responses', body: 'json', stream: responseStream, hasOutputTokens: true },
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
    scannerOf: body === 'json' ? jsonScannerOf : () => undefined,
    readRequest:
      body === 'json'
        ? (_, received) => readJsonRequest({ hasStreamOptions, hasOutputTokens }, received)
        : (contentType, received) => readMultipartRequest(hasOutputTokens, contentType, received),
    renderError,
    ownEvents: stream.ownEvents,
    rateHeaders,
  }
}

function providerDialectOf({ name, path, stream, mayBeEmpty = false }: Format): ProviderDialect {
  return {
    name,
    path,
    isEndMark,
    errorHeadOf,
    judgeWhole: (head, body) => judgeWholeResponse(head, body, { mayBeEmpty, errorHeadOf }),
    ending: stream.ending,
    readErrorFields,
    readErrorCode,
    usage: { ...usageReader, textBytes: stream.textBytes },
    mayRefuseUsage,
  }
}
