// The formats of Ollama's own API, at both ends, sorted by path. https://docs.ollama.com/api
import type { GatewayError } from '../../errors.ts'
import { MemberNames } from '../../bytes/json/member-names.ts'
import type { JsonScan } from '../../bytes/json/types.ts'
import type { ClientDialect, ProviderDialect } from '../dialect.ts'
import { keyOf, messageTextBytes, namedTextBytes } from '../event-bytes.ts'
import { errorHeadOf, readErrorCode, readErrorFields } from '../openai/errors.ts'
import { type JsonFormat, jsonScannerOf, readJsonRequest } from '../openai/json-request.ts'
import { promptMembers } from '../openai/prompt-size.ts'
import { rateHeaders } from '../openai/rate-headers.ts'
import { withoutDefaultTag } from '../../platform/loose-names.ts'
import { invalidRequest, maxOptionsBytes } from '../request.ts'
import type { UsageReader } from '../usage.ts'
import { judgeWholeResponse } from '../whole-response.ts'
import { renderError } from './errors.ts'
import { ending, ownEvents } from './stream.ts'
import { usageReader } from './usage.ts'
import { outputCapOf, wishesOf } from './wishes.ts'

interface Format {
  readonly name: string
  readonly path: string
  /** The member with the prompt. */
  readonly content: 'messages' | 'prompt' | 'input'
  /** Of a line of a stream; absent: the response is not a text, and never a stream. */
  readonly textBytes?: UsageReader['textBytes']
}

const generatedKeys = [keyOf('"response"', 'ponse"'), keyOf('"thinking"', 'nking"')]

const formats = {
  chat: { name: 'ollama_chat', path: '/api/chat', content: 'messages', textBytes: messageTextBytes },
  embed: { name: 'ollama_embed', path: '/api/embed', content: 'input' },
  embeddings: { name: 'ollama_embeddings', path: '/api/embeddings', content: 'prompt' },
  generate: {
    name: 'ollama_generate',
    path: '/api/generate',
    content: 'prompt',
    textBytes: (line) => namedTextBytes(line, generatedKeys),
  },
} as const satisfies Readonly<Record<string, Format>>

/** Members that decide what a call costs and where it goes. Ollama reads their names in any letter case. */
const guarded = new MemberNames(
  [
    'context',
    'format',
    'images',
    'input',
    'keep_alive',
    'messages',
    'model',
    'options',
    'prompt',
    'raw',
    'stream',
    'suffix',
    'system',
    'template',
    'think',
    'tools',
  ],
  promptMembers,
)

export const ollamaDialects: readonly ClientDialect[] = [
  clientDialectOf(formats.chat),
  clientDialectOf(formats.embed),
  clientDialectOf(formats.embeddings),
  clientDialectOf(formats.generate),
]

/** As templates put them together. */
const promptOrder = ['tools', 'system', 'messages', 'prompt', 'input'] as const

function clientDialectOf(format: Format): ClientDialect {
  const { name, path, content, textBytes } = format
  const isGenerated = textBytes !== undefined
  const json: JsonFormat = {
    hasStreamOptions: false,
    hasOutputTokens: isGenerated,
    streamsByDefault: isGenerated,
    guarded,
    problemOf: (members) => problemOf(members, format),
    promptValues: (_, members) => promptOrder.flatMap((each) => members.get(each)?.value ?? []),
    ...(isGenerated && { maxOutputIn: outputCapOf }),
    wishesOf: wishesOf(isGenerated ? content : 'input'),
  }
  return {
    name,
    path,
    bodies: ['json'],
    hasEvents: isGenerated,
    hasOutputTokens: isGenerated,
    native: providerDialectOf(format),
    scannerOf: (_, bytes) => jsonScannerOf(bytes, guarded),
    readRequest: (received) => readJsonRequest(json, received),
    renderError,
    ownEvents,
    rateHeaders,
    ...(isGenerated && { renderLoaded: renderLoaded(content) }),
    plainModelName: withoutDefaultTag,
  }
}

function providerDialectOf({ name, path, textBytes = noText }: Format): ProviderDialect {
  return {
    name,
    path: `/${path}`,
    framing: 'ndjson',
    isEndMark: () => false,
    isPreamble: () => false,
    standardEvent: (line) => line,
    errorHeadOf,
    judgeWhole: (head, body) =>
      judgeWholeResponse(head, body, { mayBeEmpty: false, errorHeadOf, outputMember: undefined }),
    ending,
    readErrorFields,
    readErrorCode,
    usage: { ...usageReader, textBytes },
    // The format reports usage without being asked.
    mayRefuseUsage: () => false,
  }
}

function renderLoaded(content: Format['content']): NonNullable<ClientDialect['renderLoaded']> {
  const empty = content === 'messages' ? { message: { role: 'assistant', content: '' } } : { response: '' }
  return (model, reason, wallNowMs) => {
    const head = { model, created_at: new Date(wallNowMs).toISOString() }
    return Buffer.from(JSON.stringify({ ...head, ...empty, done: true, done_reason: reason }))
  }
}

function noText(): number {
  return 0
}

const kinds = {
  messages: { kind: 'array', words: 'a list of messages' },
  prompt: { kind: 'string', words: 'a text' },
} as const

/** What every server refuses, because it could not even be routed or translated. */
function problemOf(members: JsonScan['members'], { content, textBytes }: Format): GatewayError | undefined {
  const prompt = members.get(content)
  if (content === 'input') {
    const isInput = prompt?.kind === 'string' || prompt?.kind === 'array'
    if (!isInput) return invalidRequest('"input" must be a text or a list of texts.', 'input')
  } else {
    const { kind, words } = kinds[content]
    const isAbsent = prompt === undefined || prompt.kind === 'null'
    if (isAbsent ? textBytes === undefined : prompt.kind !== kind) {
      return invalidRequest(`"${content}" must be ${words}.`, content)
    }
  }
  const options = members.get('options')
  if (options !== undefined && options.value.end - options.value.start > maxOptionsBytes) {
    return invalidRequest(`"options" is longer than ${maxOptionsBytes} bytes.`, 'options')
  }
  const stream = members.get('stream')?.kind
  if (stream === undefined || stream === 'true' || stream === 'false' || stream === 'null') return undefined
  return invalidRequest('"stream" must be true or false.', 'stream')
}
