// What the model that answers a request has to be able to do.
import type { JsonMember } from '../../bytes/json/types.ts'
import { type JsonView, membersAt } from '../../bytes/json/view.ts'
import type { RequestNeeds } from '../request.ts'
import type { PromptSize } from './prompt-size.ts'

/**
 * Images and tools were found by the scan; whether the request asks for thinking is found when somebody asks.
 * @param body a JSON object that was scanned.
 * @param known members whose ends are known.
 */
export function needsOf(
  body: Buffer,
  known: ReadonlyMap<string, JsonMember>,
  { hasImages, hasTools }: Pick<PromptSize, 'hasImages' | 'hasTools'>,
): RequestNeeds {
  let isThinking: boolean | undefined
  return {
    hasImages,
    hasTools,
    get asksThinking() {
      return (isThinking ??= asksThinking(membersAt(body, known)))
    },
  }
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
