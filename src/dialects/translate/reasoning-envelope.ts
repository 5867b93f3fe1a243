// Reasoning that a client keeps for the next turn without reading it: the `encrypted_content` of the Responses API. What a
// chat provider reasons is not secret; the envelope only keeps it exact, with the provider's own details (signatures).
import { isObject, parseJson } from '../../bytes/json/parse.ts'

/** What one turn has reasoned. */
export interface ReasoningContent {
  readonly text: string
  /** Items of `reasoning_details` as the provider wrote them; empty if it wrote none. */
  readonly details: readonly unknown[]
}

/** Tells our envelopes from the encrypted content of other servers, which never has a colon. */
const mark = 'llm-gateway:reasoning:1:'

/** For `encrypted_content`. */
export function packReasoning({ text, details }: ReasoningContent): string {
  const content = details.length > 0 ? { text, details } : { text }
  return mark + Buffer.from(JSON.stringify(content)).toString('base64')
}

/** @returns undefined for what another server has packed, and for an envelope that was changed on its way. */
export function unpackReasoning(packed: string): ReasoningContent | undefined {
  if (!packed.startsWith(mark)) return undefined
  const content = parseJson(Buffer.from(packed.slice(mark.length), 'base64'))
  if (!isObject(content) || typeof content['text'] !== 'string') return undefined
  const { text, details } = content
  return { text, details: Array.isArray(details) ? details : [] }
}
