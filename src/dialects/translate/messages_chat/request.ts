// A Messages request as a chat request. https://docs.claude.com/en/api/messages
import type { Effort } from '../../../config/provider-types.ts'
import type { Encodable } from '../../../bytes/json/encode.ts'
import type { GatewayError } from '../../../errors.ts'
import { acceptedEffort, allEfforts } from '../efforts.ts'
import type { ChatMembers } from '../asked-stream.ts'
import { RequestNotes } from '../request-notes.ts'
import { ToolNames } from '../tool-names.ts'
import type { TranslationTarget } from '../../translator.ts'
import { type Members, memberIn } from '../members.ts'
import { refuse, type RequestContext } from './context.ts'
import { translateMessages } from './messages.ts'
import { translateTools } from './tools.ts'

/** The request for the provider, and what the response depends on in the client's. */
export interface ChatRequest {
  readonly body: ChatMembers
  readonly dropped: readonly string[]
  readonly names: ToolNames
  readonly stopSequences: ReadonlySet<string>
}

interface ReceivedMembers {
  readonly members: Members
  /** As the client names it. */
  readonly model: string
  readonly isStream: boolean
}

type RequestTarget = Pick<TranslationTarget, 'model' | 'traits' | 'asksUsage'>

/** Members that are translated or refused below. */
const knownMembers: ReadonlySet<string> = new Set([
  'container',
  'max_tokens',
  'mcp_servers',
  'messages',
  'model',
  'output_config',
  'output_format',
  'stop_sequences',
  'stream',
  'system',
  'temperature',
  'thinking',
  'tool_choice',
  'tools',
  'top_k',
  'top_p',
])

/** @returns an error for what the provider's format cannot express, or for what Messages does not allow. */
export function translateRequest(
  { members, model, isStream }: ReceivedMembers,
  { model: providerModel, traits, asksUsage }: RequestTarget,
): ChatRequest | GatewayError {
  const notes = new RequestNotes()
  const names = new ToolNames()
  const context: RequestContext = { traits, notes, names, model }
  notes.dropUnknown(members, knownMembers)
  refuseServerState(members, context)
  const stop = translateStop(members, context)
  const body = {
    model: providerModel,
    messages: translateMessages(members, context),
    [traits.maxTokensField]: maxTokensOf(members, context),
    stop: stop.size > 0 ? [...stop] : undefined,
    temperature: temperatureOf(members, context),
    top_p: memberIn(members, 'top_p'),
    top_k: topKOf(members, context),
    ...translateTools(members, context),
    ...translateOutput(members, context),
    stream: isStream ? true : undefined,
    stream_options: asksUsage ? { include_usage: true } : undefined,
  }
  return notes.problem ?? { body, dropped: notes.dropped, names, stopSequences: stop }
}

/** What Anthropic's server keeps or connects to. */
function refuseServerState(members: Members, context: RequestContext): void {
  if (memberIn(members, 'container') !== undefined) refuse(context, 'container', 'a container')
  const servers = memberIn(members, 'mcp_servers')?.elements() ?? []
  if (servers.length > 0) refuse(context, 'mcp_servers', 'a connection to MCP servers')
}

function maxTokensOf(members: Members, context: RequestContext): Encodable | undefined {
  const { notes, model } = context
  const cap = members.get('max_tokens')
  const value = cap?.kind === 'number' ? cap.value() : undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
    notes.reject('max_tokens', 'max_tokens: a whole number is required.')
  } else if (value === 0) {
    notes.refuse(
      'max_tokens',
      `max_tokens: filling a cache (0) is not supported by the provider of ${model}.`,
    )
  }
  return cap
}

