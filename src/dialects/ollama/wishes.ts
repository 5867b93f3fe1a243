// What a request of Ollama's own API asks of the server besides an answer. https://docs.ollama.com/api/generate
import { membersOf } from '../../bytes/json/parse.ts'
import { readJson } from '../../bytes/json/scan.ts'
import type { JsonMember, JsonScan } from '../../bytes/json/types.ts'
import { GatewayError } from '../../errors.ts'
import { parseDurationMs } from '../../http/duration.ts'
import type { ModelRequest, ServerWishes } from '../request.ts'

type Members = JsonScan['members']

/** Options with which a model is loaded: a call that names others has Ollama load it anew, for all clients. */
const loaderOptions: readonly string[] = [
  'main_gpu',
  'num_batch',
  'num_ctx',
  'num_gpu',
  'num_thread',
  'use_mmap',
]

/** Longer options are refused: they are parsed. */
export const maxOptionsBytes = 16_384

/** The options, as the server reads them; empty where there are none. */
function optionsOf(body: Buffer, members: Members): Readonly<Record<string, unknown>> {
  const options = members.get('options')
  return options?.kind === 'object' ? membersOf(readJson(body, options)) : {}
}

/** A cap of the output, in tokens; 0 and below set none. */
export function outputCapOf(body: Buffer, members: Members): number | undefined {
  const { num_predict: cap } = optionsOf(body, members)
  return typeof cap === 'number' && cap > 0 ? Math.ceil(cap) : undefined
}

/** @param content the members of which at least one has to bring something to answer. */
export function wishesOf(content: 'messages' | 'prompt' | 'input') {
  return (body: Buffer, members: Members): ServerWishes | undefined => {
    const keep = members.get('keep_alive')
    const keptMs = keep && keptMsOf(body, keep)
    const options = optionsOf(body, members)
    const option = loaderOptions.find((name) => options[name] !== undefined && options[name] !== null)
    const isKeeping = keptMs !== undefined && keptMs <= 0
    const managing = isKeeping ? 'keep_alive' : option && `options.${option}`
    const isIdle = content !== 'input' && isEmpty(body, members.get(content))
    if (managing === undefined && !isIdle) return undefined
    return {
      ...(managing !== undefined && { managing }),
      ...(isIdle && { onlyLoads: keptMs === 0 ? 'unload' : 'load' }),
    }
  }
}

/**
 * Why a server is not asked that other clients use, too: `management_not_allowed`. Undefined: the request manages nothing.
 */
export function refusalOf({ managing, model }: ModelRequest): GatewayError | undefined {
  if (managing === undefined) return undefined
  const what = `${managing}: this changes how Ollama holds ${model} for every client, which the provider does not allow.`
  const hint = 'Leave it out, or set allow_management of the provider.'
  return new GatewayError('management_not_allowed', `${what} ${hint}`, { param: managing })
}

/** How long the model is kept after the call: 0 unloads it, a negative time keeps it for ever. Undefined: not understood. */
function keptMsOf(body: Buffer, member: JsonMember): number | undefined {
  const { start, end } = member.value
  if (end - start > maxDuration) return undefined
  const value = readJson(body, member)
  if (typeof value === 'number') return value * 1_000
  if (typeof value !== 'string') return undefined
  return value.trim().startsWith('-') ? -1 : parseDurationMs(value, { nowMs: 0 })
}

/** In bytes; no duration is longer. */
const maxDuration = 64

/** Whether a text or a list is absent or empty. */
function isEmpty(body: Buffer, member: JsonMember | undefined): boolean {
  if (member === undefined || member.kind === 'null') return true
  const { start, end } = member.value
  if (member.kind === 'string') return end - start === 2
  return member.kind === 'array' && body.toString('latin1', start + 1, end - 1).trim() === ''
}
