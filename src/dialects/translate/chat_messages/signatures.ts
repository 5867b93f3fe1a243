// Anthropic's signed reasoning in chat: items of `reasoning_details`, in OpenRouter's form, which clients send back. The
// signature is bound to the exact text, and a made-up one is refused.
// https://openrouter.ai/docs/guides/best-practices/reasoning-tokens#preserving-reasoning

const ownFormat = 'anthropic-claude-v1'

/** An item of `reasoning_details`. */
export interface ReasoningDetail {
  readonly type: 'reasoning.text' | 'reasoning.encrypted'
  readonly format: string
  /** Among the items of one response, from 0 on. */
  readonly index: number
  /** Of `reasoning.text`: the whole text of a block. */
  readonly text?: string
  readonly signature?: string
  /** Of `reasoning.encrypted`. */
  readonly data?: string
}

/** A whole block of reasoning. @param index as in `ReasoningDetail`. */
export function signedText(text: string, signature: string, index: number): ReasoningDetail {
  return { type: 'reasoning.text', text, signature, format: ownFormat, index }
}

/** A block of reasoning that only Anthropic can read. @param index as in `ReasoningDetail`. */
export function encrypted(data: string, index: number): ReasoningDetail {
  return { type: 'reasoning.encrypted', data, format: ownFormat, index }
}

/** Whether an item can come from Anthropic. Clients leave the format out. */
export function isOwnFormat(format: string | undefined): boolean {
  return format === undefined || format === ownFormat
}
