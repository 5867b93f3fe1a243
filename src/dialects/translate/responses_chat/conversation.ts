// The messages of a chat request, as they are put together: one message for a turn of the assistant, its tool results right
// behind it, and instructions where the provider accepts them.
import type { ProviderTraits } from '../../../config/provider-types.ts'
import { type Encodable, JoinedText } from '../../../bytes/json/encode.ts'
import type { JsonView } from '../../../bytes/json/view.ts'
import type { ReasoningContent } from '../reasoning-envelope.ts'
import { joined, joinedTexts, type TextPiece, type ToolOutput } from './parts.ts'

export interface ToolCall {
  /** Of the client; the same in the result. */
  readonly id: JsonView
  /** For chat. */
  readonly name: string
  readonly args: Encodable
  /** Undefined: the client has sent none. */
  readonly result: ToolOutput | undefined
}

interface Turn {
  /** One for each message of the turn. */
  readonly texts: (readonly TextPiece[])[]
  readonly calls: ToolCall[]
  /** Of the calls, as they are written. */
  readonly callIds: Set<string>
  readonly reasoning: TextPiece[]
  readonly details: unknown[]
}

/** A message whose content can still grow. */
type UserMessage = { readonly role: 'user'; content: Encodable }

type ConversationTraits = Pick<
  ProviderTraits,
  'systemRole' | 'systemInMiddle' | 'hasTextParts' | 'reasoningField'
>

/** Of one request. Items are added in their order. */
export class ItemConversation {
  readonly #traits: ConversationTraits
  readonly #instructions: Encodable[] = []
  readonly #messages: Encodable[] = []
  #turn: Turn | undefined
  /** The last message, if a user wrote it, and the instructions behind it that become a part of it. */
  #user: UserMessage | undefined
  #sections: JoinedText[] = []

  constructor(traits: ConversationTraits) {
    this.#traits = traits
  }

  /** Whether the last message is the assistant's. */
  get endsWithAssistant(): boolean {
    return this.#turn !== undefined && this.#turn.calls.length === 0
  }

  user(content: Encodable): void {
    this.#endTurn()
    this.#endUser()
    this.#user = { role: 'user', content }
    this.#messages.push(this.#user)
  }

  /** Instructions of the client, or of a developer. */
  system(content: Encodable): void {
    const isFirst = this.#messages.length === 0 && this.#turn === undefined
    if (isFirst) {
      this.#instructions.push(content)
      return
    }
    this.#endTurn()
    if (this.#traits.systemInMiddle === 'keep') {
      this.#endUser()
      this.#messages.push({ role: this.#traits.systemRole, content })
      return
    }
    this.#fold(content)
  }

  assistantText(pieces: readonly TextPiece[]): void {
    this.#openTurn().texts.push(pieces)
  }

  /** What the assistant has reasoned before the text or the call that follows. */
  reasoning({
    text,
    details,
  }: { readonly text: readonly TextPiece[] } & Pick<ReasoningContent, 'details'>): void {
    const turn = this.#openTurn()
    if (turn.reasoning.length > 0 && text.length > 0) turn.reasoning.push('\n\n')
    for (const piece of text) turn.reasoning.push(piece)
    for (const detail of details) turn.details.push(detail)
  }

  call(call: ToolCall): void {
    const { calls, callIds } = this.#openTurn()
    calls.push(call)
    callIds.add(keyOf(call.id))
  }

  /** A result whose call the client has not sent: the provider judges it. */
  orphanResult(id: JsonView, result: ToolOutput): void {
    this.#endTurn()
    this.#results([{ id, result }])
  }

