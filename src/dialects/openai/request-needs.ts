// What the model that answers a request has to be able to do, read from its bytes when somebody asks.
import type { JsonMember } from '../../bytes/json/types.ts'
import { type JsonView, membersAt } from '../../bytes/json/view.ts'
import type { RequestNeeds } from '../request.ts'

/**
 * Each answer is found when it is asked for, once: images are searched for in the whole body.
 * @param body a JSON object that was scanned.
 * @param known members whose ends are known.
 */
export function needsOf(body: Buffer, known: ReadonlyMap<string, JsonMember>): RequestNeeds {
  let members: ReadonlyMap<string, JsonView> | undefined
  let images: boolean | undefined
  const read = () => (members ??= membersAt(body, known))
  return {
    get hasImages() {
      return (images ??= hasImages(body))
    },
    get hasTools() {
      return isFilled(read().get('tools')) || isFilled(read().get('functions'))
    },
    get asksThinking() {
      return asksThinking(read())
    },
  }
}

function isFilled(list: JsonView | undefined): boolean {
  return list?.kind === 'array' && !/^\[\s*\]$/.test(list.raw.subarray(0, 64).toString('latin1'))
}

/** Messages has `thinking`, chat `reasoning_effort`, Responses and OpenRouter `reasoning`, Ollama `think`, templates a switch. */
function asksThinking(members: ReadonlyMap<string, JsonView>): boolean {
  const type = members.get('thinking')?.members().get('type')?.text()
  if (type !== undefined && type !== 'disabled') return true
  const reasoning = members.get('reasoning')?.members()
  if (isEffort(members.get('reasoning_effort')) || isEffort(reasoning?.get('effort'))) return true
  if (reasoning?.get('enabled')?.kind === 'true' || reasoning?.get('max_tokens')?.kind === 'number')
    return true
  const think = members.get('think')
  if (think?.kind === 'true' || isEffort(think)) return true
  return members.get('chat_template_kwargs')?.members().get('enable_thinking')?.kind === 'true'
}

function isEffort(value: JsonView | undefined): boolean {
  return value?.kind === 'string' && value.text() !== 'none'
}

/** The types of parts with an image: in Messages, in chat, in Responses. */
const imageTypes = ['"image"', '"image_url"', '"input_image"'] as const

/** By the types of parts, and by Ollama's `images`. Texts that quote such JSON have a backslash before each quote. */
function hasImages(body: Buffer): boolean {
  return imageTypes.some((type) => hasPartOf(body, type)) || hasOllamaImages(body)
}

function hasPartOf(body: Buffer, type: string): boolean {
  for (let at = body.indexOf(type); at >= 0; at = body.indexOf(type, at + type.length)) {
    // As much as comes before a value in any layout.
    const before = body.toString('latin1', Math.max(0, at - 32), at)
    if (/"type"\s*:\s*$/.test(before)) return true
  }
  return false
}

function hasOllamaImages(body: Buffer): boolean {
  const name = '"images"'
  for (let at = body.indexOf(name); at >= 0; at = body.indexOf(name, at + name.length)) {
    const end = at + name.length
    if (/^\s*:\s*\[\s*"/.test(body.toString('latin1', end, end + 32))) return true
  }
  return false
}
