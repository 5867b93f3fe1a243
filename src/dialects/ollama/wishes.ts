// What a request of Ollama's own API asks of the server besides an answer. https://docs.ollama.com/api/generate
import { membersOf } from '../../bytes/json/parse.ts'
import { readJson } from '../../bytes/json/scan.ts'
import type { JsonMember, JsonScan } from '../../bytes/json/types.ts'
import { keepingOf, managementIn } from '../management.ts'
import type { ServerWishes } from '../request.ts'

type Members = JsonScan['members']

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
    const managing = managementIn(body, members)
    const keepAlive = members.get('keep_alive')
    const isUnloading = keepAlive !== undefined && keepingOf(body, keepAlive) === 'unload'
    const isIdle = content !== 'input' && isEmpty(body, members.get(content))
    if (managing === undefined && !isIdle) return undefined
    return {
      ...(managing !== undefined && { managing }),
      ...(isIdle && { onlyLoads: isUnloading ? 'unload' : 'load' }),
    }
  }
}

/** Whether a text or a list is absent or empty. */
function isEmpty(body: Buffer, member: JsonMember | undefined): boolean {
  if (member === undefined || member.kind === 'null') return true
  const { start, end } = member.value
  if (member.kind === 'string') return end - start === 2
  return member.kind === 'array' && body.toString('latin1', start + 1, end - 1).trim() === ''
}
