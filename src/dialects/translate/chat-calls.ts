// Which tool call a piece of a chat response belongs to. Servers differ: some number every call 0, some leave the index out,
// some repeat the name or the id, some send the arguments before the name or as an object.
import { type JsonObject, membersOf } from '../../bytes/json/parse.ts'

/** A tool call of one response, from its name on. */
export interface ChatCall {
  /** Among the calls of the response, from 0 without gaps. */
  readonly position: number
  /** As the provider wrote it; undefined if it wrote none, or one that another call has already. */
  readonly id: string | undefined
  readonly name: string
  /** What has arrived of the arguments, including the piece that the sink receives. */
  readonly args: { readonly isComplete: boolean; readonly isBlank: boolean }
}

/** Receives the tool calls of one response. */
export interface CallSink {
  /** Before any arguments of the call. Calls start in the order of their names, which need not be that of their positions. */
  callStart(call: ChatCall): void
  /** The next piece of the arguments, never empty. Pieces of several calls may alternate. */
  callArguments(call: ChatCall, text: string): void
}

interface OpenCall {
  readonly position: number
  id: string | undefined
  /** What the sink has received: it exists once the name is known. */
  started: ChatCall | undefined
  /** Arguments that came before the name. */
  held: string
  readonly args: ArgumentsEnd
  /** The name came again after complete arguments: arguments that follow belong to a call of the same name. */
  isNameRepeated: boolean
}

/** No model calls so many tools at once: what goes on with them is not an answer. */
const maxCalls = 1_024
/** Characters of arguments that wait for their names. */
const maxHeldLength = 1_048_576

/** A piece of a call as one chunk has it. */
interface Piece {
  readonly id: string | undefined
  readonly name: string | undefined
  readonly text: string
}

/** The tool calls of one response, from their pieces. Keeps arguments only until the name of their call is known. */
export class ChatCalls {
  readonly #sink: CallSink
  readonly #calls: OpenCall[] = []
  /** By the index that the provider writes. */
  readonly #byIndex = new Map<number, OpenCall>()
  #last: OpenCall | undefined
  #heldLength = 0

  constructor(sink: CallSink) {
    this.#sink = sink
  }

  get count(): number {
    return this.#calls.length
  }

  /** Whether there are more calls or nameless arguments than are kept: no more is to be read. */
  get isOverfull(): boolean {
    return this.#calls.length > maxCalls || this.#heldLength > maxHeldLength
  }

  /** Whether arguments have arrived of a call whose name has not. */
  get hasNameless(): boolean {
    return this.#calls.some(({ started }) => started === undefined)
  }

  /** Whether the arguments of every call are a whole object, or absent. */
  get areComplete(): boolean {
    return this.#calls.every(({ args }) => args.isComplete || args.isBlank)
  }

  /**
   * Reads an element of `tool_calls`.
   * @param position in the list; undefined if it is the only element.
   * @param text of the arguments, as they were written; empty if there are none.
   */
  read(element: JsonObject, position: number | undefined, text: string): void {
    const { index, id, function: called } = element
    const { name } = membersOf(called)
    const piece = { id: textOrNothing(id), name: textOrNothing(name), text }
    const key = typeof index === 'number' ? index : position
    const known = this.#find(key, piece.id)
    const call = known === undefined || isAnother(known, piece) ? this.#begin(known, piece) : known
    if (key !== undefined) this.#byIndex.set(key, call)
    this.#last = call
    this.#add(call, piece)
  }

  #find(key: number | undefined, id: string | undefined): OpenCall | undefined {
    if (key === undefined) {
      const same = id === undefined ? undefined : this.#calls.find((call) => call.id === id)
      return same ?? this.#last
    }
    return this.#byIndex.get(key)
  }

  #begin(before: OpenCall | undefined, { id, name }: Piece): OpenCall {
    const call: OpenCall = {
      position: this.#calls.length,
      id: this.#unused(id),
      started: undefined,
      held: '',
      args: new ArgumentsEnd(),
      isNameRepeated: false,
    }
    this.#calls.push(call)
    if (name === undefined && before?.isNameRepeated === true) this.#start(call, before.started!.name)
    return call
  }

  #add(call: OpenCall, { id, name, text }: Piece): void {
    if (call.started === undefined) {
      call.id ??= this.#unused(id)
      if (name !== undefined) this.#start(call, name)
    } else if (name !== undefined && call.args.isComplete) call.isNameRepeated = true
    if (text === '') return
    call.args.push(text)
    if (call.started === undefined) {
      call.held += text
      this.#heldLength += text.length
    } else this.#sink.callArguments(call.started, text)
  }

  #start(call: OpenCall, name: string): void {
    const { position, id, args } = call
    call.started = { position, id, name, args }
    this.#sink.callStart(call.started)
    if (call.held !== '') this.#sink.callArguments(call.started, call.held)
    call.held = ''
  }

  #unused(id: string | undefined): string | undefined {
    return this.#calls.some((call) => call.id === id) ? undefined : id
  }
}

function textOrNothing(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Whether a piece with the index of a known call begins another one. */
function isAnother(known: OpenCall, { id, name, text }: Piece): boolean {
  const isSameId = id !== undefined && id === known.id
  if (isSameId) return false
  const { started, args } = known
  const isAfterEnd = args.isComplete && text.trim() !== ''
  // Some servers invent an id for each piece; only the first one names the tool.
  const hasOtherId = id !== undefined && known.id !== undefined && (name !== undefined || isAfterEnd)
  if (hasOtherId) return true
  if (started === undefined) return false
  if (name !== undefined && name !== started.name) return true
  // After whole arguments nothing but blanks can follow in the same call.
  return isAfterEnd && (name !== undefined || known.isNameRepeated)
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const LEFT_BRACE = 0x7b
const LEFT_BRACKET = 0x5b
const RIGHT_BRACE = 0x7d
const RIGHT_BRACKET = 0x5d

/** Finds the end of an object in text that arrives in pieces, without keeping it. */
class ArgumentsEnd {
  isComplete = false
  isBlank = true
  #depth = 0
  #isInString = false
  #isEscaped = false

  push(text: string): void {
    for (let at = 0; at < text.length; at += 1) this.#read(text.charCodeAt(at))
  }

  #read(code: number): void {
    if (this.#isInString) {
      if (this.#isEscaped) this.#isEscaped = false
      else if (code === BACKSLASH) this.#isEscaped = true
      else if (code === QUOTE) this.#isInString = false
      return
    }
    if (code <= 0x20) return
    if (this.isBlank) this.isBlank = false
    if (code === QUOTE) this.#isInString = true
    else if (code === LEFT_BRACE || code === LEFT_BRACKET) this.#depth += 1
    else if (code === RIGHT_BRACE || code === RIGHT_BRACKET) {
      this.#depth -= 1
      this.isComplete = this.#depth === 0
    }
  }
}
