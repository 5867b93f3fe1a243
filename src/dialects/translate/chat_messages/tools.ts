// Tools and the choice among them, for Anthropic.
import type { Encodable } from '../../../bytes/json/encode.ts'
import type { JsonView } from '../../../bytes/json/view.ts'
import type { RequestNotes } from '../request-notes.ts'
import type { ToolNames } from '../tool-names.ts'
import { type Members, memberIn, present } from '../members.ts'
import { textOf } from './content.ts'

interface ToolSettings {
  readonly tools: Encodable | undefined
  readonly choice: Encodable | undefined
  /** Whether the model must call a tool. */
  readonly isForced: boolean
  /** The client knows only the form before `tools`, and expects a call in it. */
  readonly isLegacy: boolean
  /** Whether the client has marked one for the cache. */
  readonly hasCacheMarks: boolean
}

interface ToolContext {
  readonly names: ToolNames
  readonly notes: RequestNotes
}

interface Tool {
  readonly name: string
  readonly isMarked: boolean
  readonly encoded: Encodable
}

/** Chat's word for a mode → Anthropic's. */
const modes: ReadonlyMap<string | undefined, string> = new Map([
  ['auto', 'auto'],
  ['none', 'none'],
  ['required', 'any'],
])

/** The tools of a request and the choice among them, in either of chat's two forms. */
export function toolSettings(members: Members, names: ToolNames, notes: RequestNotes): ToolSettings {
  const isLegacy = !members.has('tools') && members.has('functions')
  const context = { names, notes }
  const tools = isLegacy
    ? legacyTools(members.get('functions'), context)
    : toolsIn(members.get('tools'), context)
  const wish = isLegacy
    ? legacyChoice(members.get('function_call'), notes)
    : choiceIn(members.get('tool_choice'), notes)
  const allowed = wish.allowed === undefined ? tools : tools.filter(({ name }) => wish.allowed!.has(name))
  // The form before `tools` has room for one call.
  const isSingle = isLegacy || members.get('parallel_tool_calls')?.kind === 'false'
  const isForced = wish.type === 'any' || wish.type === 'tool'
  // Without tools there is nothing to choose, and Anthropic refuses the member.
  const hasChoice = allowed.length > 0 || isForced
  return {
    tools: allowed.length > 0 ? allowed.map(({ encoded }) => encoded) : undefined,
    choice: hasChoice ? encodeChoice(wish, isSingle, names) : undefined,
    isForced,
    isLegacy,
    hasCacheMarks: allowed.some(({ isMarked }) => isMarked),
  }
}

interface Choice {
  /** In Anthropic's words; undefined: the client has none. */
  readonly type: string | undefined
  readonly name?: string | undefined
  /** Names of the tools that may be called; undefined: all. */
  readonly allowed?: ReadonlySet<string>
}

function encodeChoice({ type, name }: Choice, isSingle: boolean, names: ToolNames): Encodable | undefined {
  if (type === undefined && !isSingle) return undefined
  const disable = isSingle && type !== 'none' ? true : undefined
  return { type: type ?? 'auto', name: name && names.toProvider(name), disable_parallel_tool_use: disable }
}

function choiceIn(choice: JsonView | undefined, notes: RequestNotes): Choice {
  if (choice === undefined || choice.kind === 'null') return { type: undefined }
  if (choice.kind === 'string') return modeChoice(choice, notes)
  const members = choice.members()
  const type = textOf(members.get('type'))
  if (type === 'function') return namedChoice(members.get('function'), 'tool_choice', notes)
  if (type === 'allowed_tools')
    return allowedChoice(members.get('allowed_tools')?.members() ?? new Map(), notes)
  notes.refuse('tool_choice', `The provider accepts no "tool_choice" of type ${JSON.stringify(type ?? '')}.`)
  return { type: undefined }
}

function modeChoice(mode: JsonView | undefined, notes: RequestNotes): Choice {
  const type = modes.get(textOf(mode))
  if (type === undefined) {
    notes.reject('tool_choice', '"tool_choice" must be "auto", "none", "required" or an object.')
  }
  return { type }
}

function namedChoice(called: JsonView | undefined, param: string, notes: RequestNotes): Choice {
  const name = textOf(called?.members().get('name'))
  if (name !== undefined) return { type: 'tool', name }
  notes.reject(param, `"${param}" does not name a function.`)
  return { type: undefined }
}

function allowedChoice(members: Members, notes: RequestNotes): Choice {
  const tools = members.get('tools')?.elements() ?? []
  const names = tools.map((tool) => textOf(tool.members().get('function')?.members().get('name')))
  return {
    ...modeChoice(members.get('mode'), notes),
    allowed: new Set(names.filter((name) => name !== undefined)),
  }
}

function legacyChoice(choice: JsonView | undefined, notes: RequestNotes): Choice {
  if (choice?.kind === 'object') return namedChoice(choice, 'function_call', notes)
  return choice?.kind === 'string' ? modeChoice(choice, notes) : { type: undefined }
}

const toolMembers: ReadonlySet<string> = new Set(['cache_control', 'function', 'type'])
const functionMembers: ReadonlySet<string> = new Set([
  'cache_control',
  'description',
  'name',
  'parameters',
  'strict',
])

function toolsIn(tools: JsonView | undefined, context: ToolContext): Tool[] {
  const { notes } = context
  return (tools?.elements() ?? []).flatMap((tool) => {
    const members = tool.members()
    const type = textOf(members.get('type'))
    const called = members.get('function')
    if (called?.kind !== 'object') {
      notes.refuse(
        'tools',
        `The provider accepts functions only, and no tool of type ${JSON.stringify(type ?? '')}.`,
      )
      return []
    }
    notes.dropUnknown(members, toolMembers, 'tools.')
    return toolOf(called.members(), context, members.get('cache_control')) ?? []
  })
}

function legacyTools(functions: JsonView | undefined, context: ToolContext): Tool[] {
  return (functions?.elements() ?? []).flatMap((called) => toolOf(called.members(), context) ?? [])
}

function toolOf(
  called: Members,
  { names, notes }: ToolContext,
  mark = called.get('cache_control'),
): Tool | undefined {
  notes.dropUnknown(called, functionMembers, 'tools.function.')
  const name = textOf(called.get('name'))
  if (name === undefined || name === '') {
    notes.reject('tools', 'A function has no name.')
    return undefined
  }
  const encoded = {
    name: names.toProvider(name),
    description: memberIn(called, 'description'),
    input_schema: schemaOf(called.get('parameters')),
    // False is the default, which older servers know without the member.
    strict: called.get('strict')?.kind === 'true' ? true : undefined,
    cache_control: present(mark),
  }
  return { name, isMarked: encoded.cache_control !== undefined, encoded }
}

/** Anthropic requires the type of the schema, which chat clients leave out of functions without parameters. */
function schemaOf(parameters: JsonView | undefined): Encodable {
  if (parameters?.kind !== 'object') return { type: 'object', properties: {} }
  const members = parameters.members()
  if (members.has('type')) return parameters
  return { type: 'object', ...(members.size === 0 ? { properties: {} } : Object.fromEntries(members)) }
}
