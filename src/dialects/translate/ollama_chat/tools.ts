// Tools of Ollama's API: as in chat, but for names that chat does not allow.
import type { Encodable } from '../../../bytes/json/encode.ts'
import type { JsonView } from '../../../bytes/json/view.ts'
import { type Members, memberIn } from '../members.ts'
import type { RequestContext } from './context.ts'

/** Servers refuse an empty list. */
export function translateTools(members: Members, context: RequestContext): readonly Encodable[] | undefined {
  const tools = memberIn(members, 'tools')
  if (tools === undefined) return undefined
  if (tools.kind !== 'array') context.notes.reject('tools', 'tools: a list is required.')
  const list = tools.elements().map((tool, at) => toolOf(tool, `tools.${at}`, context))
  return list.length > 0 ? list : undefined
}

function toolOf(tool: JsonView, path: string, { notes, names }: RequestContext): Encodable {
  const declared = tool.members()
  const called: Members = declared.get('function')?.members() ?? new Map()
  const name = called.get('name')?.text()
  if (name === undefined) {
    notes.reject(path, `${path}: a tool with a "function" that has a "name" is required.`)
    return null
  }
  const sent = names.toProvider(name)
  const type = memberIn(declared, 'type')
  if (sent === name && type !== undefined) return tool
  return { type: 'function', function: { ...Object.fromEntries(called), name: sent } }
}
