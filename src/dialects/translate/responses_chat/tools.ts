// Tools of the Responses API as functions of chat, and their calls back in the kind that was declared.
import { type Encodable, JoinedText } from '../../../bytes/json/encode.ts'
import type { JsonView } from '../../../bytes/json/view.ts'
import type { RequestNotes } from '../request-notes.ts'
import { shortToolName } from '../tool-names.ts'
import { type Members, memberIn } from '../members.ts'

/** A tool as the client declared it. */
export interface DeclaredTool {
  /** `custom`: its input is free text, which goes through chat as the one argument `input`. */
  readonly kind: 'function' | 'custom'
  readonly name: string
  readonly namespace: string | undefined
}

/** Tools that the server of the Responses API runs itself, and tools with calls of a form of their own. */
const hostedTypes: ReadonlySet<string> = new Set([
  'apply_patch',
  'code_interpreter',
  'computer',
  'computer_use_preview',
  'file_search',
  'image_generation',
  'local_shell',
  'mcp',
  'programmatic_tool_calling',
  'shell',
  'tool_search',
  'web_search',
  'web_search_preview',
])

const functionMembers: ReadonlySet<string> = new Set(['type', 'name', 'description', 'parameters', 'strict'])
const customMembers: ReadonlySet<string> = new Set(['type', 'name', 'description', 'format'])
const namespaceMembers: ReadonlySet<string> = new Set(['type', 'name', 'description', 'tools'])

/** The argument that holds the input of a custom tool. */
export const inputArgument = 'input'

/** The tools of one call, under the names that chat allows. */
export class Tools {
  readonly #notes: RequestNotes
  readonly #declared = new Map<string, DeclaredTool>()
  /** By the same names, in the order of their declaration. */
  readonly #encoded = new Map<string, Encodable>()
  /** Which of them the model may call; undefined: all. */
  #allowed: ReadonlySet<string> | undefined
  /** A tool was declared that the provider cannot run. */
  hasHosted = false

  constructor(notes: RequestNotes) {
    this.#notes = notes
  }

  /** Adds the elements of a list of tools. The same tool may be declared again. */
  declare(list: JsonView, param: string): void {
    if (list.kind === 'null') return
    if (list.kind !== 'array') return this.#notes.reject(param, `"${param}" must be a list.`)
    for (const tool of list.elements()) this.#declare(tool, param)
  }

  /** The declared tools that the model may call, for chat; undefined if there are none. */
  encoded(): Encodable | undefined {
    const tools = [...this.#encoded]
      .filter(([chatName]) => this.#allowed?.has(chatName) !== false)
      .map(([, encoded]) => encoded)
    return tools.length > 0 ? tools : undefined
  }

  /** Restricts the tools to these, by their names for chat. */
  allow(chatNames: readonly string[]): void {
    this.#allowed = new Set(chatNames)
  }

  /** The declared tools by their names for chat. */
  get declared(): ReadonlyMap<string, DeclaredTool> {
    return this.#declared
  }

  /** The name for chat: the same for the same tool, whether it is declared, called or forced. */
  chatName(name: string, namespace: string | undefined): string {
    const flat = namespace === undefined ? name : `${namespace}__${name}`
    const short = shortToolName(flat)
    const tool = this.#declared.get(short)
    const isTaken = tool !== undefined && (tool.name !== name || tool.namespace !== namespace)
    // A name that chat does not allow gets a hash, here of both parts.
    return isTaken ? shortToolName(`${flat} ${namespace ?? ''}`) : short
  }

  #declare(view: JsonView, param: string): void {
    const members = view.members()
    const type = members.get('type')?.text() ?? ''
    if (type === 'namespace') this.#declareNamespace(members, param)
    else if (type === 'function' || type === 'custom') this.#add(type, members, undefined)
    else if (hostedTypes.has(type.replace(/_20\d\d_\d\d_\d\d$/, ''))) {
      this.hasHosted = true
      this.#notes.drop(`${param}.${type}`)
    } else {
      const problem =
        type === '' ? 'has a tool without a "type"' : `has a tool of the unknown type "${type.slice(0, 64)}"`
      this.#notes.reject(param, `"${param}" ${problem}.`)
    }
  }

  #declareNamespace(members: Members, param: string): void {
    this.#notes.dropUnknown(members, namespaceMembers, 'tools.')
    const namespace = members.get('name')?.text()
    if (namespace === undefined || namespace === '') {
      return this.#notes.reject(param, `"${param}" has a namespace without a "name".`)
    }
    for (const tool of members.get('tools')?.elements() ?? []) {
      const inner = tool.members()
      const type = inner.get('type')?.text()
      this.#add(type === 'custom' ? type : 'function', inner, namespace)
    }
  }

  #add(kind: DeclaredTool['kind'], members: Members, namespace: string | undefined): void {
    const name = members.get('name')?.text()
    if (name === undefined || name === '') return this.#notes.reject('tools', 'A tool has no "name".')
    const isFunction = kind === 'function'
    this.#notes.dropUnknown(members, isFunction ? functionMembers : customMembers, 'tools.')
    const chatName = this.chatName(name, namespace)
    if (this.#declared.has(chatName)) return
    const encoded = {
      type: 'function',
      function: isFunction ? asFunction(chatName, members) : asText(chatName, members),
    }
    this.#declared.set(chatName, { kind, name, namespace })
    this.#encoded.set(chatName, encoded)
  }
}

function asFunction(name: string, members: Members): Encodable {
  return {
    name,
    description: memberIn(members, 'description'),
    parameters: memberIn(members, 'parameters'),
    strict: memberIn(members, 'strict'),
  }
}

/** A custom tool: its grammar, which chat cannot enforce, is described to the model. */
function asText(name: string, members: Members): Encodable {
  const own = members.get('description')
  const format = members.get('format')?.members()
  const syntax = format?.get('syntax')?.text()
  const definition = format?.get('definition')
  const parts: (string | JsonView)[] = []
  if (own?.kind === 'string') parts.push(own)
  if (definition?.kind === 'string') {
    if (parts.length > 0) parts.push('\n\n')
    const grammar = syntax === 'regex' ? 'regular expression' : `${syntax === 'lark' ? 'Lark ' : ''}grammar`
    parts.push(`The text in "${inputArgument}" must match this ${grammar}:\n`, definition)
  }
  return {
    name,
    description: parts.length > 0 ? new JoinedText(parts) : undefined,
    parameters: {
      type: 'object',
      properties: {
        [inputArgument]: { type: 'string', description: 'The whole input of the tool, as plain text.' },
      },
      required: [inputArgument],
      additionalProperties: false,
    },
  }
}
