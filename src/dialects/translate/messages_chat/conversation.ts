// The messages of a chat request as they are put together. In Messages a turn may have several blocks of any kind, and
// neighbours of one role count as one turn; chat has one message for each tool result and one for all else of a turn.
import { type Encodable, JoinedText } from '../../../bytes/json/encode.ts'
import type { ProviderTraits } from '../../../config/provider-types.ts'
import { append } from '../append.ts'
import { contentOf, joinTexts, type Part, piecesOf, type Text } from './content.ts'

/** In the place that it has among the parts of a user. */
interface Instruction {
  readonly system: readonly Text[]
}

interface UserTurn {
  /** Chat messages, before all else. */
  readonly results: Encodable[]
  /** Of results, where a tool message holds only text. */
  readonly resultMedia: Part[]
  readonly items: (Part | Instruction)[]
}

/** What one message of the assistant consists of. */
export interface AssistantPiece {
  readonly texts: readonly Text[]
  readonly reasoning: readonly Text[]
  /** In chat's form. */
  readonly calls: readonly Encodable[]
}

interface AssistantTurn {
  readonly texts: Text[]
  readonly reasoning: Text[]
  readonly calls: Encodable[]
}

/** What one message of a user consists of. */
export interface UserPiece {
  readonly results: readonly Encodable[]
  readonly resultMedia: readonly Part[]
  readonly parts: readonly Part[]
}

/** Of one request. Messages are added in their order. */
export class BlockConversation {
  readonly #traits: ProviderTraits
  readonly #instructions: Text[] = []
  readonly #messages: Encodable[] = []
  #user: UserTurn | undefined
  #assistant: AssistantTurn | undefined

  constructor(traits: ProviderTraits) {
    this.#traits = traits
  }

  /** Whether the last turn is one of the assistant that the provider is to continue. */
  get endsWithPrefill(): boolean {
    return this.#assistant !== undefined && this.#assistant.calls.length === 0
  }

  /** Instructions: before any turn they are the request's own. Later ones follow the tool results of their turn. */
  system(texts: readonly Text[]): void {
    if (texts.length === 0) return
    const isFirst = this.#messages.length === 0 && this.#user === undefined && this.#assistant === undefined
    if (isFirst) append(this.#instructions, texts)
    else this.#openUser().items.push({ system: texts })
  }

  user({ results, resultMedia, parts }: UserPiece): void {
    const turn = this.#openUser()
    append(turn.results, results)
    append(turn.resultMedia, resultMedia)
    append(turn.items, parts)
  }

  assistant({ texts, reasoning, calls }: AssistantPiece): void {
    this.#endUser()
    this.#assistant ??= { texts: [], reasoning: [], calls: [] }
    append(this.#assistant.texts, texts)
    append(this.#assistant.reasoning, reasoning)
    append(this.#assistant.calls, calls)
  }

  finish(): readonly Encodable[] {
    this.#endUser()
    this.#endAssistant()
    const { systemRole, hasTextParts } = this.#traits
    if (this.#instructions.length === 0) return this.#messages
    const content = contentOf(
      this.#instructions.map((text) => ({ text })),
      hasTextParts,
    )
    return [{ role: systemRole, content }, ...this.#messages]
  }

  #openUser(): UserTurn {
    this.#endAssistant()
    return (this.#user ??= { results: [], resultMedia: [], items: [] })
  }

  #endUser(): void {
    const turn = this.#user
    this.#user = undefined
    if (turn === undefined) return
    append(this.#messages, turn.results)
    let parts: Part[] = [...turn.resultMedia]
    for (const item of turn.items) {
      if (!('system' in item)) parts.push(item)
      else if (this.#traits.systemInMiddle === 'fold') parts.push({ text: markedSection(item) })
      else {
        this.#pushUser(parts)
        parts = []
        this.#messages.push({ role: this.#traits.systemRole, content: joinTexts(item.system, '\n\n') })
      }
    }
    this.#pushUser(parts)
  }

  #pushUser(parts: readonly Part[]): void {
    if (parts.length === 0) return
    this.#messages.push({ role: 'user', content: contentOf(parts, this.#traits.hasTextParts) })
  }

  #endAssistant(): void {
    const turn = this.#assistant
    this.#assistant = undefined
    if (turn === undefined) return
    const { texts, reasoning, calls } = turn
    const { reasoningField } = this.#traits
    const hasReasoning = reasoningField !== 'none' && reasoning.length > 0
    if (texts.length === 0 && calls.length === 0 && !hasReasoning) return
    const withoutText = calls.length > 0 ? null : ''
    this.#messages.push({
      role: 'assistant',
      // One string, because some servers take several parts of an assistant for several messages.
      content: texts.length > 0 ? joinTexts(texts, '\n\n') : withoutText,
      ...(hasReasoning && { [reasoningField]: joinTexts(reasoning, '\n\n') }),
      tool_calls: calls.length > 0 ? calls : undefined,
    })
  }
}

/** Instructions within a user's text: models know such marks from the clients that write them there themselves. */
function markedSection({ system }: Instruction): Text {
  return new JoinedText('<system>\n', piecesOf(joinTexts(system, '\n\n')), '\n</system>')
}
