// The format of Anthropic's Messages API, at both ends. https://docs.claude.com/en/api/messages
import type { Span } from '../../domain.ts'
import type { GatewayError } from '../../errors.ts'
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import type { JsonScan } from '../../bytes/json/types.ts'
import { MemberNames } from '../../bytes/json/member-names.ts'
import type { ClientDialect, ProviderDialect } from '../dialect.ts'
import { hasOverflowWords } from '../context-overflow.ts'
import { deltaObjectTextBytes } from '../event-bytes.ts'
import { readErrorCode, readErrorFields } from '../openai/errors.ts'
import { type JsonFormat, jsonScannerOf, readJsonRequest } from '../openai/json-request.ts'
import { promptMembers } from '../openai/prompt-size.ts'
import { usageReader } from '../openai/usage.ts'
import { invalidRequest } from '../request.ts'
import { isTokenCount } from '../usage.ts'
import { judgeWholeResponse } from '../whole-response.ts'
import { errorHeadOf, renderError } from './errors.ts'
import { carriesRequestHeader, carriesResponseHeader, requestIdHeader } from './headers.ts'
import { ending, isEndMark, isPreamble, ownEvents, standardEvent } from './message-stream.ts'
import { rateHeaders } from './rate-headers.ts'

const [name, path] = ['messages', '/messages']
const countPath = '/messages/count_tokens'

const provider: ProviderDialect = {
  name,
  path,
  isEndMark,
  isPreamble,
  standardEvent,
  errorHeadOf,
  judgeWhole: (head, body) =>
    judgeWholeResponse(head, body, { mayBeEmpty: false, errorHeadOf, outputMember: 'content' }),
  ending,
  readErrorFields,
  readErrorCode,
  usage: { ...usageReader, textBytes: deltaObjectTextBytes },
  // The format reports usage without being asked.
  mayRefuseUsage: () => false,
}

/** Members that decide what a call costs and where it goes. */
const guarded = new MemberNames(
  ['max_tokens', 'messages', 'model', 'service_tier', 'speed', 'stream', 'system', 'tools'],
  promptMembers,
)

const format: JsonFormat = {
  isStreamable: true,
  hasStreamOptions: false,
  hasOutputTokens: true,
  guarded,
  problemOf,
  promptValues,
  hasCacheMarks: true,
}

/** What every server refuses, because it could not even be routed or translated. */
function problemOf(members: JsonScan['members']): GatewayError | undefined {
  const messages = members.get('messages')
  if (messages?.kind !== 'array') {
    const seen = messages === undefined ? 'The body has no "messages"' : '"messages" is not a list'
    return invalidRequest(`${seen}; a list of turns, each with a role and content, is expected.`, 'messages')
  }
  const stream = members.get('stream')?.kind
  if (stream === undefined || stream === 'true' || stream === 'false' || stream === 'null') return undefined
  return invalidRequest('"stream" must be true or false.', 'stream')
}

const billingMark = Buffer.from('x-anthropic-billing-header')
/** Where the mark can stand: in the first block, after its type. */
const billingBytes = 256
const OPENING = 0x7b

/** Claude Code's billing block, whose text may change with every request, is passed over. */
function promptValues(body: Buffer, members: JsonScan['members']): readonly Span[] {
  const [tools, system, messages] = ['tools', 'system', 'messages'].map((each) => members.get(each)?.value)
  const instructions = system && withoutBilling(body, system)
  return [tools, instructions, messages].filter((value) => value !== undefined)
}

function withoutBilling(body: Buffer, { start, end }: Span): Span | undefined {
  const head = body.subarray(start, Math.min(end, start + billingBytes))
  if (!head.includes(billingMark)) return { start, end }
  const second = body.indexOf(OPENING, body.indexOf(billingMark, start))
  return second < 0 || second >= end ? undefined : { start: second, end }
}

/** With it Claude Code's users ask for the long context of a model, which elsewhere is the model's own. */
const longContextMark = '[1m]'

function plainModelName(model: string): string | undefined {
  return model.endsWith(longContextMark) ? model.slice(0, -longContextMark.length) : undefined
}

export const messagesDialect: ClientDialect = {
  name,
  path,
  bodies: ['json'],
  hasEvents: true,
  hasOutputTokens: true,
  native: provider,
  scannerOf: (_, bytes) => jsonScannerOf(bytes, guarded),
  readRequest: (received) => readJsonRequest(format, received),
  renderError,
  ownEvents,
  rateHeaders,
  carriesRequestHeader,
  carriesResponseHeader,
  requestIdHeader,
  plainModelName,
  recognizesOverflow: hasOverflowWords,
}

/**
 * How many tokens a prompt has (https://docs.claude.com/en/api/messages-count-tokens). A provider that speaks the format
 * may lack it.
 */
export const countDialect: ClientDialect = {
  ...messagesDialect,
  name: 'other',
  path: countPath,
  hasEvents: false,
  hasOutputTokens: false,
  native: {
    ...provider,
    path: countPath,
    judgeWhole: (head, body) =>
      judgeWholeResponse(head, body, { mayBeEmpty: false, errorHeadOf, outputMember: undefined }),
  },
  count: {
    isCount: (body) => isTokenCount(membersOf(parseJson(body))['input_tokens']),
    render: (promptTokens) => Buffer.from(JSON.stringify({ input_tokens: promptTokens })),
  },
}