function translateStop(members: Members, { notes, traits, model }: RequestContext): ReadonlySet<string> {
  const list = memberIn(members, 'stop_sequences')
  if (list === undefined) return new Set()
  const texts = list.kind === 'array' ? list.elements().map((each) => each.text()) : [undefined]
  const { maxStopSequences: most = Infinity } = traits
  if (texts.includes(undefined))
    notes.reject('stop_sequences', 'stop_sequences: a list of texts is required.')
  else if (texts.length > most) {
    const message = `stop_sequences: the provider of ${model} accepts at most ${most} stop sequences, not ${texts.length}.`
    notes.refuse('stop_sequences', message)
  }
  return new Set(texts.filter((text) => text !== undefined))
}

function temperatureOf(members: Members, { traits }: RequestContext): Encodable | undefined {
  const temperature = memberIn(members, 'temperature')
  const isTooHigh = temperature?.kind === 'number' && Number(temperature.value()) > traits.maxTemperature
  return isTooHigh ? traits.maxTemperature : temperature
}

function topKOf(members: Members, { traits, notes }: RequestContext): Encodable | undefined {
  const topK = memberIn(members, 'top_k')
  if (topK === undefined || traits.hasTopK) return topK
  notes.drop('top_k')
  return undefined
}

interface ChatOutput {
  readonly reasoning_effort?: Effort
  readonly response_format?: Encodable | undefined
}

const outputMembers: ReadonlySet<string> = new Set(['effort', 'format'])

function translateOutput(members: Members, context: RequestContext): ChatOutput {
  const { notes, traits } = context
  const output: Members = memberIn(members, 'output_config')?.members() ?? new Map()
  notes.dropUnknown(output, outputMembers, 'output_config.')
  const wanted = effortOf(members, output, context)
  const effort = wanted === undefined ? undefined : acceptedEffort(wanted, traits.efforts)
  if (wanted !== undefined && effort === undefined) {
    for (const name of ['thinking', 'output_config']) if (members.has(name)) notes.drop(name)
  }
  const format = (memberIn(output, 'format') ?? memberIn(members, 'output_format'))?.members()
  return {
    ...(effort !== undefined && { reasoning_effort: effort }),
    ...(format !== undefined && { response_format: formatOf(format, context) }),
  }
}

const thinkingMembers: ReadonlySet<string> = new Set(['type', 'budget_tokens'])

/** Budgets below these are an effort; the strongest has none. */
const budgetEfforts: readonly (readonly [below: number, effort: Effort])[] = [
  [4_096, 'low'],
  [16_384, 'medium'],
  [Infinity, 'high'],
]

function effortOf(members: Members, output: Members, { notes }: RequestContext): Effort | undefined {
  const named = memberIn(output, 'effort')
  const effort = allEfforts.find((each) => each === named?.text())
  if (named !== undefined && effort === undefined) {
    notes.reject('output_config.effort', `output_config.effort: one of ${allEfforts.join(', ')} is required.`)
  }
  const thinking = memberIn(members, 'thinking')?.members()
  if (thinking === undefined) return effort
  notes.dropUnknown(thinking, thinkingMembers, 'thinking.')
  const budgetTokens = memberIn(thinking, 'budget_tokens')
  const budget = budgetTokens?.kind === 'number' ? Number(budgetTokens.value()) : Number.NaN
  switch (thinking.get('type')?.text() ?? '') {
    case 'disabled':
      return 'none'
    case 'adaptive':
      return effort ?? 'high'
    case 'enabled':
      return effort ?? budgetEfforts.find(([below]) => budget < below)?.[1] ?? 'high'
    default:
      notes.reject('thinking.type', 'thinking.type: "adaptive", "enabled" or "disabled" is required.')
      return undefined
  }
}

function formatOf(format: Members, context: RequestContext): Encodable | undefined {
  const type = format.get('type')?.text()
  const schema = format.get('schema')
  if (type === 'json_schema' && schema?.kind === 'object') {
    return { type, json_schema: { name: 'output', schema, strict: true } }
  }
  context.notes.reject(
    'output_config.format',
    'output_config.format: {"type":"json_schema","schema":{…}} is required.',
  )
  return undefined
}
