// How much a model is to think, and what sampling goes with it. Models from 4.6 on decide themselves, within an effort; older
// ones take a budget. https://docs.claude.com/en/docs/build-with-claude/extended-thinking
import type { Effort, ProviderTraits } from '../../../config/provider-types.ts'
import type { Encodable } from '../../../bytes/json/encode.ts'
import type { JsonView } from '../../../bytes/json/view.ts'
import { acceptedEffort, allEfforts } from '../efforts.ts'
import type { RequestNotes } from '../request-notes.ts'
import { type Members, memberIn } from '../members.ts'
import { textOf } from './content.ts'

type ThinkingTraits = Pick<ProviderTraits, 'efforts' | 'maxTemperature' | 'thinking' | 'hasTopK'>

/** What else of the request decides about thinking. */
interface Circumstances {
  /** The cap of the output. */
  readonly maxTokens: number
  /** The model must call a tool, which excludes thinking. */
  readonly isForced: boolean
  /** Calls of the conversation lack the signed reasoning that led to them: with a budget, Anthropic insists on it. */
  readonly lacksReasoning: boolean
}

interface Thinking {
  readonly thinking: Encodable | undefined
  readonly effort: Effort | undefined
  readonly isOn: boolean
}

const budgets: Readonly<Record<Exclude<Effort, 'none'>, number>> = {
  minimal: 1024,
  low: 1024,
  medium: 4096,
  high: 16_384,
  xhigh: 16_384,
  max: 16_384,
}
/** Anthropic accepts none below. */
const minBudget = 1024

const off = { type: 'disabled' }
const nothing: Thinking = { thinking: undefined, effort: undefined, isOn: false }

/** Notes what of the client's wish is dropped. */
export function thinkingOf(
  members: Members,
  traits: ThinkingTraits,
  about: Circumstances,
  notes: RequestNotes,
): Thinking {
  // Anthropic's own member, which its servers accept in chat requests too.
  const own = members.get('thinking')
  if (own?.kind === 'object') {
    const isOn = textOf(own.members().get('type')) !== 'disabled'
    if (!isOn || !about.isForced) return { thinking: own, effort: undefined, isOn }
    notes.drop('thinking')
    return nothing
  }
  const wish = wishedEffort(members.get('reasoning_effort'), notes)
  if (wish === undefined) return nothing
  // A model that cannot think knows no member for it.
  if (wish === 'none') return traits.efforts.length > 0 ? { ...nothing, thinking: off } : nothing
  return traits.thinking === 'adaptive'
    ? adaptive(wish, traits, about, notes)
    : budgeted(wish, traits, about, notes)
}

function wishedEffort(member: JsonView | undefined, notes: RequestNotes): Effort | undefined {
  if (member === undefined || member.kind === 'null') return undefined
  const text = textOf(member)
  const effort = allEfforts.find((each) => each === text)
  if (effort === undefined) {
    notes.reject('reasoning_effort', `"reasoning_effort" must be one of ${allEfforts.join(', ')}.`)
  }
  return effort
}

function adaptive(
  wish: Effort,
  traits: ThinkingTraits,
  { isForced }: Circumstances,
  notes: RequestNotes,
): Thinking {
  const accepted = traits.efforts.filter((each) => each !== 'none')
  const effort = acceptedEffort(wish, accepted)
  if (effort === undefined) {
    notes.drop('reasoning_effort')
    return nothing
  }
  return { thinking: isForced ? off : { type: 'adaptive' }, effort, isOn: !isForced }
}

/** Half of the output at most, so that there is room for an answer. */
function budgeted(
  wish: Exclude<Effort, 'none'>,
  { efforts: accepted }: ThinkingTraits,
  { maxTokens, isForced, lacksReasoning }: Circumstances,
  notes: RequestNotes,
): Thinking {
  const budget = Math.min(budgets[wish], Math.floor(maxTokens / 2))
  if (accepted.length === 0 || isForced || lacksReasoning || budget < minBudget) {
    notes.drop('reasoning_effort')
    return nothing
  }
  return { thinking: { type: 'enabled', budget_tokens: budget }, effort: undefined, isOn: true }
}

interface Sampling {
  readonly temperature: Encodable | undefined
  readonly top_p: Encodable | undefined
  readonly top_k: Encodable | undefined
}

/** Thinking models accept less. */
const minTopPWithThinking = 0.95

/** Notes what the model does not accept, with thinking or at all. */
export function samplingOf(
  members: Members,
  { maxTemperature, hasTopK }: ThinkingTraits,
  isThinking: boolean,
  notes: RequestNotes,
): Sampling {
  const [temperature, topP, topK] = ['temperature', 'top_p', 'top_k'].map((name) => memberIn(members, name))
  const isHot = temperature !== undefined && (numberOf(temperature) ?? 0) > maxTemperature
  const keptTopP = topPOf(topP, temperature !== undefined && !isThinking, isThinking, notes)
  // 1 is the only temperature with thinking, and it is the default.
  if (isThinking && temperature !== undefined && numberOf(temperature) !== 1) notes.drop('temperature')
  const keepsTopK = hasTopK && !isThinking
  if (topK !== undefined && !keepsTopK) notes.drop('top_k')
  return {
    temperature: isThinking ? undefined : isHot ? maxTemperature : temperature,
    top_p: keptTopP,
    top_k: keepsTopK ? topK : undefined,
  }
}

/** Models from 4.1 on refuse it beside a temperature. 1 is the default. */
function topPOf(
  topP: JsonView | undefined,
  hasTemperature: boolean,
  isThinking: boolean,
  notes: RequestNotes,
): JsonView | undefined {
  if (topP === undefined || numberOf(topP) === 1) return undefined
  const isLow = isThinking && (numberOf(topP) ?? 1) < minTopPWithThinking
  if (!hasTemperature && !isLow) return topP
  notes.drop('top_p')
  return undefined
}

/** Undefined for a value of another kind, which the provider judges. */
export function numberOf(value: JsonView | undefined): number | undefined {
  return value?.kind === 'number' ? Number(value.raw.toString()) : undefined
}
