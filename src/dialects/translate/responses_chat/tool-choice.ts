// The `tool_choice` of the Responses API in chat's form.
import type { Encodable } from '../../../bytes/json/encode.ts'
import type { JsonView } from '../../../bytes/json/view.ts'
import type { RequestNotes } from '../request-notes.ts'
import type { Members } from '../members.ts'
import type { Tools } from './tools.ts'

const modes: ReadonlySet<string | undefined> = new Set(['auto', 'none', 'required'])

/** To be called once all tools are declared: a list of allowed tools restricts them. */
export function translateToolChoice(
  choice: JsonView | undefined,
  tools: Tools,
  notes: RequestNotes,
): Encodable | undefined {
  if (choice === undefined || choice.kind === 'null') return undefined
  if (choice.kind === 'string') return modeOf(choice, tools, notes)
  const members = choice.members()
  const type = members.get('type')?.text()
  if (type === 'function' || type === 'custom') {
    const name = chatNameOf(members, tools)
    if (name !== undefined) return { type: 'function', function: { name } }
    notes.reject('tool_choice', '"tool_choice" has no "name".')
  } else if (type === 'allowed_tools') return allowOnly(members, tools, notes)
  else if (type === undefined)
    notes.reject('tool_choice', '"tool_choice" must be a mode, or an object with a "type".')
  else
    notes.refuse(
      'tool_choice',
      `The provider cannot run the tool "${type.slice(0, 64)}" that "tool_choice" requires.`,
    )
  return undefined
}

/** Without tools, servers refuse a choice among them. */
function modeOf(choice: JsonView, tools: Tools, notes: RequestNotes): Encodable | undefined {
  const mode = choice.text()
  if (!modes.has(mode))
    notes.reject('tool_choice', '"tool_choice" must be "auto", "none", "required" or an object.')
  if (tools.encoded() !== undefined) return choice
  if (mode !== 'required') return undefined
  if (tools.hasHosted)
    notes.refuse('tools', 'The provider cannot run any of the tools, of which "tool_choice" requires one.')
  return choice
}

function allowOnly(members: Members, tools: Tools, notes: RequestNotes): Encodable | undefined {
  const names: string[] = []
  for (const tool of members.get('tools')?.elements() ?? []) {
    const allowed = tool.members()
    const name = chatNameOf(allowed, tools)
    const type = allowed.get('type')?.text()
    if (name !== undefined && (type === 'function' || type === 'custom')) names.push(name)
    else notes.drop('tool_choice.tools')
  }
  tools.allow(names)
  const mode = members.get('mode')
  return mode?.kind === 'string' ? modeOf(mode, tools, notes) : undefined
}

function chatNameOf(members: Members, tools: Tools): string | undefined {
  const name = members.get('name')?.text()
  return name === undefined ? undefined : tools.chatName(name, members.get('namespace')?.text())
}
