// What of a request makes up its prompt, counted while its body is scanned.
import type { Span } from '../domain.ts'
import type { JsonScan } from './json-scan.ts'
import { isDigit } from './json-tokens.ts'
import { isMedia, MIN_MEDIA_BYTES } from './media-string.ts'

/** How the strings of a member, the elements of its array and the numbers in it count. */
export interface PromptRole {
  /** The model reads the names in schemas too. */
  readonly isSchema?: boolean
  readonly elements?: 'messages' | 'prompts'
  readonly mayHoldTokenIds?: boolean
}

export const promptRoles: ReadonlyMap<string, PromptRole> = new Map([
  ['documents', {}],
  ['functions', { isSchema: true }],
  ['input', { elements: 'messages', mayHoldTokenIds: true }],
  ['instructions', {}],
  ['messages', { elements: 'messages' }],
  ['prompt', { elements: 'prompts', mayHoldTokenIds: true }],
  ['query', {}],
  ['response_format', { isSchema: true }],
  ['system', {}],
  ['tools', { isSchema: true }],
])

const ARRAY = 0x5b
const QUOTE = 0x22

type PromptCounts = Pick<
  JsonScan,
  'textBytes' | 'mediaCount' | 'messageCount' | 'tokenIdCount' | 'promptCount'
>

/** Adds up as the scan goes on. */
export class PromptCount {
  textBytes = 0
  private mediaCount = 0
  private messageCount = 0
  private tokenIdCount = 0
  private promptCount = 0
  readonly #bytes: Buffer
  readonly #open: readonly number[]

  /** @param open the opening bytes of the containers around the current place, as the scan goes on. */
  constructor(bytes: Buffer, open: readonly number[]) {
    this.#bytes = bytes
    this.#open = open
  }

  counts(): PromptCounts {
    const { textBytes, mediaCount, messageCount, tokenIdCount, promptCount } = this
    return { textBytes, mediaCount, messageCount, tokenIdCount, promptCount: Math.max(promptCount, 1) }
  }

  /** An object or array. Those that stand directly in the array of a top-level member count. */
  element({ elements }: PromptRole): void {
    const open = this.#open
    if (elements === undefined || open.length !== 2 || open[1] !== ARRAY) return
    if (elements === 'messages') this.messageCount++
    else this.promptCount++
  }

  /** A string (with its quotes), number or word. */
  scalar(role: PromptRole, key: Span, value: Span): void {
    const bytes = this.#bytes
    const byte = bytes[value.start]!
    const isNumber = byte === 0x2d || isDigit(byte)
    if (!isNumber) this.element(role)
    if (byte === QUOTE) {
      if (this.#isMedia(key, value)) this.mediaCount++
      else this.textBytes += value.end - value.start - 2
    } else if (isNumber && role.mayHoldTokenIds === true) {
      const open = this.#open
      const isDirect = open.length === 2 || (open.length === 3 && open[2] === ARRAY)
      if (isDirect && open[1] === ARRAY) this.tokenIdCount++
    }
  }

  #isMedia(key: Span, { start, end }: Span): boolean {
    if (end - start - 2 < MIN_MEDIA_BYTES) return false
    return isMedia(this.#bytes, key, { start: start + 1, end: end - 1 })
  }
}
