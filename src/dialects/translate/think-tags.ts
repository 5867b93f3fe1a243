// Reasoning that a server leaves in the text of an answer, between `<think>` at its start and `</think>`.

/** Receives the pieces in order. */
export interface ThinkSink {
  reasoning(text: string): void
  text(text: string): void
}

const opening = '<think>'
const closing = '</think>'
/** So much white space before a tag is text. */
const maxBlanks = 1_024

/** Separates one answer's text, whatever its pieces: a tag may be spread over several. */
export class ThinkTags {
  #state: 'start' | 'reasoning' | 'gap' | 'text' = 'start'
  /** What may be the beginning of a tag, or blanks of which the next piece decides. */
  #held = ''

  push(piece: string, sink: ThinkSink): void {
    if (this.#state === 'text') return sink.text(piece)
    this.#held += piece
    if (this.#state === 'start') this.#start(sink)
    if (this.#state === 'reasoning') this.#reason(sink)
    if (this.#state === 'gap') this.#skipGap(sink)
  }

  /** The answer has ended, or goes on with something else than text. */
  flush(sink: ThinkSink): void {
    const held = this.#held
    this.#held = ''
    if (held === '') return
    if (this.#state === 'reasoning') return sink.reasoning(held)
    if (this.#state === 'gap') return
    this.#state = 'text'
    sink.text(held)
  }

  #start(sink: ThinkSink): void {
    const text = this.#held.trimStart()
    if (text.startsWith(opening)) {
      this.#state = 'reasoning'
      this.#held = text.slice(opening.length)
    } else if (!opening.startsWith(text) || this.#held.length > maxBlanks) {
      this.#state = 'text'
      sink.text(this.#held)
      this.#held = ''
    }
  }

  #reason(sink: ThinkSink): void {
    const end = this.#held.indexOf(closing)
    const kept = end < 0 ? beginningAtEnd(this.#held) : 0
    const reasoning = this.#held.slice(0, end < 0 ? this.#held.length - kept : end)
    this.#held = end < 0 ? this.#held.slice(reasoning.length) : this.#held.slice(end + closing.length)
    if (end >= 0) this.#state = 'gap'
    if (reasoning !== '') sink.reasoning(reasoning)
  }

  /** Models write blank lines between their reasoning and the answer. */
  #skipGap(sink: ThinkSink): void {
    const text = this.#held.trimStart()
    this.#held = ''
    if (text === '') return
    this.#state = 'text'
    sink.text(text)
  }
}

/** How many letters at the end of a text may begin the closing tag. */
function beginningAtEnd(text: string): number {
  for (let length = Math.min(closing.length - 1, text.length); length > 0; length -= 1) {
    if (closing.startsWith(text.slice(-length))) return length
  }
  return 0
}
