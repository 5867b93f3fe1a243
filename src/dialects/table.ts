// The wire formats that are served, sorted by path.
import { chatStream } from './openai/chat-stream.ts'
import type { Dialect } from './dialect.ts'
import { renderError } from './openai/errors.ts'
import { rateHeaders } from './openai/rate-headers.ts'
import { typedStream } from './openai/typed-stream.ts'

const responseEnds = ['response.completed', 'response.incomplete', 'response.cancelled']
const responsesStream = typedStream(new Set(responseEnds))
const speechStream = typedStream(new Set(['speech.audio.done']))
const transcriptStream = typedStream(new Set(['transcript.text.done']))
const imageStream = typedStream(new Set(['image_generation.completed', 'image_edit.completed']))

const errors = { renderError, rateHeaders } as const
const plain = {
  ...errors,
  hasStreamOptions: false,
  hasOutputTokens: false,
  mayBeEmpty: false,
  hasEvents: true,
} as const
const json = { ...plain, body: 'json', stream: chatStream } as const
const multipart = { ...plain, body: 'multipart' } as const
const transcript = {
  ...multipart,
  hasOutputTokens: true,
  mayBeEmpty: true,
  stream: transcriptStream,
} as const
const written = { ...json, hasOutputTokens: true } as const

export const dialects = [
  { ...json, name: 'speech', path: '/audio/speech', hasEvents: false, stream: speechStream },
  { ...transcript, name: 'transcription', path: '/audio/transcriptions' },
  { ...transcript, name: 'translation', path: '/audio/translations' },
  { ...written, name: 'chat', path: '/chat/completions', hasStreamOptions: true },
  { ...written, name: 'completion', path: '/completions', hasStreamOptions: true },
  { ...json, name: 'embedding', path: '/embeddings' },
  { ...multipart, name: 'image_edit', path: '/images/edits', stream: imageStream },
  { ...json, name: 'image', path: '/images/generations', stream: imageStream },
  { ...multipart, name: 'image_variation', path: '/images/variations', stream: imageStream },
  { ...json, name: 'moderation', path: '/moderations' },
  { ...json, name: 'rerank', path: '/rerank' },
  { ...written, name: 'response', path: '/responses', stream: responsesStream },
] as const satisfies readonly Dialect[]
