// Tools, and which of them the model is to use.
import type { Encodable } from '../../../bytes/json/encode.ts'
import { type Members, memberIn } from '../members.ts'
import { refuse, type RequestContext } from './context.ts'

type ChatTools = {
  readonly tools?: readonly Encodable[]
  readonly tool_choice?: Encodable
  readonly parallel_tool_calls?: false
}

const toolMembers: ReadonlySet<string> = new Set(['type', 'name', 'description', 'input_schema', 'strict'])
const choiceMembers: ReadonlySet<string> = new Set(['type', 'name', 'disable_parallel_tool_use'])

/** Servers refuse an empty list of tools, and a choice without tools. */
export function translateTools(members: Members, context: RequestContext): ChatTools {
  const { notes } = context
  const list = memberIn(members, 'tools')
  if (list !== undefined && list.kind !== 'array') notes.reject('tools', 'tools: a list is required.')
  const tools: Encodable[] = []
  const serverTools = new Map<string, string>()
  for (const [at, tool] of (list?.elements() ?? []).entries()) {
    const declared = tool.members()
    const type = memberIn(declared, 'type')?.text() ?? 'custom'
    if (type === 'custom') tools.push(readTool(declared, `tools.${at}`, context))
    else {
      const label = withoutDate(type)
      notes.drop(`tools.${label}`)
      serverTools.set(declared.get('name')?.text() ?? label, label)
    }
  }
  if (tools.length === 0 && serverTools.size > 0)
    refuseServerTool('tools', [...serverTools.values()][0]!, context)
  const choice = translateChoice(memberIn(members, 'tool_choice')?.members(), { tools, serverTools }, context)
  return tools.length === 0 ? {} : { tools, ...choice }
}

function readTool(declared: Members, path: string, { notes, names }: RequestContext): Encodable {
  notes.dropUnknown(declared, toolMembers, 'tools.')
  const name = declared.get('name')?.text()
  const schema = declared.get('input_schema')
  if (name === undefined || schema?.kind !== 'object') {
    notes.reject(path, `${path}: a tool with a "name" and an object as "input_schema" is required.`)
    return null
  }
  const [description, strict] = ['description', 'strict'].map((each) => memberIn(declared, each))
  return {
    type: 'function',
    function: { name: names.toProvider(name), description, parameters: schema, strict },
  }
}

interface Declared {
  readonly tools: readonly Encodable[]
  /** Tools that only Anthropic's server runs or only its models know: their types by their names. */
  readonly serverTools: ReadonlyMap<string, string>
}

function translateChoice(
  choice: Members | undefined,
  { tools, serverTools }: Declared,
  context: RequestContext,
): Omit<ChatTools, 'tools'> {
  if (choice === undefined) return {}
  const { notes, names } = context
  notes.dropUnknown(choice, choiceMembers, 'tool_choice.')
  const name = choice.get('name')?.text()
  const type = choice.get('type')?.text() ?? ''
  const isSerial = choice.get('disable_parallel_tool_use')?.kind === 'true'
  const parallel = isSerial ? { parallel_tool_calls: false as const } : {}
  switch (type) {
    case 'auto':
      return { tool_choice: 'auto', ...parallel }
    case 'none':
      return { tool_choice: 'none' }
    case 'any':
      if (tools.length === 0) rejectChoice(context)
      return { tool_choice: 'required', ...parallel }
    case 'tool':
      if (name === undefined) break
      if (serverTools.has(name)) refuseServerTool('tool_choice', serverTools.get(name)!, context)
      else if (tools.length === 0) rejectChoice(context)
      return { tool_choice: { type: 'function', function: { name: names.toProvider(name) } }, ...parallel }
    default:
      break
  }
  const forms = '{"type":"auto"|"any"|"none"} or {"type":"tool","name":…}'
  notes.reject('tool_choice', `tool_choice: ${forms} is required.`)
  return {}
}

function rejectChoice({ notes }: RequestContext): void {
  notes.reject('tool_choice', 'tool_choice: there are no "tools" to choose from.')
}

function refuseServerTool(param: string, type: string, context: RequestContext): void {
  refuse(context, param, `the tool "${type}", which Anthropic defines,`)
}

/** `web_search_20250305` → `web_search`: names in the log do not depend on a client's inventions. */
function withoutDate(type: string): string {
  const [, name] = /^([a-z_]{1,40}?)_?\d*$/.exec(type) ?? []
  return name ?? '?'
}