  /** The result of a call stands here in the client's list: what follows it belongs to another turn. */
  endTurnOf(callId: JsonView): void {
    if (this.#turn?.callIds.has(keyOf(callId))) this.#endTurn()
  }

  finish(): Encodable[] {
    this.#endTurn()
    this.#endUser()
    const { systemRole } = this.#traits
    const first =
      this.#instructions.length === 0 ? [] : [{ role: systemRole, content: this.#joinedInstructions() }]
    return [...first, ...this.#messages]
  }

  /** Servers whose templates refuse a second system message accept several parts. */
  #joinedInstructions(): Encodable {
    const parts = this.#instructions.flatMap(textsOf)
    if (parts.length === 1) return parts[0]!
    if (this.#traits.hasTextParts) return parts.map((text) => ({ type: 'text', text }))
    return joinedTexts(parts, '\n\n')
  }

  /** Into the text of the user's message before it, or into one of its own. */
  #fold(content: Encodable): void {
    const { parts } = joinedTexts(textsOf(content), '\n\n')
    const section = new JoinedText('<system>\n', parts, '\n</system>')
    if (this.#user === undefined) this.user(section)
    else this.#sections.push(section)
  }

  /** The message that a user wrote is the last no longer. */
  #endUser(): void {
    const [user, sections] = [this.#user, this.#sections]
    this.#user = undefined
    if (user === undefined || sections.length === 0) return
    this.#sections = []
    const { content: before } = user
    if (this.#traits.hasTextParts || Array.isArray(before)) {
      const parts = Array.isArray(before)
        ? (before as readonly Encodable[])
        : [{ type: 'text', text: before }]
      user.content = [...parts, ...sections.map((text) => ({ type: 'text', text }))]
    } else user.content = joinedTexts([before, ...sections], '\n\n')
  }

  #openTurn(): Turn {
    this.#endUser()
    return (this.#turn ??= { texts: [], calls: [], callIds: new Set(), reasoning: [], details: [] })
  }

  #endTurn(): void {
    const turn = this.#turn
    this.#turn = undefined
    if (turn === undefined) return
    const { texts, calls, reasoning, details } = turn
    // Reasoning that nothing follows belongs to no message.
    if (texts.length === 0 && calls.length === 0) return
    const { reasoningField } = this.#traits
    this.#messages.push({
      role: 'assistant',
      content: texts.length === 0 ? null : contentOf(texts),
      ...(reasoningField !== 'none' && {
        [reasoningField]: reasoning.length > 0 ? joined(reasoning, '') : undefined,
        reasoning_details: details.length > 0 ? (details as Encodable) : undefined,
      }),
      tool_calls: calls.length > 0 ? calls.map(asChatCall) : undefined,
    })
    this.#results(calls)
  }

  #results(results: readonly Pick<ToolCall, 'id' | 'result'>[]): void {
    this.#endUser()
    const media: Encodable[] = []
    for (const { id, result } of results) {
      // Strict servers refuse a call without a result.
      const content = result?.content ?? 'no output'
      this.#messages.push({ role: 'tool', tool_call_id: id, content })
      if (result === undefined || result.media.length === 0) continue
      media.push({ type: 'text', text: new JoinedText('Output of call ', id, ':') })
      for (const part of result.media) media.push(part)
    }
    if (media.length > 0) this.user(media)
  }
}

function asChatCall({ id, name, args }: ToolCall): Encodable {
  return { id, type: 'function', function: { name, arguments: args } }
}

function contentOf(texts: readonly (readonly TextPiece[])[]): Encodable {
  const [only] = texts.length === 1 && texts[0]!.length === 1 ? texts[0]! : []
  if (only !== undefined && !Buffer.isBuffer(only)) return only
  return new JoinedText(texts.flatMap((pieces, at) => (at === 0 ? pieces : ['\n\n', ...pieces])))
}

function keyOf(id: JsonView): string {
  return id.rawText.toString('latin1')
}

/** The texts of a content: of a text itself, or of its parts. */
function textsOf(content: Encodable): readonly Encodable[] {
  if (!Array.isArray(content)) return [content]
  return (content as readonly { readonly text?: Encodable }[]).flatMap(({ text }) =>
    text === undefined ? [] : [text],
  )
}
