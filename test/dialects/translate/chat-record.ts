// What a reader of chat responses hands on, as one list, with texts of one kind in a row joined.
import type { ErrorFields } from '../../../src/dialects/dialect.ts'
import type { ChatCall } from '../../../src/dialects/translate/chat-calls.ts'
import type { ChatSink } from '../../../src/dialects/translate/chat-chunks.ts'

type Piece = readonly [kind: string, ...rest: readonly unknown[]]

export class ChatRecord implements ChatSink {
  readonly pieces: Piece[] = []

  reasoning(text: string): void {
    this.#join('reasoning', text)
  }

  reasoningDetails(details: readonly unknown[]): void {
    this.pieces.push(['details', details])
  }

  text(text: string): void {
    this.#join('text', text)
  }

  refusal(text: string): void {
    this.#join('refusal', text)
  }

  callStart({ position, id, name }: ChatCall): void {
    this.pieces.push(['start', position, id, name])
  }

  callArguments({ position }: ChatCall, text: string): void {
    this.#join(`arguments ${position}`, text)
  }

  error(fields: ErrorFields, status: number): void {
    this.pieces.push(['error', fields.message, status])
  }

  #join(kind: string, text: string): void {
    const last = this.pieces.at(-1)
    if (last?.[0] === kind) this.pieces[this.pieces.length - 1] = [kind, `${String(last[1])}${text}`]
    else this.pieces.push([kind, text])
  }
}
